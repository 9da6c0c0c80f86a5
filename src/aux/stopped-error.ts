import { LkvmError } from '../util/errors.js';

/** A signal has asked the process to end. Thrown out of whatever waits, so that everything is left in order. */
export class StoppedError extends LkvmError {
  constructor() {
    super('STOPPED', 'ended by a signal', 0);
  }
}

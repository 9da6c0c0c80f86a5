/** Signals that end a machine, for the commands that run one. */
export { onTerminationSignal } from '../workers/signals.js';

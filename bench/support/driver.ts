/** The driver side of a bench: the auxiliary runtime's machinery in this process. */
import { Runtime } from '#lkvm/aux/runtime.js';
import { type DriverChoice, Session } from '#lkvm/aux/session.js';
import type { Log } from '#lkvm/util/ports.js';
import type { PmmPlace, Polling } from './pmm-child.js';

const LOG: Log = {
  info: () => undefined,
  warn: (text) => void process.stderr.write(`${text}\n`),
};

/** Runtime and session, closed together. Everything on it blocks this thread. */
export class BenchDriver implements Disposable {
  readonly runtime: Runtime;
  readonly session: Session;

  constructor(place: PmmPlace, poll: Polling, choice: DriverChoice = 'shell') {
    const options = place.auxOptions(poll);
    this.runtime = new Runtime(options, LOG);
    this.session = Session.attach(this.runtime, options, choice, LOG);
  }

  [Symbol.dispose](): void {
    this.session.leave();
    this.session[Symbol.dispose]();
    this.runtime.close();
  }
}

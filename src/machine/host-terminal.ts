/** A terminal of the host that is made for a port of a machine. Thread: main. */
import { F_SETFL } from '../abi/linux.js';
import { O_NONBLOCK, O_RDWR } from '../sys/arch.js';
import { close, fcntl } from '../sys/fd.js';
import { errnoName } from '../sys/libc.js';
import { openPty, type Pty, RawMode } from '../sys/tty.js';
import { StartError } from '../util/errors.js';

/**
 * A new pseudo-terminal: the machine has its controlling end, people and programs open the other one by its name.
 * That end is kept open here as well, so that nobody being there is not taken for its end.
 */
export class HostTerminal {
  readonly #pty: Pty;

  /** Errors: StartError. */
  constructor() {
    const pty = openPty();
    if (typeof pty === 'number') {
      throw new StartError(`a new terminal cannot be had: ${errnoName(-pty)}`);
    }
    this.#pty = pty;
    // Nobody else has this end, so its flags are ours.
    fcntl(pty.controller, F_SETFL, O_RDWR | O_NONBLOCK);
    // Without echo: the guest would read what it has written.
    const mode = RawMode.save(pty.terminal);
    if (typeof mode !== 'number') mode.enter(false);
  }

  /** The machine's end; not blocking. */
  get fd(): number {
    return this.#pty.controller;
  }

  /** Name of the other end: "/dev/pts/3". */
  get path(): string {
    return this.#pty.path;
  }

  /** After the machine has ended. */
  close(): void {
    close(this.#pty.controller);
    close(this.#pty.terminal);
  }
}

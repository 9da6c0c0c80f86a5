/** The host's end of a console on two file descriptors: the command's stdin and stdout, a pty, pipes, ... */
import type { IovArray } from '../../memory/iov-array.js';
import type { EventLoop } from '../../util/ports.js';
import type { ConsoleBackend, ConsoleListener } from '../../virtio/devices/console/backend.js';
import { EscapeFilter, type EscapeMode } from './escape.js';
import { TerminalInput } from './input.js';
import { TerminalOutput } from './output.js';
import { openStream } from './stream-kind.js';

export interface TerminalOptions {
  /** Neither descriptor is closed, or changed in any way. A number that is not open is as good as `/dev/null`. */
  readonly inputFd: number;
  readonly outputFd: number;
  readonly escape: EscapeMode;
  /** The escape keys were typed. Called on the reactor's thread, once per escape. */
  readonly onEscape: () => void;
}

/** Thread: reactor. Starts reading at once. */
export class TerminalBackend implements ConsoleBackend {
  readonly #input: TerminalInput;
  readonly #output: TerminalOutput;

  constructor(loop: EventLoop, options: TerminalOptions) {
    this.#input = new TerminalInput(
      loop,
      openStream(options.inputFd),
      new EscapeFilter(options.escape, options.onEscape),
    );
    this.#output = new TerminalOutput(loop, openStream(options.outputFd));
  }

  setListener(listener: ConsoleListener): void {
    this.#input.setListener(listener);
    this.#output.setListener(listener);
  }

  /** True once the input's end has been read. */
  get inputEnded(): boolean {
    return this.#input.ended;
  }

  read(iov: IovArray, first: number, limit: number): number {
    return this.#input.read(iov, first, limit);
  }

  write(iov: IovArray, skip: number): number {
    return this.#output.write(iov, skip);
  }

  stop(): void {
    this.#output.stop();
  }

  close(): void {
    this.#input.close();
    this.#output.close();
  }
}

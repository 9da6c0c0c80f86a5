/** A console device's host end as a Node stream, for programs instead of people. */

import { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { close, pipe } from '../sys/fd.js';
import { must } from '../sys/libc.js';

/** Two pipes: the device has the far ends, the program a Duplex stream on the near ones. Thread: main. */
export class ConsoleStream {
  /** For the console device. Closed by {@link close}, after the reactor has ended. */
  readonly inputFd: number;
  readonly outputFd: number;
  /** What is written is the driver's input; what the driver prints can be read. */
  readonly stream: Duplex;
  readonly #near: readonly Socket[];

  /** Errors: SysError (no descriptors); then nothing is left open. */
  constructor() {
    const [inputFd, toDevice] = makePipe([]);
    const [fromDevice, outputFd] = makePipe([inputFd, toDevice]);
    const writable = new Socket({ fd: toDevice, readable: false, writable: true });
    const readable = new Socket({ fd: fromDevice, readable: true, writable: false });
    this.inputFd = inputFd;
    this.outputFd = outputFd;
    this.#near = [writable, readable];
    this.stream = Duplex.from({ writable, readable });
  }

  close(): void {
    // The ends go away under the stream, which calls that an error; with no listener it would end the process.
    this.stream.on('error', () => undefined);
    for (const socket of this.#near) socket.destroy();
    this.stream.destroy();
    close(this.inputFd);
    close(this.outputFd);
  }
}

/** @param others closed if there is no pipe */
function makePipe(others: readonly number[]): [number, number] {
  const fds = pipe();
  if (typeof fds !== 'number') return fds;
  for (const fd of others) close(fd);
  return [must(fds, 'pipe2'), -1];
}

/** What a machine's main thread has on its own side of the devices. Thread: main. */
import type { Log } from '../util/ports.js';
import { shutdownGuard } from '../workers/guard.js';
import { IoService } from '../workers/io/service.js';
import { ConsoleStream } from './console-stream.js';

/** Closed by the machine, after its threads have ended. */
export interface HostEnds {
  /** The console for a program; undefined unless asked for. */
  readonly console: ConsoleStream | undefined;
  /** Calls that may wait for a disk. */
  readonly io: IoService;
}

/**
 * Opens them for a machine whose other parts exist already.
 * @param giveBack closes those parts, if this fails
 * Errors: SysError; then nothing is left open.
 */
export function openHostEnds(consoleStream: boolean | undefined, log: Log, giveBack: () => void): HostEnds {
  let console: ConsoleStream | undefined;
  try {
    console = consoleStream === true ? new ConsoleStream() : undefined;
    const io = new IoService(shutdownGuard, (error) =>
      log.warn(`the I/O worker has failed: ${error.message}`),
    );
    return { console, io };
  } catch (error) {
    console?.close();
    giveBack();
    throw error;
  }
}

/**
 * Signals for a thread that blocks in its own event loop and never returns to Node's.
 *
 * `process.on('SIGTERM')` is of no use there: its listener runs in Node's event loop. signalfd(2) is of none, either: it needs the
 * signal blocked in every thread, and Node has started threads before any code of ours runs. But Node's libuv catches signals
 * with a handler that writes to a pipe, of any number of loops. So this is a second loop of libuv, in which nothing but
 * signals is ever waited for. It is never run for its own sake: its epoll descriptor becomes readable when a signal has come,
 * and a descriptor is what our event loops wait for.
 */
import { UV_RUN_NOWAIT, UV_SIGNAL } from '../abi/libuv.js';
import { declare, must } from './libc.js';
import { NativeBuffer } from './map.js';
import { functionAddress } from './process.js';

// All of them return 0 or -errno, as our own wrappers do, unless their name says what they return.
const uvLoopSize = declare('size_t uv_loop_size()');
const uvHandleSize = declare('size_t uv_handle_size(int type)');
const uvLoopInit = declare('int uv_loop_init(uintptr_t loop)');
const uvBackendFd = declare('int uv_backend_fd(uintptr_t loop)');
const uvRun = declare('int uv_run(uintptr_t loop, int mode)');
const uvSignalInit = declare('int uv_signal_init(uintptr_t loop, uintptr_t handle)');
const uvSignalStart = declare('int uv_signal_start(uintptr_t handle, uintptr_t callback, int signal)');

/**
 * Signals caught for this thread. They never end the process again, not even while it ends by itself, so that its exit code
 * does not depend on when a signal comes. Made once. Thread: any, one.
 */
export class SignalFd {
  /** Readable when one of the signals has come since {@link SignalFd.drain}. */
  readonly fd: number;
  readonly #loop: NativeBuffer;

  /** @param signals their numbers Errors: SysError. */
  constructor(signals: readonly number[]) {
    this.#loop = new NativeBuffer(uvLoopSize());
    must(uvLoopInit(this.#loop.address), 'uv_loop_init');
    // What is called in `drain` for each signal: nothing is to be done, so libc's `abs`, which takes any word.
    const callback = functionAddress('abs');
    for (const signal of signals) {
      const handle = new NativeBuffer(uvHandleSize(UV_SIGNAL));
      must(uvSignalInit(this.#loop.address, handle.address), 'uv_signal_init');
      must(uvSignalStart(handle.address, callback, signal), 'uv_signal_start', `signal ${signal}`);
    }
    uvRun(this.#loop.address, UV_RUN_NOWAIT); // only now does the loop's epoll descriptor watch the pipe
    this.fd = uvBackendFd(this.#loop.address);
  }

  /** Takes what has come, so that {@link SignalFd.fd} is no longer readable. */
  drain(): void {
    uvRun(this.#loop.address, UV_RUN_NOWAIT);
  }
}

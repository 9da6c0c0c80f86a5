/** The process and its threads: parent-death signal, hard exit, thread kicks. */
import { EINVAL, ESRCH } from '../abi/errno.js';
import {
  PR_SET_PDEATHSIG,
  SA_RESTART,
  SIGACTION_BYTES,
  SIGACTION_FLAGS_OFF,
  SIGACTION_HANDLER_OFF,
  SIGRT_FIRST_FREE,
} from '../abi/linux.js';
import { InvariantError } from '../util/errors.js';
import { abi } from './arch.js';
import { declare, status } from './libc.js';
import { NativeBuffer } from './map.js';

const cGetpid = declare('int getpid(void)');
const cGetppid = declare('int getppid(void)');
const cSyscall3 = declare('long syscall(long number, long a, long b, long c)');
const cPrctl = declare(
  'int prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)',
);
const cExit = declare('void _exit(int code)');
const cSigaction = declare('int sigaction(int signal, uintptr_t action, uintptr_t old)');
const cDlsym = declare('uintptr_t dlsym(uintptr_t library, const char *name)');

/** Process id. */
export function getpid(): number {
  return cGetpid();
}

/** Kernel id of the calling thread, for {@link tgkill}. Equals the process id on main only. */
export function gettid(): number {
  return cSyscall3(abi.nrGettid, 0, 0, 0);
}

/**
 * Ends the process at once: no exit hooks, no waiting for other threads. `process.exit` waits for ever for a worker
 * that is blocked in a system call; this does not. Only for the end of the shutdown guard and for tests.
 * @param code exit status, 0 ... 255
 */
export function exitNow(code: number): void {
  cExit(code);
}

/**
 * Has the kernel send `signal` to this process when its parent dies. Call it early in a child.
 *
 * @param parentPid who the parent must still be. The parent may have died before the call, and then no signal ever
 *   comes; comparing afterwards closes that gap
 * @returns 0, or -errno (ESRCH: the parent is already gone; exit)
 */
export function dieWithParent(signal: number, parentPid: number): number {
  const result = status(cPrctl(PR_SET_PDEATHSIG, signal, 0, 0, 0));
  if (result < 0) return result;
  return cGetppid() === parentPid ? 0 : -ESRCH;
}

/**
 * Sends a signal to one thread of this process, to make its blocked system call return EINTR.
 * @param tid from {@link gettid} on that thread @returns 0 or -errno (ESRCH: no such thread)
 */
export function tgkill(tid: number, signal: number): number {
  return status(cSyscall3(abi.nrTgkill, cGetpid(), tid, signal));
}

/** The real-time signal used to kick threads. Not SIGUSR1 (Node's inspector), not one that libc keeps. */
export const KICK_SIGNAL = SIGRT_FIRST_FREE + 6;

/**
 * Address of a function of libc, to be called by C code. Safety: libc is never unloaded, so it stays right.
 * Errors: InvariantError (no such function).
 */
export function functionAddress(name: string): number {
  const address = cDlsym(0, name);
  if (address === 0) throw new InvariantError(`libc has no function ${name}`);
  return address;
}

/**
 * Installs a handler that does nothing for `signal`, so that it only interrupts system calls. The handler is libc's
 * `abs`: it takes an int, touches no memory and is safe at any moment, on any thread, without any JavaScript.
 *
 * @param signal a real-time signal, 34 ... 64
 * @param restart true: interrupted calls that can be restarted go on (SA_RESTART); false: they return EINTR
 * @returns 0 or -errno
 * Safety: process-wide, for all threads.
 */
export function installHarmlessHandler(signal: number, restart = false): number {
  if (signal < SIGRT_FIRST_FREE || signal > 64) return -EINVAL;
  const address = functionAddress('abs');
  const action = new NativeBuffer(SIGACTION_BYTES);
  action.view.setBigUint64(SIGACTION_HANDLER_OFF, BigInt(address), true);
  action.view.setInt32(SIGACTION_FLAGS_OFF, restart ? SA_RESTART : 0, true);
  return status(cSigaction(signal, action.address, 0));
}

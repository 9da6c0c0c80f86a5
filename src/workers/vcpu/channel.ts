/**
 * The connection between the vCPUs of a machine and its reactor, for calls that wait. Thread: main makes and closes it.
 *
 * A vCPU has at most one call under way, so a call is three words of its control block (`words.ts`), and one doorbell
 * is for all: there is no queue that could be full.
 */
import { availableParallelism } from 'node:os';
import { eventfd } from '../../sys/eventfd.js';
import { close } from '../../sys/fd.js';
import { createVcpuControl } from './words.js';

/** The connection as plain data: part of the `data` of vCPUs and reactor. */
export interface CommandChannel {
  /** An eventfd that wakes the reactor. Closed by main. */
  readonly doorbellFd: number;
  /** Control block of each vCPU, by its number. */
  readonly controls: readonly SharedArrayBuffer[];
  /** Looks at the answer word before a vCPU sleeps; 0 where only one CPU is usable and looking would delay the answer. */
  readonly spinTurns: number;
}

/** About 20 us of looking: what a sleep and a wake-up cost together. */
const SPIN_TURNS = 2000;

/** A channel for so many vCPUs, with nobody at its ends. Errors: SysError. */
export function createChannel(vcpus: number): CommandChannel {
  return {
    doorbellFd: eventfd(),
    controls: Array.from({ length: vcpus }, createVcpuControl),
    spinTurns: availableParallelism() > 1 ? SPIN_TURNS : 0,
  };
}

/** Closes its descriptor, after all threads that have it are gone. */
export function closeChannel(channel: CommandChannel): void {
  close(channel.doorbellFd);
}

/**
 * The words of a vCPU's control block: those of every thread (`workers/control-block.ts`), and these. Every access is an
 * `Atomics` call, except of the exit counter.
 *
 * A *kick* makes the vCPU look at its words: the kicker stores the request, sets `immediate_exit`, then sends a signal to
 * the thread. Wherever the vCPU was, it notices: inside the guest or asleep in KVM_RUN the signal gets it out; between two
 * entries `immediate_exit` makes the next one return at once. The vCPU clears `immediate_exit` first and reads the words
 * afterwards, so a request stored before its kick is either read now or kicks again.
 */
import { CONTROL_WORDS } from '../control-block.js';

/**
 * Kernel id of the thread while it may be in KVM_RUN, else 0. Writer: vCPU, before it reads the request words for the first
 * time. Reader: kickers.
 */
export const VCPU_TID = CONTROL_WORDS;
/**
 * Count of pauses and resumes: odd = do not enter the guest, park. Writer: main. Reader: vCPU, after each kick and wake-up.
 * A count, so that a pause right after a resume is told from the one before it.
 */
export const VCPU_PAUSE = CONTROL_WORDS + 1;
/** VCPU_IS_ value. Writer: vCPU. Reader: any thread. */
export const VCPU_STATE = CONTROL_WORDS + 2;
/** Count of answers to this vCPU's calls (wraps). Writer: reactor, after VCPU_ANSWER. Reader: vCPU, which waits for it. */
export const VCPU_ANSWERED = CONTROL_WORDS + 3;
/** The last answer. Writer: reactor. Reader: vCPU. */
export const VCPU_ANSWER = CONTROL_WORDS + 4;
/** Count of exits that were dispatched (wraps). Counter: plain stores by the vCPU. Reader: any thread. */
export const VCPU_EXITS = CONTROL_WORDS + 5;
/**
 * Count of looks at the words because of kicks (wraps). Writer: vCPU, after it cleared `immediate_exit`: a kick after this
 * store makes it count again.
 */
export const VCPU_KICKS = CONTROL_WORDS + 6;
/** Count of this vCPU's calls (wraps). Writer: vCPU, after the next two words. Reader: reactor. */
export const VCPU_ASKED = CONTROL_WORDS + 7;
/** Number of the device the call is for. Writer: vCPU. Reader: reactor. */
export const VCPU_CALL_DEVICE = CONTROL_WORDS + 8;
/** What is asked of it. Writer: vCPU. Reader: reactor. */
export const VCPU_CALL_WHAT = CONTROL_WORDS + 9;
const VCPU_WORDS = CONTROL_WORDS + 12;

/** Not in its loop: not begun, or over. */
export const VCPU_IS_OUT = 0;
/** In its loop. */
export const VCPU_IS_RUNNING = 1;
/** Parked: no exit is pending, and the registers are complete. */
export const VCPU_IS_PAUSED = 2;

/** A new block for one vCPU, all zero. */
export function createVcpuControl(): SharedArrayBuffer {
  return new SharedArrayBuffer(VCPU_WORDS * 4);
}

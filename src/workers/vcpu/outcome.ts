/** Why a vCPU's loop ended. */

/** Not an end: enter the guest again. */
export const VCPU_GO_ON = 0;
/** It was asked to. */
export const VCPU_STOPPED = 1;
/** The guest halted, and nothing can wake it: a VM without in-kernel interrupt controllers. */
export const VCPU_HALTED = 2;
/** Triple fault. */
export const VCPU_TRIPLE_FAULT = 3;
/** KVM could not run the guest: FAIL_ENTRY, an internal error, an exit nobody knows. */
export const VCPU_FAILED = 4;
/** The guest asked KVM for power-off or reset (KVM_EXIT_SYSTEM_EVENT). */
export const VCPU_POWERED_OFF = 5;
/** The guest reported its crash (KVM_EXIT_SYSTEM_EVENT). */
export const VCPU_CRASHED = 6;

/** The guest reset the machine (keyboard controller, reset register): as everywhere here, that ends it. */
export const VCPU_RESET = 7;
/** The guest wrote to the debug-exit port; the outcome's value is what it wrote. */
export const VCPU_DEBUG_EXIT = 8;

/** Exit code of the command for a triple fault or a reported crash. */
const EXIT_TRIPLE_FAULT = 33;
/** Exit code of the command when KVM could not run the guest. */
const EXIT_CANNOT_RUN = 34;

/**
 * The command's exit code when a vCPU of the machine ended like this.
 * @param value of VCPU_DEBUG_EXIT; only the low byte of the result reaches whoever started the command
 */
export function exitCodeOf(outcome: number, value = 0): number {
  switch (outcome) {
    case VCPU_DEBUG_EXIT:
      return ((value << 1) | 1) & 0xff;
    case VCPU_TRIPLE_FAULT:
    case VCPU_CRASHED:
      return EXIT_TRIPLE_FAULT;
    case VCPU_FAILED:
      return EXIT_CANNOT_RUN;
    default:
      return 0;
  }
}

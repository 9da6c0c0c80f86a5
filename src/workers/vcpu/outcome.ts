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

/** Exit code of the command for a triple fault or a reported crash. */
const EXIT_TRIPLE_FAULT = 33;
/** Exit code of the command when KVM could not run the guest. */
const EXIT_CANNOT_RUN = 34;

/** The command's exit code when a vCPU of the machine ended like this. */
export function exitCodeOf(outcome: number): number {
  switch (outcome) {
    case VCPU_TRIPLE_FAULT:
    case VCPU_CRASHED:
      return EXIT_TRIPLE_FAULT;
    case VCPU_FAILED:
      return EXIT_CANNOT_RUN;
    default:
      return 0;
  }
}

/** Exits in words, for messages. */
import * as k from '../abi/kvm.js';
import { errnoName } from '../sys/libc.js';
import type { KvmRun } from './kvm-run.js';

const NOT_REASONS = ['KVM_EXIT_IO_IN', 'KVM_EXIT_IO_OUT'];
const names = new Map<number, string>();
for (const [name, value] of Object.entries(k)) {
  if (name.startsWith('KVM_EXIT_') && !NOT_REASONS.includes(name)) names.set(value, name);
}

/** "KVM_EXIT_SHUTDOWN", or "exit reason 99". */
export function exitName(reason: number): string {
  return names.get(reason) ?? `exit reason ${reason}`;
}

function internalErrorName(number: number): string {
  switch (number) {
    case k.KVM_INTERNAL_ERROR_EMULATION:
      return 'KVM cannot emulate an instruction';
    case k.KVM_INTERNAL_ERROR_SIMUL_EX:
      return 'simultaneous exceptions';
    case k.KVM_INTERNAL_ERROR_DELIVERY_EV:
      return 'an exit while an event was delivered';
    case k.KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON:
      return 'the processor gave an unexpected exit reason';
    default:
      return `internal error ${number}`;
  }
}

/**
 * One line that says why a vCPU does not go on.
 * @param result of `Vcpu.enter`
 */
export function describeExit(run: KvmRun, result: number): string {
  if (result < 0) return `KVM_RUN failed: ${errnoName(-result)}`;
  const reason = run.exitReason();
  switch (reason) {
    case k.KVM_EXIT_SHUTDOWN:
      return 'triple fault (KVM_EXIT_SHUTDOWN)';
    case k.KVM_EXIT_FAIL_ENTRY:
      return `the processor refused to enter the guest (KVM_EXIT_FAIL_ENTRY): hardware reason ${run.entryFailure()} on host CPU ${run.entryFailureCpu()}`;
    case k.KVM_EXIT_INTERNAL_ERROR: {
      const data = run.internalData();
      const more = data.length === 0 ? '' : `; data ${data.join(' ')}`;
      return `${internalErrorName(run.internalError())} (KVM_EXIT_INTERNAL_ERROR)${more}`;
    }
    default:
      return `${exitName(reason)} is not expected`;
  }
}

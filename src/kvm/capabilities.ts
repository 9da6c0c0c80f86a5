/** Names of the capabilities, for messages, and the set this project cannot do without. */
import * as k from '../abi/kvm.js';
import * as x from '../abi/kvm-x86.js';

const names = new Map<number, string>();
for (const [name, value] of Object.entries({ ...k, ...x })) {
  if (name.startsWith('KVM_CAP_')) names.set(value, name);
}

/** "KVM_CAP_IRQFD", or "capability 999". */
export function capabilityName(capability: number): string {
  return names.get(capability) ?? `capability ${capability}`;
}

/**
 * What an x86 machine needs of the host's KVM. KVM_CAP_IMMEDIATE_EXIT (Linux 4.13) is among them: without it a kick can be
 * lost.
 */
export const REQUIRED_CAPABILITIES: readonly number[] = [
  k.KVM_CAP_USER_MEMORY,
  x.KVM_CAP_SET_TSS_ADDR,
  k.KVM_CAP_IRQCHIP,
  k.KVM_CAP_HLT,
  x.KVM_CAP_PIT2,
  x.KVM_CAP_EXT_CPUID,
  k.KVM_CAP_MP_STATE,
  k.KVM_CAP_IRQ_ROUTING,
  k.KVM_CAP_IRQFD,
  k.KVM_CAP_IOEVENTFD,
  k.KVM_CAP_SIGNAL_MSI,
  k.KVM_CAP_IMMEDIATE_EXIT,
];

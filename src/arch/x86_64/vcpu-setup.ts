/** State of every vCPU that does not depend on what the guest is: CPUID, model-specific registers, FPU, local APIC. */
import { KVM_CAP_TSC_DEADLINE_TIMER, KVM_FPU_FCW_OFF } from '../../abi/kvm-x86.js';
import {
  APIC_DELIVERY_EXTINT,
  APIC_DELIVERY_MODE_MASK,
  APIC_DELIVERY_NMI,
  APIC_LVT_MASKED,
  APIC_LVT0,
  APIC_LVT1,
  MSR_CSTAR,
  MSR_IA32_MISC_ENABLE,
  MSR_IA32_MISC_ENABLE_FAST_STRING,
  MSR_IA32_SYSENTER_CS,
  MSR_IA32_SYSENTER_EIP,
  MSR_IA32_SYSENTER_ESP,
  MSR_IA32_TSC,
  MSR_KERNEL_GS_BASE,
  MSR_LSTAR,
  MSR_MTRRdefType,
  MSR_MTRRfix4K_C0000,
  MSR_MTRRfix4K_F8000,
  MSR_MTRRfix16K_80000,
  MSR_MTRRfix16K_A0000,
  MSR_MTRRfix64K_00000,
  MSR_STAR,
  MSR_SYSCALL_MASK,
  MTRR_DEF_ENABLE,
  MTRR_DEF_FIXED_ENABLE,
  MTRR_TYPE_WRBACK,
} from '../../abi/x86-cpu.js';
import type { Kvm } from '../../kvm/kvm.js';
import type { Vcpu } from '../../kvm/vcpu.js';
import { guestCpuid } from './cpuid.js';

/** Control word of the x87 unit with all exceptions masked: what operating systems expect from firmware. */
const FCW_DEFAULT = 0x37f;
/** Eight ranges of one register, all write-back. */
const ALL_WRITE_BACK = 0x0606_0606_0606_0606n;

/**
 * Sets up all vCPUs of a machine. Main, before the first run; `applyEntry` then starts the boot processor.
 * @param vcpus all of them, by index Errors: SysError; LkvmError MSR.
 */
export function setUpVcpus(kvm: Kvm, vcpus: readonly Vcpu[]): void {
  const supported = kvm.supportedCpuid();
  const tscDeadline = kvm.capability(KVM_CAP_TSC_DEADLINE_TIMER) !== 0;
  for (const vcpu of vcpus) {
    vcpu.setCpuid(guestCpuid(supported, { index: vcpu.index, cpus: vcpus.length, tscDeadline }));
    vcpu.msrs.set(startMsrs());
    setFpu(vcpu);
    setLocalApic(vcpu);
  }
}

/**
 * No firmware has run, so its part is done here: memory is write-back except for the VGA hole, the same on every
 * processor. Ranges of devices are made uncached by the guest's page tables.
 */
function startMsrs(): [number, bigint][] {
  const msrs: [number, bigint][] = [
    MSR_IA32_SYSENTER_CS,
    MSR_IA32_SYSENTER_ESP,
    MSR_IA32_SYSENTER_EIP,
    MSR_STAR,
    MSR_LSTAR,
    MSR_CSTAR,
    MSR_SYSCALL_MASK,
    MSR_KERNEL_GS_BASE,
    MSR_IA32_TSC,
    MSR_MTRRfix16K_A0000,
  ].map((index) => [index, 0n]);
  msrs.push([MSR_IA32_MISC_ENABLE, BigInt(MSR_IA32_MISC_ENABLE_FAST_STRING)]);
  msrs.push([MSR_MTRRfix64K_00000, ALL_WRITE_BACK], [MSR_MTRRfix16K_80000, ALL_WRITE_BACK]);
  for (let index = MSR_MTRRfix4K_C0000; index <= MSR_MTRRfix4K_F8000; index++) {
    msrs.push([index, ALL_WRITE_BACK]);
  }
  msrs.push([MSR_MTRRdefType, BigInt(MTRR_DEF_ENABLE | MTRR_DEF_FIXED_ENABLE | MTRR_TYPE_WRBACK)]);
  return msrs;
}

/** That of SSE is right already, and KVM_SET_FPU would not change it. */
function setFpu(vcpu: Vcpu): void {
  const fpu = vcpu.fpu.load();
  fpu.view.setUint16(KVM_FPU_FCW_OFF, FCW_DEFAULT, true);
  fpu.store();
}

/** Virtual wire mode: interrupts of the PIC and the NMI reach the processor before the guest knows its APIC. */
function setLocalApic(vcpu: Vcpu): void {
  const { view } = vcpu.lapic.load();
  const deliver = (register: number, mode: number): void => {
    const kept = view.getUint32(register, true) & ~(APIC_DELIVERY_MODE_MASK | APIC_LVT_MASKED);
    view.setUint32(register, kept | mode, true);
  };
  deliver(APIC_LVT0, APIC_DELIVERY_EXTINT);
  deliver(APIC_LVT1, APIC_DELIVERY_NMI);
  vcpu.lapic.store();
}

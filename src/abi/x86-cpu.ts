// The processor as its guest sees it: model-specific registers, CPUID leaves, local APIC registers.

// Model-specific registers: Intel SDM volume 4; AMD APM volume 2, appendix A. Names of the kernel's <asm/msr-index.h>
export const MSR_IA32_TSC = 0x10;
export const MSR_IA32_SYSENTER_CS = 0x174;
export const MSR_IA32_SYSENTER_ESP = 0x175;
export const MSR_IA32_SYSENTER_EIP = 0x176;
export const MSR_IA32_MISC_ENABLE = 0x1a0;
export const MSR_IA32_MISC_ENABLE_FAST_STRING = 0x1;
export const MSR_MTRRfix64K_00000 = 0x250;
export const MSR_MTRRfix16K_80000 = 0x258;
export const MSR_MTRRfix16K_A0000 = 0x259;
export const MSR_MTRRfix4K_C0000 = 0x268;
export const MSR_MTRRfix4K_F8000 = 0x26f;
export const MSR_MTRRdefType = 0x2ff;
export const MSR_STAR = 0xc000_0081;
export const MSR_LSTAR = 0xc000_0082;
export const MSR_CSTAR = 0xc000_0083;
export const MSR_SYSCALL_MASK = 0xc000_0084;
export const MSR_KERNEL_GS_BASE = 0xc000_0102;
// Intel SDM volume 3, section 12.11.2.1: memory type of what no range covers, and the two enable bits
export const MTRR_TYPE_WRBACK = 0x6;
export const MTRR_DEF_FIXED_ENABLE = 0x400;
export const MTRR_DEF_ENABLE = 0x800;

// CPUID leaves: Intel SDM volume 2A, "CPUID"; AMD APM volume 3, appendix E
export const CPUID_VENDOR = 0;
export const CPUID_FEATURES = 1;
export const CPUID_CACHES = 4;
export const CPUID_POWER = 6;
export const CPUID_PERFMON = 0xa;
export const CPUID_TOPOLOGY = 0xb;
export const CPUID_TOPOLOGY_V2 = 0x1f;
export const CPUID_EXTENDED_FEATURES = 0x8000_0001;
export const CPUID_SIZES = 0x8000_0008;
export const CPUID_SVM = 0x8000_000a;
export const CPUID_AMD_CACHES = 0x8000_001d;
export const CPUID_AMD_TOPOLOGY = 0x8000_001e;
export const CPUID_AMD_TOPOLOGY_V2 = 0x8000_0026;

// CPUID.1, bit numbers
export const CPUID_1_ECX_VMX = 5;
export const CPUID_1_ECX_TSC_DEADLINE = 24;
export const CPUID_1_ECX_HYPERVISOR = 31;
export const CPUID_1_EDX_HTT = 28;
// CPUID.6
export const CPUID_6_ECX_EPB = 3;
// CPUID.80000001h
export const CPUID_EXT_ECX_CMP_LEGACY = 1;
export const CPUID_EXT_ECX_SVM = 2;
export const CPUID_EXT_ECX_TOPOEXT = 22;
// CPUID.0Bh and CPUID.1Fh: level types
export const CPUID_LEVEL_SMT = 1;
export const CPUID_LEVEL_CORE = 2;

// Local APIC registers: Intel SDM volume 3, table 11-1 and figure 11-8
export const APIC_LVT0 = 0x350;
export const APIC_LVT1 = 0x360;
export const APIC_DELIVERY_MODE_MASK = 0x700;
export const APIC_DELIVERY_NMI = 0x400;
export const APIC_DELIVERY_EXTINT = 0x700;
export const APIC_LVT_MASKED = 0x1_0000;

// KVM on x86-64: <asm/kvm.h> and the ioctls whose structures only x86 has (or has in this size).

// <asm/kvm.h>, <linux/kvm.h>: ioctls of /dev/kvm
export const KVM_GET_MSR_INDEX_LIST = 0xc004_ae02;
export const KVM_GET_SUPPORTED_CPUID = 0xc008_ae05;
export const KVM_GET_EMULATED_CPUID = 0xc008_ae09;

// ioctls of a VM
export const KVM_SET_TSS_ADDR = 0xae47;
export const KVM_SET_IDENTITY_MAP_ADDR = 0x4008_ae48;
export const KVM_CREATE_IRQCHIP = 0xae60;
export const KVM_GET_IRQCHIP = 0xc208_ae62;
export const KVM_SET_IRQCHIP = 0x8208_ae63;
export const KVM_CREATE_PIT2 = 0x4040_ae77;
export const KVM_GET_PIT2 = 0x8070_ae9f;
export const KVM_SET_PIT2 = 0x4070_aea0;
export const KVM_REINJECT_CONTROL = 0xae71;
export const KVM_SET_BOOT_CPU_ID = 0xae78;
export const KVM_GET_CLOCK = 0x8030_ae7c;
export const KVM_SET_CLOCK = 0x4030_ae7b;

// ioctls of a vCPU
export const KVM_GET_REGS = 0x8090_ae81;
export const KVM_SET_REGS = 0x4090_ae82;
export const KVM_GET_SREGS = 0x8138_ae83;
export const KVM_SET_SREGS = 0x4138_ae84;
export const KVM_GET_FPU = 0x81a0_ae8c;
export const KVM_SET_FPU = 0x41a0_ae8d;
export const KVM_GET_MSRS = 0xc008_ae88;
export const KVM_SET_MSRS = 0x4008_ae89;
export const KVM_GET_LAPIC = 0x8400_ae8e;
export const KVM_SET_LAPIC = 0x4400_ae8f;
export const KVM_SET_CPUID2 = 0x4008_ae90;
export const KVM_GET_CPUID2 = 0xc008_ae91;
export const KVM_GET_VCPU_EVENTS = 0x8040_ae9f;
export const KVM_SET_VCPU_EVENTS = 0x4040_aea0;
export const KVM_GET_DEBUGREGS = 0x8080_aea1;
export const KVM_GET_XCRS = 0x8188_aea6;
export const KVM_SET_XCRS = 0x4188_aea7;
export const KVM_TRANSLATE = 0xc018_ae85;
export const KVM_INTERRUPT = 0x4004_ae86;
export const KVM_NMI = 0xae9a;
export const KVM_GET_TSC_KHZ = 0xaea3;
export const KVM_SET_TSC_KHZ = 0xaea2;
export const KVM_SET_GUEST_DEBUG = 0x4048_ae9b;
export const KVM_GUEST_DEBUG_BYTES = 72;

// Capabilities
export const KVM_CAP_SET_TSS_ADDR = 4;
export const KVM_CAP_EXT_CPUID = 7;
export const KVM_CAP_REINJECT_CONTROL = 24;
export const KVM_CAP_PIT2 = 33;
export const KVM_CAP_SET_BOOT_CPU_ID = 34;
export const KVM_CAP_PIT_STATE2 = 35;
export const KVM_CAP_SET_IDENTITY_MAP_ADDR = 37;
export const KVM_CAP_ADJUST_CLOCK = 39;
export const KVM_CAP_DEBUGREGS = 50;
export const KVM_CAP_XSAVE = 55;
export const KVM_CAP_XCRS = 56;
export const KVM_CAP_TSC_CONTROL = 60;
export const KVM_CAP_GET_TSC_KHZ = 61;
export const KVM_CAP_TSC_DEADLINE_TIMER = 72;
export const KVM_CAP_SPLIT_IRQCHIP = 121;
export const KVM_CAP_X2APIC_API = 129;
export const KVM_CAP_X86_DISABLE_EXITS = 143;
export const KVM_CAP_X86_USER_SPACE_MSR = 188;

// Pages of the kvm_run mapping
export const KVM_PIO_PAGE_OFFSET = 1;
export const KVM_COALESCED_MMIO_PAGE_OFFSET = 2;

// struct kvm_regs
export const KVM_REGS_RAX_OFF = 0;
export const KVM_REGS_RBX_OFF = 8;
export const KVM_REGS_RCX_OFF = 16;
export const KVM_REGS_RDX_OFF = 24;
export const KVM_REGS_RSI_OFF = 32;
export const KVM_REGS_RDI_OFF = 40;
export const KVM_REGS_RSP_OFF = 48;
export const KVM_REGS_RBP_OFF = 56;
export const KVM_REGS_R8_OFF = 64;
export const KVM_REGS_R9_OFF = 72;
export const KVM_REGS_R10_OFF = 80;
export const KVM_REGS_R11_OFF = 88;
export const KVM_REGS_R12_OFF = 96;
export const KVM_REGS_R13_OFF = 104;
export const KVM_REGS_R14_OFF = 112;
export const KVM_REGS_R15_OFF = 120;
export const KVM_REGS_RIP_OFF = 128;
export const KVM_REGS_RFLAGS_OFF = 136;
export const KVM_REGS_BYTES = 144;

// struct kvm_sregs
export const KVM_SREGS_CS_OFF = 0;
export const KVM_SREGS_DS_OFF = 24;
export const KVM_SREGS_ES_OFF = 48;
export const KVM_SREGS_FS_OFF = 72;
export const KVM_SREGS_GS_OFF = 96;
export const KVM_SREGS_SS_OFF = 120;
export const KVM_SREGS_TR_OFF = 144;
export const KVM_SREGS_LDT_OFF = 168;
export const KVM_SREGS_GDT_OFF = 192;
export const KVM_SREGS_IDT_OFF = 208;
export const KVM_SREGS_CR0_OFF = 224;
export const KVM_SREGS_CR2_OFF = 232;
export const KVM_SREGS_CR3_OFF = 240;
export const KVM_SREGS_CR4_OFF = 248;
export const KVM_SREGS_CR8_OFF = 256;
export const KVM_SREGS_EFER_OFF = 264;
export const KVM_SREGS_APIC_BASE_OFF = 272;
export const KVM_SREGS_INTERRUPT_BITMAP_OFF = 280;
export const KVM_SREGS_BYTES = 312;

// struct kvm_segment
export const KVM_SEGMENT_BASE_OFF = 0;
export const KVM_SEGMENT_LIMIT_OFF = 8;
export const KVM_SEGMENT_SELECTOR_OFF = 12;
export const KVM_SEGMENT_TYPE_OFF = 14;
export const KVM_SEGMENT_PRESENT_OFF = 15;
export const KVM_SEGMENT_DPL_OFF = 16;
export const KVM_SEGMENT_DB_OFF = 17;
export const KVM_SEGMENT_S_OFF = 18;
export const KVM_SEGMENT_L_OFF = 19;
export const KVM_SEGMENT_G_OFF = 20;
export const KVM_SEGMENT_AVL_OFF = 21;
export const KVM_SEGMENT_UNUSABLE_OFF = 22;
export const KVM_SEGMENT_BYTES = 24;

// struct kvm_dtable
export const KVM_DTABLE_BASE_OFF = 0;
export const KVM_DTABLE_LIMIT_OFF = 8;
export const KVM_DTABLE_BYTES = 16;

// struct kvm_fpu
export const KVM_FPU_FPR_OFF = 0;
export const KVM_FPU_FCW_OFF = 128;
export const KVM_FPU_FSW_OFF = 130;
export const KVM_FPU_FTWX_OFF = 132;
export const KVM_FPU_XMM_OFF = 152;
export const KVM_FPU_MXCSR_OFF = 408;
export const KVM_FPU_BYTES = 416;

// struct kvm_msrs and its entries
export const KVM_MSRS_NMSRS_OFF = 0;
export const KVM_MSRS_BYTES = 8;
export const KVM_MSR_INDEX_OFF = 0;
export const KVM_MSR_DATA_OFF = 8;
export const KVM_MSR_BYTES = 16;
export const KVM_MSR_LIST_NMSRS_OFF = 0;
export const KVM_MSR_LIST_BYTES = 4;

// struct kvm_cpuid2 and its entries
export const KVM_CPUID_NENT_OFF = 0;
export const KVM_CPUID_BYTES = 8;
export const KVM_CPUID_ENTRY_FUNCTION_OFF = 0;
export const KVM_CPUID_ENTRY_INDEX_OFF = 4;
export const KVM_CPUID_ENTRY_FLAGS_OFF = 8;
export const KVM_CPUID_ENTRY_EAX_OFF = 12;
export const KVM_CPUID_ENTRY_EBX_OFF = 16;
export const KVM_CPUID_ENTRY_ECX_OFF = 20;
export const KVM_CPUID_ENTRY_EDX_OFF = 24;
export const KVM_CPUID_ENTRY_BYTES = 40;
export const KVM_CPUID_FLAG_SIGNIFCANT_INDEX = 1;

// struct kvm_lapic_state
export const KVM_LAPIC_BYTES = 1024;

// struct kvm_vcpu_events
export const KVM_EVENTS_BYTES = 64;

// struct kvm_debugregs, struct kvm_xcrs
export const KVM_DEBUGREGS_BYTES = 128;
export const KVM_XCRS_BYTES = 392;

// struct kvm_translation
export const KVM_TRANSLATION_LINEAR_ADDRESS_OFF = 0;
export const KVM_TRANSLATION_PHYSICAL_ADDRESS_OFF = 8;
export const KVM_TRANSLATION_VALID_OFF = 16;
export const KVM_TRANSLATION_BYTES = 24;

// struct kvm_irqchip, struct kvm_pit_config, struct kvm_pit_state2
export const KVM_IRQCHIP_CHIP_ID_OFF = 0;
export const KVM_IRQCHIP_CHIP_OFF = 8;
export const KVM_IRQCHIP_BYTES = 520;
export const KVM_IRQCHIP_PIC_MASTER = 0;
export const KVM_IRQCHIP_PIC_SLAVE = 1;
export const KVM_IRQCHIP_IOAPIC = 2;
export const KVM_IOAPIC_NUM_PINS = 24;
/** Edge or level, a bit for each line, in struct kvm_pic_state. */
export const KVM_PIC_ELCR_OFF = 14;
export const KVM_PIT_CONFIG_FLAGS_OFF = 0;
export const KVM_PIT_CONFIG_BYTES = 64;
export const KVM_PIT_SPEAKER_DUMMY = 1;
export const KVM_PIT_STATE_BYTES = 112;

// struct kvm_clock_data, struct kvm_reinject_control
export const KVM_CLOCK_CLOCK_OFF = 0;
export const KVM_CLOCK_FLAGS_OFF = 8;
export const KVM_CLOCK_BYTES = 48;
export const KVM_REINJECT_BYTES = 32;
// Architectural bits of the registers above: Intel SDM volume 3, section 2.5 (control registers), 2.2.1 (EFER), 2.3 (RFLAGS)
export const CR0_PE = 0x1;
export const CR0_ET = 0x10;
export const CR0_NE = 0x20;
export const CR0_PG = 0x8000_0000;
export const CR4_PAE = 0x20;
export const EFER_LME = 0x100;
export const EFER_LMA = 0x400;
/** The bit that always reads 1. */
export const RFLAGS_ONE = 0x2;
export const RFLAGS_IF = 0x200;
/** Where a processor begins after a reset: code segment base and instruction pointer. Intel SDM volume 3, section 9.1.4. */
export const RESET_CS_BASE = 0xffff_0000;
export const RESET_RIP = 0xfff0;

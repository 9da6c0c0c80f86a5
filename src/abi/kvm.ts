// KVM: what is the same on every architecture of <linux/kvm.h>. The x86 part is in kvm-x86.ts.

// <linux/kvm.h>: the device
export const KVM_API_VERSION = 12;

// ioctls of /dev/kvm
export const KVM_GET_API_VERSION = 0xae00;
export const KVM_CREATE_VM = 0xae01;
export const KVM_CHECK_EXTENSION = 0xae03;
export const KVM_GET_VCPU_MMAP_SIZE = 0xae04;

// ioctls of a VM
export const KVM_CREATE_VCPU = 0xae41;
export const KVM_GET_DIRTY_LOG = 0x4010_ae42;
export const KVM_SET_USER_MEMORY_REGION = 0x4020_ae46;
export const KVM_IRQ_LINE = 0x4008_ae61;
export const KVM_REGISTER_COALESCED_MMIO = 0x4010_ae67;
export const KVM_UNREGISTER_COALESCED_MMIO = 0x4010_ae68;
export const KVM_SET_GSI_ROUTING = 0x4008_ae6a;
export const KVM_IRQFD = 0x4020_ae76;
export const KVM_IOEVENTFD = 0x4040_ae79;
export const KVM_SIGNAL_MSI = 0x4020_aea5;
export const KVM_ENABLE_CAP = 0x4068_aea3;

// ioctls of a vCPU
export const KVM_RUN = 0xae80;
export const KVM_GET_MP_STATE = 0x8004_ae98;
export const KVM_SET_MP_STATE = 0x4004_ae99;
export const KVM_SET_SIGNAL_MASK = 0x4004_ae8b;

// Capabilities: KVM_CHECK_EXTENSION
export const KVM_CAP_IRQCHIP = 0;
export const KVM_CAP_HLT = 1;
export const KVM_CAP_USER_MEMORY = 3;
export const KVM_CAP_NR_VCPUS = 9;
export const KVM_CAP_NR_MEMSLOTS = 10;
export const KVM_CAP_MP_STATE = 14;
export const KVM_CAP_COALESCED_MMIO = 15;
export const KVM_CAP_DESTROY_MEMORY_REGION_WORKS = 21;
export const KVM_CAP_USER_NMI = 22;
export const KVM_CAP_SET_GUEST_DEBUG = 23;
export const KVM_CAP_IRQ_ROUTING = 25;
export const KVM_CAP_IRQ_INJECT_STATUS = 26;
export const KVM_CAP_JOIN_MEMORY_REGIONS_WORKS = 30;
export const KVM_CAP_IRQFD = 32;
export const KVM_CAP_IOEVENTFD = 36;
export const KVM_CAP_INTERNAL_ERROR_DATA = 40;
export const KVM_CAP_VCPU_EVENTS = 41;
export const KVM_CAP_ENABLE_CAP = 54;
export const KVM_CAP_MAX_VCPUS = 66;
export const KVM_CAP_SIGNAL_MSI = 77;
export const KVM_CAP_READONLY_MEM = 81;
export const KVM_CAP_IRQFD_RESAMPLE = 82;
export const KVM_CAP_ENABLE_CAP_VM = 98;
export const KVM_CAP_IOEVENTFD_NO_LENGTH = 100;
export const KVM_CAP_CHECK_EXTENSION_VM = 105;
export const KVM_CAP_IOEVENTFD_ANY_LENGTH = 122;
export const KVM_CAP_MAX_VCPU_ID = 128;
export const KVM_CAP_IMMEDIATE_EXIT = 136;
export const KVM_CAP_COALESCED_PIO = 162;

// struct kvm_run: why KVM_RUN returned
export const KVM_EXIT_UNKNOWN = 0;
export const KVM_EXIT_EXCEPTION = 1;
export const KVM_EXIT_IO = 2;
export const KVM_EXIT_HYPERCALL = 3;
export const KVM_EXIT_DEBUG = 4;
export const KVM_EXIT_HLT = 5;
export const KVM_EXIT_MMIO = 6;
export const KVM_EXIT_IRQ_WINDOW_OPEN = 7;
export const KVM_EXIT_SHUTDOWN = 8;
export const KVM_EXIT_FAIL_ENTRY = 9;
export const KVM_EXIT_INTR = 10;
export const KVM_EXIT_SET_TPR = 11;
export const KVM_EXIT_TPR_ACCESS = 12;
export const KVM_EXIT_NMI = 16;
export const KVM_EXIT_INTERNAL_ERROR = 17;
export const KVM_EXIT_SYSTEM_EVENT = 24;
export const KVM_EXIT_IOAPIC_EOI = 26;
export const KVM_EXIT_X86_RDMSR = 29;
export const KVM_EXIT_X86_WRMSR = 30;
export const KVM_EXIT_IO_IN = 0;
export const KVM_EXIT_IO_OUT = 1;
export const KVM_INTERNAL_ERROR_EMULATION = 1;
export const KVM_INTERNAL_ERROR_SIMUL_EX = 2;
export const KVM_INTERNAL_ERROR_DELIVERY_EV = 3;
export const KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON = 4;
export const KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES = 1;
export const KVM_SYSTEM_EVENT_SHUTDOWN = 1;
export const KVM_SYSTEM_EVENT_RESET = 2;
export const KVM_SYSTEM_EVENT_CRASH = 3;

// struct kvm_run
export const KVM_RUN_REQUEST_INTERRUPT_WINDOW_OFF = 0;
export const KVM_RUN_IMMEDIATE_EXIT_OFF = 1;
export const KVM_RUN_EXIT_REASON_OFF = 8;
export const KVM_RUN_READY_FOR_INTERRUPT_INJECTION_OFF = 12;
export const KVM_RUN_IF_FLAG_OFF = 13;
export const KVM_RUN_FLAGS_OFF = 14;
export const KVM_RUN_CR8_OFF = 16;
export const KVM_RUN_APIC_BASE_OFF = 24;
export const KVM_RUN_HW_HARDWARE_EXIT_REASON_OFF = 32;
export const KVM_RUN_FAIL_ENTRY_HARDWARE_ENTRY_FAILURE_REASON_OFF = 32;
export const KVM_RUN_FAIL_ENTRY_CPU_OFF = 40;
export const KVM_RUN_EX_EXCEPTION_OFF = 32;
export const KVM_RUN_EX_ERROR_CODE_OFF = 36;
export const KVM_RUN_IO_DIRECTION_OFF = 32;
export const KVM_RUN_IO_SIZE_OFF = 33;
export const KVM_RUN_IO_PORT_OFF = 34;
export const KVM_RUN_IO_COUNT_OFF = 36;
export const KVM_RUN_IO_DATA_OFFSET_OFF = 40;
export const KVM_RUN_MMIO_PHYS_ADDR_OFF = 32;
export const KVM_RUN_MMIO_DATA_OFF = 40;
export const KVM_RUN_MMIO_LEN_OFF = 48;
export const KVM_RUN_MMIO_IS_WRITE_OFF = 52;
export const KVM_RUN_INTERNAL_SUBERROR_OFF = 32;
export const KVM_RUN_INTERNAL_NDATA_OFF = 36;
export const KVM_RUN_INTERNAL_DATA_OFF = 40;
export const KVM_RUN_EMULATION_FAILURE_FLAGS_OFF = 40;
export const KVM_RUN_EMULATION_FAILURE_INSN_SIZE_OFF = 48;
export const KVM_RUN_EMULATION_FAILURE_INSN_BYTES_OFF = 49;
export const KVM_RUN_SYSTEM_EVENT_TYPE_OFF = 32;
export const KVM_RUN_SYSTEM_EVENT_NDATA_OFF = 36;
export const KVM_RUN_SYSTEM_EVENT_DATA_OFF = 40;
export const KVM_RUN_EOI_VECTOR_OFF = 32;
export const KVM_RUN_MSR_ERROR_OFF = 32;
export const KVM_RUN_MSR_REASON_OFF = 40;
export const KVM_RUN_MSR_INDEX_OFF = 44;
export const KVM_RUN_MSR_DATA_OFF = 48;

// struct kvm_userspace_memory_region
export const KVM_MEMORY_SLOT_OFF = 0;
export const KVM_MEMORY_FLAGS_OFF = 4;
export const KVM_MEMORY_GUEST_PHYS_ADDR_OFF = 8;
export const KVM_MEMORY_MEMORY_SIZE_OFF = 16;
export const KVM_MEMORY_USERSPACE_ADDR_OFF = 24;
export const KVM_MEMORY_BYTES = 32;
export const KVM_MEM_LOG_DIRTY_PAGES = 1;
export const KVM_MEM_READONLY = 2;

// struct kvm_dirty_log
export const KVM_DIRTY_LOG_SLOT_OFF = 0;
export const KVM_DIRTY_LOG_DIRTY_BITMAP_OFF = 8;
export const KVM_DIRTY_LOG_BYTES = 16;

// struct kvm_irq_level
export const KVM_IRQ_LEVEL_IRQ_OFF = 0;
export const KVM_IRQ_LEVEL_LEVEL_OFF = 4;
export const KVM_IRQ_LEVEL_BYTES = 8;

// struct kvm_msi
export const KVM_MSI_ADDRESS_LO_OFF = 0;
export const KVM_MSI_ADDRESS_HI_OFF = 4;
export const KVM_MSI_DATA_OFF = 8;
export const KVM_MSI_FLAGS_OFF = 12;
export const KVM_MSI_BYTES = 32;

// struct kvm_irqfd
export const KVM_IRQFD_FD_OFF = 0;
export const KVM_IRQFD_GSI_OFF = 4;
export const KVM_IRQFD_FLAGS_OFF = 8;
export const KVM_IRQFD_RESAMPLEFD_OFF = 12;
export const KVM_IRQFD_BYTES = 32;
export const KVM_IRQFD_FLAG_DEASSIGN = 1;
export const KVM_IRQFD_FLAG_RESAMPLE = 2;

// struct kvm_ioeventfd
export const KVM_IOEVENTFD_DATAMATCH_OFF = 0;
export const KVM_IOEVENTFD_ADDR_OFF = 8;
export const KVM_IOEVENTFD_LEN_OFF = 16;
export const KVM_IOEVENTFD_FD_OFF = 20;
export const KVM_IOEVENTFD_FLAGS_OFF = 24;
export const KVM_IOEVENTFD_BYTES = 64;
export const KVM_IOEVENTFD_FLAG_DATAMATCH = 1;
export const KVM_IOEVENTFD_FLAG_PIO = 2;
export const KVM_IOEVENTFD_FLAG_DEASSIGN = 4;

// struct kvm_irq_routing and its entries
export const KVM_ROUTING_NR_OFF = 0;
export const KVM_ROUTING_BYTES = 8;
export const KVM_ROUTE_GSI_OFF = 0;
export const KVM_ROUTE_TYPE_OFF = 4;
export const KVM_ROUTE_FLAGS_OFF = 8;
export const KVM_ROUTE_IRQCHIP_IRQCHIP_OFF = 16;
export const KVM_ROUTE_IRQCHIP_PIN_OFF = 20;
export const KVM_ROUTE_MSI_ADDRESS_LO_OFF = 16;
export const KVM_ROUTE_MSI_ADDRESS_HI_OFF = 20;
export const KVM_ROUTE_MSI_DATA_OFF = 24;
export const KVM_ROUTE_BYTES = 48;
export const KVM_IRQ_ROUTING_IRQCHIP = 1;
export const KVM_IRQ_ROUTING_MSI = 2;

// struct kvm_coalesced_mmio_zone
export const KVM_COALESCED_ZONE_ADDR_OFF = 0;
export const KVM_COALESCED_ZONE_SIZE_OFF = 8;
export const KVM_COALESCED_ZONE_PIO_OFF = 12;
export const KVM_COALESCED_ZONE_BYTES = 16;

// struct kvm_coalesced_mmio_ring and its entries
export const KVM_COALESCED_RING_FIRST_OFF = 0;
export const KVM_COALESCED_RING_LAST_OFF = 4;
export const KVM_COALESCED_RING_BYTES = 8;
export const KVM_COALESCED_PHYS_ADDR_OFF = 0;
export const KVM_COALESCED_LEN_OFF = 8;
export const KVM_COALESCED_PIO_OFF = 12;
export const KVM_COALESCED_DATA_OFF = 16;
export const KVM_COALESCED_BYTES = 24;

// struct kvm_enable_cap
export const KVM_ENABLE_CAP_CAP_OFF = 0;
export const KVM_ENABLE_CAP_FLAGS_OFF = 4;
export const KVM_ENABLE_CAP_ARGS_OFF = 8;
export const KVM_ENABLE_CAP_BYTES = 104;

// struct kvm_mp_state
export const KVM_MP_STATE_BYTES = 4;
export const KVM_MP_STATE_RUNNABLE = 0;
export const KVM_MP_STATE_UNINITIALIZED = 1;
export const KVM_MP_STATE_INIT_RECEIVED = 2;
export const KVM_MP_STATE_HALTED = 3;
export const KVM_MP_STATE_SIPI_RECEIVED = 4;

// struct kvm_guest_debug
export const KVM_GUEST_DEBUG_CONTROL_OFF = 0;
export const KVM_GUESTDBG_ENABLE = 1;
export const KVM_GUESTDBG_SINGLESTEP = 2;

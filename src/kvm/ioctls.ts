/**
 * Every ioctl this project issues, in one place: on which kind of descriptor, its number, the direction of its
 * argument, the structure, and the capability that announces it.
 *
 * A descriptor of one level accepts ioctls of that level only, checked by the compiler: see {@link call}.
 */
import * as k from '../abi/kvm.js';
import * as x from '../abi/kvm-x86.js';
import { ioctl } from '../sys/fd.js';
import { must } from '../sys/libc.js';

/** Descriptors of KVM: /dev/kvm, a VM, a vCPU. */
export type Level = 'system' | 'vm' | 'vcpu';

declare const levelOf: unique symbol;
/** A file descriptor of KVM that knows its level. At run time a plain number. */
export type KvmFd<L extends Level> = number & { readonly [levelOf]: L };

/** Says that `fd` is a descriptor of level `L`. Only where KVM has just returned it, or in a worker it was sent to. */
export function asKvmFd<L extends Level>(fd: number): KvmFd<L> {
  return fd as KvmFd<L>;
}

/**
 * Direction of the argument as the number encodes it: none (an integer or nothing), w (the kernel reads a structure), r
 * (it writes one), rw. KVM_SET_IRQCHIP says r and is w: the kernel header has it wrong, and it is ABI.
 */
export type Direction = 'none' | 'r' | 'w' | 'rw';

/** One ioctl. */
export interface Ioctl<L extends Level = Level> {
  readonly name: string;
  readonly level: L;
  readonly request: number;
  readonly direction: Direction;
  /** The C type behind the argument ("struct kvm_regs"); empty when the argument is an integer. */
  readonly struct: string;
  /** Size of that type, without the entries that follow its head; 0 for an integer. */
  readonly bytes: number;
  /** A KVM_CAP_ number, or -1 when every KVM of API version 12 has the ioctl. */
  readonly capability: number;
}

function define<L extends Level>(
  level: L,
  name: string,
  request: number,
  [direction, struct, bytes]: readonly [Direction, string, number],
  capability: number,
): Ioctl<L> {
  return { name, level, request, direction, struct, bytes, capability };
}

const ALWAYS = -1;
const NONE = ['none', '', 0] as const;
const CPUID2 = 'struct kvm_cpuid2';

// /dev/kvm
export const GET_API_VERSION = define('system', 'KVM_GET_API_VERSION', k.KVM_GET_API_VERSION, NONE, ALWAYS);
export const CREATE_VM = define('system', 'KVM_CREATE_VM', k.KVM_CREATE_VM, NONE, ALWAYS);
export const CHECK_EXTENSION = define('system', 'KVM_CHECK_EXTENSION', k.KVM_CHECK_EXTENSION, NONE, ALWAYS);
export const GET_VCPU_MMAP_SIZE = define(
  'system',
  'KVM_GET_VCPU_MMAP_SIZE',
  k.KVM_GET_VCPU_MMAP_SIZE,
  NONE,
  ALWAYS,
);
export const GET_SUPPORTED_CPUID = define(
  'system',
  'KVM_GET_SUPPORTED_CPUID',
  x.KVM_GET_SUPPORTED_CPUID,
  ['rw', CPUID2, x.KVM_CPUID_BYTES],
  x.KVM_CAP_EXT_CPUID,
);
export const GET_MSR_INDEX_LIST = define(
  'system',
  'KVM_GET_MSR_INDEX_LIST',
  x.KVM_GET_MSR_INDEX_LIST,
  ['rw', 'struct kvm_msr_list', x.KVM_MSR_LIST_BYTES],
  ALWAYS,
);

// a VM
export const CREATE_VCPU = define('vm', 'KVM_CREATE_VCPU', k.KVM_CREATE_VCPU, NONE, ALWAYS);
export const SET_USER_MEMORY_REGION = define(
  'vm',
  'KVM_SET_USER_MEMORY_REGION',
  k.KVM_SET_USER_MEMORY_REGION,
  ['w', 'struct kvm_userspace_memory_region', k.KVM_MEMORY_BYTES],
  k.KVM_CAP_USER_MEMORY,
);
export const GET_DIRTY_LOG = define(
  'vm',
  'KVM_GET_DIRTY_LOG',
  k.KVM_GET_DIRTY_LOG,
  ['w', 'struct kvm_dirty_log', k.KVM_DIRTY_LOG_BYTES],
  k.KVM_CAP_USER_MEMORY,
);
export const ENABLE_CAP = define(
  'vm',
  'KVM_ENABLE_CAP',
  k.KVM_ENABLE_CAP,
  ['w', 'struct kvm_enable_cap', k.KVM_ENABLE_CAP_BYTES],
  k.KVM_CAP_ENABLE_CAP_VM,
);
export const IRQ_LINE = define(
  'vm',
  'KVM_IRQ_LINE',
  k.KVM_IRQ_LINE,
  ['w', 'struct kvm_irq_level', k.KVM_IRQ_LEVEL_BYTES],
  k.KVM_CAP_IRQCHIP,
);
export const SIGNAL_MSI = define(
  'vm',
  'KVM_SIGNAL_MSI',
  k.KVM_SIGNAL_MSI,
  ['w', 'struct kvm_msi', k.KVM_MSI_BYTES],
  k.KVM_CAP_SIGNAL_MSI,
);
export const SET_GSI_ROUTING = define(
  'vm',
  'KVM_SET_GSI_ROUTING',
  k.KVM_SET_GSI_ROUTING,
  ['w', 'struct kvm_irq_routing', k.KVM_ROUTING_BYTES],
  k.KVM_CAP_IRQ_ROUTING,
);
export const IRQFD = define(
  'vm',
  'KVM_IRQFD',
  k.KVM_IRQFD,
  ['w', 'struct kvm_irqfd', k.KVM_IRQFD_BYTES],
  k.KVM_CAP_IRQFD,
);
export const IOEVENTFD = define(
  'vm',
  'KVM_IOEVENTFD',
  k.KVM_IOEVENTFD,
  ['w', 'struct kvm_ioeventfd', k.KVM_IOEVENTFD_BYTES],
  k.KVM_CAP_IOEVENTFD,
);
export const REGISTER_COALESCED_MMIO = define(
  'vm',
  'KVM_REGISTER_COALESCED_MMIO',
  k.KVM_REGISTER_COALESCED_MMIO,
  ['w', 'struct kvm_coalesced_mmio_zone', k.KVM_COALESCED_ZONE_BYTES],
  k.KVM_CAP_COALESCED_MMIO,
);
export const UNREGISTER_COALESCED_MMIO = define(
  'vm',
  'KVM_UNREGISTER_COALESCED_MMIO',
  k.KVM_UNREGISTER_COALESCED_MMIO,
  ['w', 'struct kvm_coalesced_mmio_zone', k.KVM_COALESCED_ZONE_BYTES],
  k.KVM_CAP_COALESCED_MMIO,
);
export const SET_TSS_ADDR = define(
  'vm',
  'KVM_SET_TSS_ADDR',
  x.KVM_SET_TSS_ADDR,
  NONE,
  x.KVM_CAP_SET_TSS_ADDR,
);
export const SET_IDENTITY_MAP_ADDR = define(
  'vm',
  'KVM_SET_IDENTITY_MAP_ADDR',
  x.KVM_SET_IDENTITY_MAP_ADDR,
  ['w', '__u64', 8],
  x.KVM_CAP_SET_IDENTITY_MAP_ADDR,
);
export const CREATE_IRQCHIP = define(
  'vm',
  'KVM_CREATE_IRQCHIP',
  x.KVM_CREATE_IRQCHIP,
  NONE,
  k.KVM_CAP_IRQCHIP,
);
export const GET_IRQCHIP = define(
  'vm',
  'KVM_GET_IRQCHIP',
  x.KVM_GET_IRQCHIP,
  ['rw', 'struct kvm_irqchip', x.KVM_IRQCHIP_BYTES],
  k.KVM_CAP_IRQCHIP,
);
export const SET_IRQCHIP = define(
  'vm',
  'KVM_SET_IRQCHIP',
  x.KVM_SET_IRQCHIP,
  ['r', 'struct kvm_irqchip', x.KVM_IRQCHIP_BYTES],
  k.KVM_CAP_IRQCHIP,
);
export const CREATE_PIT2 = define(
  'vm',
  'KVM_CREATE_PIT2',
  x.KVM_CREATE_PIT2,
  ['w', 'struct kvm_pit_config', x.KVM_PIT_CONFIG_BYTES],
  x.KVM_CAP_PIT2,
);
export const GET_PIT2 = define(
  'vm',
  'KVM_GET_PIT2',
  x.KVM_GET_PIT2,
  ['r', 'struct kvm_pit_state2', x.KVM_PIT_STATE_BYTES],
  x.KVM_CAP_PIT_STATE2,
);
export const SET_PIT2 = define(
  'vm',
  'KVM_SET_PIT2',
  x.KVM_SET_PIT2,
  ['w', 'struct kvm_pit_state2', x.KVM_PIT_STATE_BYTES],
  x.KVM_CAP_PIT_STATE2,
);
export const REINJECT_CONTROL = define(
  'vm',
  'KVM_REINJECT_CONTROL',
  x.KVM_REINJECT_CONTROL,
  NONE,
  x.KVM_CAP_REINJECT_CONTROL,
);
export const SET_BOOT_CPU_ID = define(
  'vm',
  'KVM_SET_BOOT_CPU_ID',
  x.KVM_SET_BOOT_CPU_ID,
  NONE,
  x.KVM_CAP_SET_BOOT_CPU_ID,
);
export const GET_CLOCK = define(
  'vm',
  'KVM_GET_CLOCK',
  x.KVM_GET_CLOCK,
  ['r', 'struct kvm_clock_data', x.KVM_CLOCK_BYTES],
  x.KVM_CAP_ADJUST_CLOCK,
);
export const SET_CLOCK = define(
  'vm',
  'KVM_SET_CLOCK',
  x.KVM_SET_CLOCK,
  ['w', 'struct kvm_clock_data', x.KVM_CLOCK_BYTES],
  x.KVM_CAP_ADJUST_CLOCK,
);

/** {@link CHECK_EXTENSION} asked of a VM, whose answer may differ from the one of /dev/kvm. */
export const VM_CHECK_EXTENSION = define(
  'vm',
  'KVM_CHECK_EXTENSION',
  k.KVM_CHECK_EXTENSION,
  NONE,
  k.KVM_CAP_CHECK_EXTENSION_VM,
);

// a vCPU
export const RUN = define('vcpu', 'KVM_RUN', k.KVM_RUN, NONE, ALWAYS);
export const GET_REGS = define(
  'vcpu',
  'KVM_GET_REGS',
  x.KVM_GET_REGS,
  ['r', 'struct kvm_regs', x.KVM_REGS_BYTES],
  ALWAYS,
);
export const SET_REGS = define(
  'vcpu',
  'KVM_SET_REGS',
  x.KVM_SET_REGS,
  ['w', 'struct kvm_regs', x.KVM_REGS_BYTES],
  ALWAYS,
);
export const GET_SREGS = define(
  'vcpu',
  'KVM_GET_SREGS',
  x.KVM_GET_SREGS,
  ['r', 'struct kvm_sregs', x.KVM_SREGS_BYTES],
  ALWAYS,
);
export const SET_SREGS = define(
  'vcpu',
  'KVM_SET_SREGS',
  x.KVM_SET_SREGS,
  ['w', 'struct kvm_sregs', x.KVM_SREGS_BYTES],
  ALWAYS,
);
export const GET_FPU = define(
  'vcpu',
  'KVM_GET_FPU',
  x.KVM_GET_FPU,
  ['r', 'struct kvm_fpu', x.KVM_FPU_BYTES],
  ALWAYS,
);
export const SET_FPU = define(
  'vcpu',
  'KVM_SET_FPU',
  x.KVM_SET_FPU,
  ['w', 'struct kvm_fpu', x.KVM_FPU_BYTES],
  ALWAYS,
);
export const GET_LAPIC = define(
  'vcpu',
  'KVM_GET_LAPIC',
  x.KVM_GET_LAPIC,
  ['r', 'struct kvm_lapic_state', x.KVM_LAPIC_BYTES],
  k.KVM_CAP_IRQCHIP,
);
export const SET_LAPIC = define(
  'vcpu',
  'KVM_SET_LAPIC',
  x.KVM_SET_LAPIC,
  ['w', 'struct kvm_lapic_state', x.KVM_LAPIC_BYTES],
  k.KVM_CAP_IRQCHIP,
);
export const GET_VCPU_EVENTS = define(
  'vcpu',
  'KVM_GET_VCPU_EVENTS',
  x.KVM_GET_VCPU_EVENTS,
  ['r', 'struct kvm_vcpu_events', x.KVM_EVENTS_BYTES],
  k.KVM_CAP_VCPU_EVENTS,
);
export const SET_VCPU_EVENTS = define(
  'vcpu',
  'KVM_SET_VCPU_EVENTS',
  x.KVM_SET_VCPU_EVENTS,
  ['w', 'struct kvm_vcpu_events', x.KVM_EVENTS_BYTES],
  k.KVM_CAP_VCPU_EVENTS,
);
export const GET_XCRS = define(
  'vcpu',
  'KVM_GET_XCRS',
  x.KVM_GET_XCRS,
  ['r', 'struct kvm_xcrs', x.KVM_XCRS_BYTES],
  x.KVM_CAP_XCRS,
);
export const SET_XCRS = define(
  'vcpu',
  'KVM_SET_XCRS',
  x.KVM_SET_XCRS,
  ['w', 'struct kvm_xcrs', x.KVM_XCRS_BYTES],
  x.KVM_CAP_XCRS,
);
export const GET_DEBUGREGS = define(
  'vcpu',
  'KVM_GET_DEBUGREGS',
  x.KVM_GET_DEBUGREGS,
  ['r', 'struct kvm_debugregs', x.KVM_DEBUGREGS_BYTES],
  x.KVM_CAP_DEBUGREGS,
);
export const GET_MSRS = define(
  'vcpu',
  'KVM_GET_MSRS',
  x.KVM_GET_MSRS,
  ['rw', 'struct kvm_msrs', x.KVM_MSRS_BYTES],
  ALWAYS,
);
export const SET_MSRS = define(
  'vcpu',
  'KVM_SET_MSRS',
  x.KVM_SET_MSRS,
  ['w', 'struct kvm_msrs', x.KVM_MSRS_BYTES],
  ALWAYS,
);
export const GET_CPUID2 = define(
  'vcpu',
  'KVM_GET_CPUID2',
  x.KVM_GET_CPUID2,
  ['rw', 'struct kvm_cpuid2', x.KVM_CPUID_BYTES],
  x.KVM_CAP_EXT_CPUID,
);
export const SET_CPUID2 = define(
  'vcpu',
  'KVM_SET_CPUID2',
  x.KVM_SET_CPUID2,
  ['w', 'struct kvm_cpuid2', x.KVM_CPUID_BYTES],
  x.KVM_CAP_EXT_CPUID,
);
export const GET_MP_STATE = define(
  'vcpu',
  'KVM_GET_MP_STATE',
  k.KVM_GET_MP_STATE,
  ['r', 'struct kvm_mp_state', k.KVM_MP_STATE_BYTES],
  k.KVM_CAP_MP_STATE,
);
export const SET_MP_STATE = define(
  'vcpu',
  'KVM_SET_MP_STATE',
  k.KVM_SET_MP_STATE,
  ['w', 'struct kvm_mp_state', k.KVM_MP_STATE_BYTES],
  k.KVM_CAP_MP_STATE,
);
export const TRANSLATE = define(
  'vcpu',
  'KVM_TRANSLATE',
  x.KVM_TRANSLATE,
  ['rw', 'struct kvm_translation', x.KVM_TRANSLATION_BYTES],
  ALWAYS,
);
export const NMI = define('vcpu', 'KVM_NMI', x.KVM_NMI, NONE, k.KVM_CAP_USER_NMI);
export const GET_TSC_KHZ = define('vcpu', 'KVM_GET_TSC_KHZ', x.KVM_GET_TSC_KHZ, NONE, x.KVM_CAP_GET_TSC_KHZ);
export const SET_TSC_KHZ = define('vcpu', 'KVM_SET_TSC_KHZ', x.KVM_SET_TSC_KHZ, NONE, x.KVM_CAP_TSC_CONTROL);

/**
 * Issues an ioctl.
 *
 * @param argument an integer, or the address of a structure in memory that stays mapped during the call
 * @returns the result, >= 0, or -errno
 */
export function call<L extends Level>(fd: KvmFd<L>, command: Ioctl<NoInfer<L>>, argument = 0): number {
  return ioctl(fd, command.request, argument);
}

/** As {@link call}, for set-up. Errors: SysError with the ioctl's name. @param what the object, for the message */
export function mustCall<L extends Level>(
  fd: KvmFd<L>,
  command: Ioctl<NoInfer<L>>,
  argument = 0,
  what = '',
): number {
  return must(call(fd, command, argument), command.name, what);
}

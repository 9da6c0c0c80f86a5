/**
 * Every ioctl this project issues, in one place: on which kind of descriptor, its number, the direction of its
 * argument, the structure, and the capability that announces it.
 *
 * A descriptor of one level accepts ioctls of that level only, checked by the compiler: see {@link call}.
 */
import { EINTR } from '../abi/errno.js';
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
 * (it writes one), rw.
 */
export type Direction = 'none' | 'r' | 'w' | 'rw';

/** One ioctl. */
export interface Ioctl<L extends Level = Level> {
  readonly name: string;
  readonly level: L;
  readonly request: number;
  readonly direction: Direction;
  /** The C structure behind the argument ("kvm_regs"); empty when the argument is an integer. */
  readonly struct: string;
  /** Size of that type, without the entries that follow its head; 0 for an integer. */
  readonly bytes: number;
  /** A KVM_CAP_ number, or -1 when every KVM of API version 12 has the ioctl. */
  readonly capability: number;
}

type Argument = readonly [direction: Direction, struct: string, bytes: number];

function level<L extends Level>(of: L) {
  return (name: string, request: number, argument: Argument, capability: number): Ioctl<L> => {
    const [direction, struct, bytes] = argument;
    return { name, level: of, request, direction, struct, bytes, capability };
  };
}

const system = level('system');
const vm = level('vm');
const vcpu = level('vcpu');
const ALWAYS = -1;
const NONE: Argument = ['none', '', 0];

// /dev/kvm
export const GET_API_VERSION = system('KVM_GET_API_VERSION', k.KVM_GET_API_VERSION, NONE, ALWAYS);
export const CREATE_VM = system('KVM_CREATE_VM', k.KVM_CREATE_VM, NONE, ALWAYS);
export const CHECK_EXTENSION = system('KVM_CHECK_EXTENSION', k.KVM_CHECK_EXTENSION, NONE, ALWAYS);
export const GET_VCPU_MMAP_SIZE = system('KVM_GET_VCPU_MMAP_SIZE', k.KVM_GET_VCPU_MMAP_SIZE, NONE, ALWAYS);
export const GET_SUPPORTED_CPUID = system(
  'KVM_GET_SUPPORTED_CPUID',
  x.KVM_GET_SUPPORTED_CPUID,
  ['rw', 'kvm_cpuid2', x.KVM_CPUID_BYTES],
  x.KVM_CAP_EXT_CPUID,
);

// a VM
export const CREATE_VCPU = vm('KVM_CREATE_VCPU', k.KVM_CREATE_VCPU, NONE, ALWAYS);
export const SET_USER_MEMORY_REGION = vm(
  'KVM_SET_USER_MEMORY_REGION',
  k.KVM_SET_USER_MEMORY_REGION,
  ['w', 'kvm_userspace_memory_region', k.KVM_MEMORY_BYTES],
  k.KVM_CAP_USER_MEMORY,
);
export const ENABLE_CAP = vm(
  'KVM_ENABLE_CAP',
  k.KVM_ENABLE_CAP,
  ['w', 'kvm_enable_cap', k.KVM_ENABLE_CAP_BYTES],
  k.KVM_CAP_ENABLE_CAP_VM,
);
export const IRQ_LINE = vm(
  'KVM_IRQ_LINE',
  k.KVM_IRQ_LINE,
  ['w', 'kvm_irq_level', k.KVM_IRQ_LEVEL_BYTES],
  k.KVM_CAP_IRQCHIP,
);
export const SIGNAL_MSI = vm(
  'KVM_SIGNAL_MSI',
  k.KVM_SIGNAL_MSI,
  ['w', 'kvm_msi', k.KVM_MSI_BYTES],
  k.KVM_CAP_SIGNAL_MSI,
);
export const SET_GSI_ROUTING = vm(
  'KVM_SET_GSI_ROUTING',
  k.KVM_SET_GSI_ROUTING,
  ['w', 'kvm_irq_routing', k.KVM_ROUTING_BYTES],
  k.KVM_CAP_IRQ_ROUTING,
);
export const IRQFD = vm('KVM_IRQFD', k.KVM_IRQFD, ['w', 'kvm_irqfd', k.KVM_IRQFD_BYTES], k.KVM_CAP_IRQFD);
export const IOEVENTFD = vm(
  'KVM_IOEVENTFD',
  k.KVM_IOEVENTFD,
  ['w', 'kvm_ioeventfd', k.KVM_IOEVENTFD_BYTES],
  k.KVM_CAP_IOEVENTFD,
);
export const REGISTER_COALESCED_MMIO = vm(
  'KVM_REGISTER_COALESCED_MMIO',
  k.KVM_REGISTER_COALESCED_MMIO,
  ['w', 'kvm_coalesced_mmio_zone', k.KVM_COALESCED_ZONE_BYTES],
  k.KVM_CAP_COALESCED_MMIO,
);
export const UNREGISTER_COALESCED_MMIO = vm(
  'KVM_UNREGISTER_COALESCED_MMIO',
  k.KVM_UNREGISTER_COALESCED_MMIO,
  ['w', 'kvm_coalesced_mmio_zone', k.KVM_COALESCED_ZONE_BYTES],
  k.KVM_CAP_COALESCED_MMIO,
);
export const SET_TSS_ADDR = vm('KVM_SET_TSS_ADDR', x.KVM_SET_TSS_ADDR, NONE, x.KVM_CAP_SET_TSS_ADDR);
export const SET_IDENTITY_MAP_ADDR = vm(
  'KVM_SET_IDENTITY_MAP_ADDR',
  x.KVM_SET_IDENTITY_MAP_ADDR,
  ['w', '__u64', 8],
  x.KVM_CAP_SET_IDENTITY_MAP_ADDR,
);
export const CREATE_IRQCHIP = vm('KVM_CREATE_IRQCHIP', x.KVM_CREATE_IRQCHIP, NONE, k.KVM_CAP_IRQCHIP);
export const GET_IRQCHIP = vm(
  'KVM_GET_IRQCHIP',
  x.KVM_GET_IRQCHIP,
  ['rw', 'kvm_irqchip', x.KVM_IRQCHIP_BYTES],
  k.KVM_CAP_IRQCHIP,
);
// The number says "read", although the structure is written: history.
export const SET_IRQCHIP = vm(
  'KVM_SET_IRQCHIP',
  x.KVM_SET_IRQCHIP,
  ['r', 'kvm_irqchip', x.KVM_IRQCHIP_BYTES],
  k.KVM_CAP_IRQCHIP,
);
export const CREATE_PIT2 = vm(
  'KVM_CREATE_PIT2',
  x.KVM_CREATE_PIT2,
  ['w', 'kvm_pit_config', x.KVM_PIT_CONFIG_BYTES],
  x.KVM_CAP_PIT2,
);
/** {@link CHECK_EXTENSION} asked of a VM, whose answer may differ from the one of /dev/kvm. */
export const VM_CHECK_EXTENSION = vm(
  'KVM_CHECK_EXTENSION',
  k.KVM_CHECK_EXTENSION,
  NONE,
  k.KVM_CAP_CHECK_EXTENSION_VM,
);

// a vCPU
export const RUN = vcpu('KVM_RUN', k.KVM_RUN, NONE, ALWAYS);
export const GET_REGS = vcpu('KVM_GET_REGS', x.KVM_GET_REGS, ['r', 'kvm_regs', x.KVM_REGS_BYTES], ALWAYS);
export const SET_REGS = vcpu('KVM_SET_REGS', x.KVM_SET_REGS, ['w', 'kvm_regs', x.KVM_REGS_BYTES], ALWAYS);
export const GET_SREGS = vcpu(
  'KVM_GET_SREGS',
  x.KVM_GET_SREGS,
  ['r', 'kvm_sregs', x.KVM_SREGS_BYTES],
  ALWAYS,
);
export const SET_SREGS = vcpu(
  'KVM_SET_SREGS',
  x.KVM_SET_SREGS,
  ['w', 'kvm_sregs', x.KVM_SREGS_BYTES],
  ALWAYS,
);
export const GET_FPU = vcpu('KVM_GET_FPU', x.KVM_GET_FPU, ['r', 'kvm_fpu', x.KVM_FPU_BYTES], ALWAYS);
export const SET_FPU = vcpu('KVM_SET_FPU', x.KVM_SET_FPU, ['w', 'kvm_fpu', x.KVM_FPU_BYTES], ALWAYS);
export const GET_LAPIC = vcpu(
  'KVM_GET_LAPIC',
  x.KVM_GET_LAPIC,
  ['r', 'kvm_lapic_state', x.KVM_LAPIC_BYTES],
  k.KVM_CAP_IRQCHIP,
);
export const SET_LAPIC = vcpu(
  'KVM_SET_LAPIC',
  x.KVM_SET_LAPIC,
  ['w', 'kvm_lapic_state', x.KVM_LAPIC_BYTES],
  k.KVM_CAP_IRQCHIP,
);
export const GET_VCPU_EVENTS = vcpu(
  'KVM_GET_VCPU_EVENTS',
  x.KVM_GET_VCPU_EVENTS,
  ['r', 'kvm_vcpu_events', x.KVM_EVENTS_BYTES],
  k.KVM_CAP_VCPU_EVENTS,
);
export const SET_VCPU_EVENTS = vcpu(
  'KVM_SET_VCPU_EVENTS',
  x.KVM_SET_VCPU_EVENTS,
  ['w', 'kvm_vcpu_events', x.KVM_EVENTS_BYTES],
  k.KVM_CAP_VCPU_EVENTS,
);
export const GET_MSRS = vcpu('KVM_GET_MSRS', x.KVM_GET_MSRS, ['rw', 'kvm_msrs', x.KVM_MSRS_BYTES], ALWAYS);
export const SET_MSRS = vcpu('KVM_SET_MSRS', x.KVM_SET_MSRS, ['w', 'kvm_msrs', x.KVM_MSRS_BYTES], ALWAYS);
export const GET_CPUID2 = vcpu(
  'KVM_GET_CPUID2',
  x.KVM_GET_CPUID2,
  ['rw', 'kvm_cpuid2', x.KVM_CPUID_BYTES],
  x.KVM_CAP_EXT_CPUID,
);
export const SET_CPUID2 = vcpu(
  'KVM_SET_CPUID2',
  x.KVM_SET_CPUID2,
  ['w', 'kvm_cpuid2', x.KVM_CPUID_BYTES],
  x.KVM_CAP_EXT_CPUID,
);
export const GET_MP_STATE = vcpu(
  'KVM_GET_MP_STATE',
  k.KVM_GET_MP_STATE,
  ['r', 'kvm_mp_state', k.KVM_MP_STATE_BYTES],
  k.KVM_CAP_MP_STATE,
);
export const SET_MP_STATE = vcpu(
  'KVM_SET_MP_STATE',
  k.KVM_SET_MP_STATE,
  ['w', 'kvm_mp_state', k.KVM_MP_STATE_BYTES],
  k.KVM_CAP_MP_STATE,
);
export const TRANSLATE = vcpu(
  'KVM_TRANSLATE',
  x.KVM_TRANSLATE,
  ['rw', 'kvm_translation', x.KVM_TRANSLATION_BYTES],
  ALWAYS,
);
export const SET_GUEST_DEBUG = vcpu(
  'KVM_SET_GUEST_DEBUG',
  x.KVM_SET_GUEST_DEBUG,
  ['w', 'kvm_guest_debug', x.KVM_GUEST_DEBUG_BYTES],
  k.KVM_CAP_SET_GUEST_DEBUG,
);

/**
 * Issues an ioctl.
 *
 * @param argument an integer, or the address of a structure in memory that stays mapped during the call
 * @returns the result, >= 0, or -errno
 */
export function call<L extends Level>(fd: KvmFd<L>, command: Ioctl<NoInfer<L>>, argument = 0): number {
  return ioctl(fd, command.request, argument);
}

/** Signals of an unlucky process (a profiler's) while it makes one slow call. */
const MAX_INTERRUPTIONS = 100;

/**
 * As {@link call}, for set-up: a call that a signal has cut short is made again (KVM_CREATE_VM takes milliseconds).
 * Errors: SysError with the ioctl's name. @param what the object, for the message
 */
export function mustCall<L extends Level>(
  fd: KvmFd<L>,
  command: Ioctl<NoInfer<L>>,
  argument = 0,
  what = '',
): number {
  let result = call(fd, command, argument);
  for (let left = MAX_INTERRUPTIONS; result === -EINTR && left > 0; left--)
    result = call(fd, command, argument);
  return must(result, command.name, what);
}

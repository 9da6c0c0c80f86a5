// What the C headers are asked about each of our constants. A constant needs no entry here when
// * its name is the C name, or
// * it is called STRUCT_FIELD_OFF or STRUCT_BYTES and STRUCT is in STRUCTS.
import * as elf from '#lkvm/abi/elf.js';
import * as errno from '#lkvm/abi/errno.js';
import * as hvl from '#lkvm/abi/hvl.js';
import * as uring from '#lkvm/abi/io-uring.js';
import * as kvm from '#lkvm/abi/kvm.js';
import * as kvmX86 from '#lkvm/abi/kvm-x86.js';
import * as linux from '#lkvm/abi/linux.js';
import * as linuxBoot from '#lkvm/abi/linux-boot.js';
import * as pci from '#lkvm/abi/pci.js';
import * as tun from '#lkvm/abi/tun.js';
import * as uart from '#lkvm/abi/uart.js';
import * as virtio from '#lkvm/abi/virtio.js';
import * as virtioBlk from '#lkvm/abi/virtio-blk.js';
import * as mmio from '#lkvm/abi/virtio-mmio.js';
import * as virtioPci from '#lkvm/abi/virtio-pci.js';
import * as ring from '#lkvm/abi/virtio-ring.js';
import { ABI_X64, type ArchAbi } from '#lkvm/sys/arch.js';

/** Our prefix of a structure's offsets → the C type and what the C field names begin with. */
export const STRUCTS: Record<string, readonly [type: string, fieldPrefix: string]> = {
  BOOT_E820: ['struct boot_e820_entry', ''],
  BOOT_PARAMS: ['struct boot_params', ''],
  BOOT_PARAMS_HDR: ['struct boot_params', 'hdr.'],
  CMSGHDR: ['struct cmsghdr', 'cmsg_'],
  DIRENT64: ['struct dirent64', 'd_'],
  ELF32_EHDR: ['Elf32_Ehdr', 'e_'],
  ELF32_PHDR: ['Elf32_Phdr', 'p_'],
  ELF64_EHDR: ['Elf64_Ehdr', 'e_'],
  ELF64_PHDR: ['Elf64_Phdr', 'p_'],
  ELF_EHDR: ['Elf64_Ehdr', 'e_'],
  ELF_NHDR: ['Elf64_Nhdr', 'n_'],
  ELF_PHDR: ['Elf64_Phdr', 'p_'],
  FLOCK: ['struct flock', 'l_'],
  IFREQ: ['struct ifreq', 'ifr_'],
  IOVEC: ['struct iovec', 'iov_'],
  IO_CQRING_OFFSETS: ['struct io_cqring_offsets', ''],
  IO_SQRING_OFFSETS: ['struct io_sqring_offsets', ''],
  IO_URING_CQE: ['struct io_uring_cqe', ''],
  IO_URING_GETEVENTS_ARG: ['struct io_uring_getevents_arg', ''],
  IO_URING_PARAMS: ['struct io_uring_params', ''],
  IO_URING_SQE: ['struct io_uring_sqe', ''],
  KVM_COALESCED: ['struct kvm_coalesced_mmio', ''],
  KVM_COALESCED_RING: ['struct kvm_coalesced_mmio_ring', ''],
  KVM_COALESCED_ZONE: ['struct kvm_coalesced_mmio_zone', ''],
  KVM_CLOCK: ['struct kvm_clock_data', ''],
  KVM_CPUID: ['struct kvm_cpuid2', ''],
  KVM_CPUID_ENTRY: ['struct kvm_cpuid_entry2', ''],
  KVM_DEBUGREGS: ['struct kvm_debugregs', ''],
  KVM_DIRTY_LOG: ['struct kvm_dirty_log', ''],
  KVM_DTABLE: ['struct kvm_dtable', ''],
  KVM_ENABLE_CAP: ['struct kvm_enable_cap', ''],
  KVM_EVENTS: ['struct kvm_vcpu_events', ''],
  KVM_FPU: ['struct kvm_fpu', ''],
  KVM_GUEST_DEBUG: ['struct kvm_guest_debug', ''],
  KVM_IOEVENTFD: ['struct kvm_ioeventfd', ''],
  KVM_IRQCHIP: ['struct kvm_irqchip', ''],
  KVM_IRQFD: ['struct kvm_irqfd', ''],
  KVM_IRQ_LEVEL: ['struct kvm_irq_level', ''],
  KVM_LAPIC: ['struct kvm_lapic_state', ''],
  KVM_MEMORY: ['struct kvm_userspace_memory_region', ''],
  KVM_MP_STATE: ['struct kvm_mp_state', ''],
  KVM_MSI: ['struct kvm_msi', ''],
  KVM_MSR: ['struct kvm_msr_entry', ''],
  KVM_MSRS: ['struct kvm_msrs', ''],
  KVM_MSR_LIST: ['struct kvm_msr_list', ''],
  KVM_PIC: ['struct kvm_pic_state', ''],
  KVM_PIT_CONFIG: ['struct kvm_pit_config', ''],
  KVM_PIT_STATE: ['struct kvm_pit_state2', ''],
  KVM_REGS: ['struct kvm_regs', ''],
  KVM_REINJECT: ['struct kvm_reinject_control', ''],
  KVM_ROUTE: ['struct kvm_irq_routing_entry', ''],
  KVM_ROUTE_IRQCHIP: ['struct kvm_irq_routing_entry', 'u.irqchip.'],
  KVM_ROUTE_MSI: ['struct kvm_irq_routing_entry', 'u.msi.'],
  KVM_ROUTING: ['struct kvm_irq_routing', ''],
  KVM_RUN: ['struct kvm_run', ''],
  KVM_RUN_EMULATION_FAILURE: ['struct kvm_run', 'emulation_failure.'],
  KVM_RUN_EOI: ['struct kvm_run', 'eoi.'],
  KVM_RUN_EX: ['struct kvm_run', 'ex.'],
  KVM_RUN_FAIL_ENTRY: ['struct kvm_run', 'fail_entry.'],
  KVM_RUN_HW: ['struct kvm_run', 'hw.'],
  KVM_RUN_INTERNAL: ['struct kvm_run', 'internal.'],
  KVM_RUN_IO: ['struct kvm_run', 'io.'],
  KVM_RUN_MMIO: ['struct kvm_run', 'mmio.'],
  KVM_RUN_MSR: ['struct kvm_run', 'msr.'],
  KVM_RUN_SYSTEM_EVENT: ['struct kvm_run', 'system_event.'],
  KVM_SEGMENT: ['struct kvm_segment', ''],
  KVM_SREGS: ['struct kvm_sregs', ''],
  KVM_TRANSLATION: ['struct kvm_translation', ''],
  KVM_XCRS: ['struct kvm_xcrs', ''],
  MSGHDR: ['struct msghdr', 'msg_'],
  OPEN_HOW: ['struct open_how', ''],
  SETUP_DATA: ['struct setup_data', ''],
  SIGACTION: ['struct sigaction', 'sa_'],
  SIGSET: ['sigset_t', ''],
  SOCKADDR_IN: ['struct sockaddr_in', 'sin_'],
  SOCKADDR_UN: ['struct sockaddr_un', 'sun_'],
  STATFS: ['struct statfs64', 'f_'],
  STATX: ['struct statx', 'stx_'],
  TERMIOS: ['struct termios', 'c_'],
  TIMESPEC: ['struct timespec', 'tv_'],
  WINSIZE: ['struct winsize', 'ws_'],
  VIRTIO_BLK_CONFIG: ['struct virtio_blk_config', ''],
  VIRTIO_BLK_OUTHDR: ['struct virtio_blk_outhdr', ''],
  VIRTIO_BLK_RANGE: ['struct virtio_blk_discard_write_zeroes', ''],
  VIRTIO_CONSOLE: ['struct virtio_console_config', ''],
  VIRTIO_NET_CONFIG: ['struct virtio_net_config', ''],
  VIRTIO_NET_HDR: ['struct virtio_net_hdr', ''],
  VIRTQ_AVAIL: ['struct vring_avail', ''],
  VIRTQ_DESC: ['struct vring_desc', ''],
  VIRTQ_USED: ['struct vring_used', ''],
  VIRTQ_USED_ELEM: ['struct vring_used_elem', ''],
  VIRTIO_PCI_CAP: ['struct virtio_pci_cap', ''],
  VIRTIO_PCI_CFG_CAP: ['struct virtio_pci_cfg_cap', ''],
  VIRTIO_PCI_NOTIFY_CAP: ['struct virtio_pci_notify_cap', ''],
};

/** Constants whose C expression follows from neither rule. */
export const EXPRESSIONS: Record<string, string> = {
  IFREQ_UNION_OFF: 'offsetof(struct ifreq, ifr_flags)',
  OPEN_HOW_BYTES: 'sizeof(struct open_how)',
  PTMX_RDEV: 'makedev(TTYAUX_MAJOR, 2)',
  SIGRT_FIRST_FREE: 'SIGRTMIN',
  SOCKADDR_IN_ADDR_OFF: 'offsetof(struct sockaddr_in, sin_addr)',
  STATX_NSEC_OFF: 'offsetof(struct statx_timestamp, tv_nsec)',
  TERMIOS_ECHO: 'ECHO',
  TERMIOS_ICANON: 'ICANON',
  TERMIOS_OPOST: 'OPOST',
  UART_REGISTERS: 'UART_SCR + 1',
  UNIX_PATH_MAX: 'sizeof(((struct sockaddr_un *)0)->sun_path)',
  VIRTIO_BLK_CONFIG_USED_BYTES: 'offsetof(struct virtio_blk_config, max_secure_erase_sectors)',
  VIRTIO_CONSOLE_CONFIG_BYTES: 'sizeof(struct virtio_console_config)',
  VIRTIO_NET_CONFIG_MAX_PAIRS_OFF: 'offsetof(struct virtio_net_config, max_virtqueue_pairs)',
  VIRTIO_NET_HDR_NUM_BUFFERS_OFF: 'offsetof(struct virtio_net_hdr_mrg_rxbuf, num_buffers)',
  VIRTIO_NET_HDR_MRG_BYTES: 'sizeof(struct virtio_net_hdr_mrg_rxbuf)',
  VIRTIO_MMIO_HOST_FEATURES: 'VIRTIO_MMIO_DEVICE_FEATURES',
  VIRTIO_MMIO_HOST_FEATURES_SEL: 'VIRTIO_MMIO_DEVICE_FEATURES_SEL',
  VIRTIO_MMIO_GUEST_FEATURES: 'VIRTIO_MMIO_DRIVER_FEATURES',
  VIRTIO_MMIO_GUEST_FEATURES_SEL: 'VIRTIO_MMIO_DRIVER_FEATURES_SEL',
  VIRTIO_ID_ENTROPY: 'VIRTIO_ID_RNG',
  VIRTQ_DESC_F_NEXT: 'VRING_DESC_F_NEXT',
  VIRTQ_DESC_F_WRITE: 'VRING_DESC_F_WRITE',
  VIRTQ_DESC_F_INDIRECT: 'VRING_DESC_F_INDIRECT',
  VIRTQ_AVAIL_F_NO_INTERRUPT: 'VRING_AVAIL_F_NO_INTERRUPT',
  VIRTQ_USED_F_NO_NOTIFY: 'VRING_USED_F_NO_NOTIFY',
  VIRTQ_DESC_ALIGN: 'VRING_DESC_ALIGN_SIZE',
  VIRTQ_AVAIL_ALIGN: 'VRING_AVAIL_ALIGN_SIZE',
  VIRTQ_USED_ALIGN: 'VRING_USED_ALIGN_SIZE',
  VIRTIO_F_INDIRECT_DESC: 'VIRTIO_RING_F_INDIRECT_DESC',
  VIRTIO_F_EVENT_IDX: 'VIRTIO_RING_F_EVENT_IDX',
};

/** Constants no user-space header has, and where they come from instead. */
export const NOT_IN_HEADERS: Record<string, string> = {
  SCM_MAX_FD: 'kernel source, include/net/scm.h; tested by sending that many',
  UART_IIR_FIFO_ENABLED: 'data sheet of the PC16550D, section 8.6.1',
  VIRTIO_BLK_SECTOR_BYTES: 'virtio 1.2 section 5.2.4: in the text only',
  VIRTIO_MMIO_MAGIC: 'virtio 1.2 section 4.2.2',
  VIRTIO_MMIO_QUEUE_RESET: 'virtio 1.2 section 4.2.2',
  VIRTQ_SIZE_MAX: 'virtio 1.2 section 2.7',
};

/** One set of constants, checked with one set of headers. */
export interface Group {
  readonly name: string;
  readonly headers: readonly string[];
  /** Constant → its value for one architecture. Values that are not numbers are ignored. */
  readonly values: (abi: ArchAbi) => Record<string, unknown>;
  /** Constant → C expression, on top of the rules above. */
  readonly expressions?: Record<string, string>;
  /** Names that are our own and have no counterpart in C. */
  readonly own?: RegExp;
  /** Only this architecture's headers know it; undefined: all. */
  readonly only?: ArchAbi;
}

export const GROUPS: readonly Group[] = [
  {
    name: 'abi/errno.ts',
    headers: ['errno.h'],
    values: () => ({ ...errno }),
  },
  {
    name: 'abi/linux.ts',
    headers: [
      'sys/sysmacros.h',
      'linux/major.h',
      'fcntl.h',
      'dirent.h',
      'sys/stat.h',
      'sys/vfs.h',
      'sys/file.h',
      'sys/mman.h',
      'sys/epoll.h',
      'sys/eventfd.h',
      'sys/socket.h',
      'sys/un.h',
      'sys/uio.h',
      'sys/prctl.h',
      'sys/random.h',
      'sys/resource.h',
      'sys/xattr.h',
      'signal.h',
      'termios.h',
      'sys/ioctl.h',
      'time.h',
      'linux/openat2.h',
      'linux/fs.h',
      'linux/magic.h',
    ],
    values: () => ({ ...linux }),
  },
  {
    name: 'abi/io-uring.ts',
    headers: ['linux/io_uring.h', 'linux/time_types.h', 'sys/syscall.h'],
    values: () => ({ ...uring }),
    expressions: {
      NR_IO_URING_SETUP: 'SYS_io_uring_setup',
      NR_IO_URING_ENTER: 'SYS_io_uring_enter',
      NR_IO_URING_REGISTER: 'SYS_io_uring_register',
      // These are not macros
      IORING_OP_READV: '+IORING_OP_READV',
      IORING_OP_WRITEV: '+IORING_OP_WRITEV',
      IORING_OP_FSYNC: '+IORING_OP_FSYNC',
      IORING_OP_ASYNC_CANCEL: '+IORING_OP_ASYNC_CANCEL',
      IORING_OP_FALLOCATE: '+IORING_OP_FALLOCATE',
      IORING_REGISTER_EVENTFD: '+IORING_REGISTER_EVENTFD',
    },
  },
  {
    name: 'abi/uart.ts',
    headers: ['linux/serial_reg.h'],
    values: () => ({ ...uart }),
  },
  {
    name: 'abi/tun.ts',
    headers: [
      'sys/socket.h',
      'netinet/in.h',
      'linux/if.h',
      'sys/ioctl.h',
      'linux/if_tun.h',
      'linux/sockios.h',
    ],
    values: () => ({ ...tun }),
  },
  {
    name: 'abi/virtio.ts',
    headers: [
      'linux/virtio_ids.h',
      'linux/virtio_config.h',
      'linux/virtio_ring.h',
      'linux/virtio_net.h',
      'linux/virtio_console.h',
      'linux/virtio_9p.h',
    ],
    values: () => ({ ...virtio }),
  },
  {
    name: 'abi/virtio-blk.ts',
    headers: ['linux/virtio_blk.h'],
    values: () => ({ ...virtioBlk }),
  },
  {
    name: 'abi/virtio-ring.ts',
    headers: ['linux/virtio_ring.h'],
    values: () => ({ ...ring }),
  },
  {
    name: 'abi/virtio-mmio.ts',
    headers: ['linux/virtio_mmio.h'],
    values: () => ({ ...mmio }),
  },
  {
    name: 'abi/hvl.ts',
    headers: ['linux/virtio_mmio.h'],
    values: () => ({ ...hvl }),
    own: /^HVLS?_/,
  },
  {
    name: 'abi/pci.ts',
    headers: ['linux/pci_regs.h'],
    values: () => ({ ...pci }),
    // ids are not in the headers of user space; the others are not about configuration space
    own: /^(PCI_(CONFIG|ECAM|VENDOR_ID|DEVICE_ID|SUBVENDOR_ID|SUBDEVICE_ID|CLASS_BRIDGE)_|I440FX_)/,
  },
  {
    name: 'abi/virtio-pci.ts',
    headers: ['linux/virtio_pci.h'],
    values: () => ({ ...virtioPci }),
    own: /^VIRTIO_PCI_(VENDOR|DEVICE_BASE|SUBSYSTEM_BASE|REVISION|COMMON_BYTES)$/,
  },
  {
    name: 'abi/kvm.ts',
    headers: ['linux/kvm.h'],
    values: () => ({ ...kvm }),
  },
  {
    name: 'abi/kvm-x86.ts',
    headers: ['linux/kvm.h', 'asm/processor-flags.h'],
    values: () => ({ ...kvmX86 }),
    expressions: {
      CR0_PE: 'X86_CR0_PE',
      CR0_ET: 'X86_CR0_ET',
      CR0_NE: 'X86_CR0_NE',
      CR0_PG: 'X86_CR0_PG',
      CR4_PAE: 'X86_CR4_PAE',
      RFLAGS_ONE: 'X86_EFLAGS_FIXED',
      RFLAGS_IF: 'X86_EFLAGS_IF',
    },
    own: /^(EFER|RESET)_/, // the headers of user space do not have them
    only: ABI_X64,
  },
  {
    name: 'abi/linux-boot.ts',
    headers: ['asm/bootparam.h'],
    values: () => ({ ...linuxBoot }),
    own: /^(LINUX_|E820_)/, // only the text of the protocol has them
    only: ABI_X64,
  },
  {
    name: 'abi/elf.ts',
    headers: ['elf.h', 'endian.h'],
    values: () => ({ ...elf }),
    expressions: { ELF_MAGIC: `((ELFMAG3 << 24) | (ELFMAG2 << 16) | (ELFMAG1 << 8) | ELFMAG0)` },
  },
  {
    name: 'sys/arch.ts',
    headers: ['fcntl.h', 'sys/epoll.h', 'sys/syscall.h'],
    values: ({ oLargefile: _, ...abi }) => abi,
    expressions: {
      epollEventBytes: 'sizeof(struct epoll_event)',
      epollEventDataOff: 'offsetof(struct epoll_event, data)',
      oDirectory: 'O_DIRECTORY',
      oNofollow: 'O_NOFOLLOW',
      oDirect: 'O_DIRECT',
      oTmpfile: 'O_TMPFILE',
      nrOpenat2: 'SYS_openat2',
      nrEpollPwait2: 'SYS_epoll_pwait2',
      nrGettid: 'SYS_gettid',
      nrTgkill: 'SYS_tgkill',
    },
  },
  {
    // libc shows O_LARGEFILE as 0 on 64-bit machines; F_GETFL and 9P clients show the kernel's value
    name: 'sys/arch.ts, kernel',
    headers: ['asm/fcntl.h'],
    values: ({ oLargefile }) => ({ oLargefile }),
    expressions: { oLargefile: 'O_LARGEFILE' },
  },
  {
    // What the prototypes of sys/ take for granted
    name: 'C types in sys/',
    headers: ['sys/types.h', 'sys/socket.h', 'time.h', 'termios.h'],
    values: () => ({ pointer: 8, long: 8, size: 8, off64: 8, mode: 4, socklen: 4, time: 8, uid: 4 }),
    expressions: {
      pointer: 'sizeof(void *)',
      long: 'sizeof(long)',
      size: 'sizeof(size_t)',
      off64: 'sizeof(off64_t)',
      mode: 'sizeof(mode_t)',
      socklen: 'sizeof(socklen_t)',
      time: 'sizeof(time_t)',
      uid: 'sizeof(uid_t)',
    },
  },
];

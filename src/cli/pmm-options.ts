/** The options of `run`, `pmm` and `layout`: kvmtool's and its fork's words, and ours. */
import type { OptionGroup, OptionSpec } from './option-table.js';

export const POOL_OPTIONS: OptionGroup = {
  title: 'Shared memory and signals',
  options: [
    {
      name: 'shmem-addr',
      argument: 'ADDR',
      text: 'Address of the pool as the peer sees it; a multiple of 4096. All addresses in the pool are in this space. Needed.',
    },
    {
      name: 'shmem-size',
      argument: 'SIZE',
      text: 'Size of the pool in bytes (or 16M); a multiple of 4096. Needed.',
    },
    {
      name: 'shmem-backend',
      argument: 'WHERE',
      text: 'Where that memory is on this side: file:PATH (usually in /dev/shm; made if missing), memfd (anonymous, handed over with --notify eventfd:), uio:DEV[,map=N], devmem[:PATH] (physical memory at --shmem-addr), ivshmem-server:PATH[,vectors=N] (anonymous; ivshmem peers such as QEMU get it from this socket, with doorbells), ivshmem:PATH (from the ivshmem server at this socket, with doorbells). Default uio:/dev/uio0.',
    },
    {
      name: 'notify',
      argument: 'HOW',
      text: 'How the two sides signal each other: umb:DEV (mailbox device), uio:DEV, socket:PATH (one byte per signal; we listen), eventfd:PATH (a pair of eventfds handed over a unix socket; we listen), poll[:US] (not at all: look every US microseconds, default 1000). Default umb:/dev/umb; not with ivshmem, which brings its own.',
    },
    {
      name: 'poll',
      argument: 'WHEN',
      text: 'When to look at memory instead of sleeping: none, adaptive (for a short while after work), interval=US, spin (always; takes a whole processor). Default adaptive.',
    },
    {
      name: 'peers',
      argument: 'N',
      text: "Serve N peers (at most 16) that cannot reach each other: each has a pool and all the devices of its own, at the sockets PATH.1, PATH.2, ... of --shmem-backend ivshmem-server:PATH. The console is the first one's. Default 1.",
    },
    {
      name: 'force',
      text: 'Take over a pool (file:, uio:, devmem, ivshmem:) although another PMM holds it.',
    },
  ],
};

export const DEVICE_OPTIONS: OptionGroup = {
  title: 'Devices',
  options: [
    {
      name: 'console',
      argument: 'virtio',
      text: 'A console on this terminal. Ctrl-A x ends the PMM. Default: none.',
    },
    { name: 'rng', text: 'Entropy from this kernel.' },
    {
      name: '9p',
      argument: 'DIR[,TAG][,ro]',
      text: 'Show a directory under a mount tag (default kvm_9p), read-only with ro. Repeatable; the last one given has the first slot.',
    },
    {
      name: 'network',
      short: 'n',
      argument: 'KEY=VALUE,...',
      optional: 'next',
      text: 'A network card. mode=user (built-in gateway, no privileges), tap (default when the option is given) or none; tapif=NAME; fd=N; guest_mac=MAC; guest_ip=IP; host_ip=IP; script=PATH; downscript=PATH; trans=mmio. Repeatable. Without any, there is one card with mode=user; mode=none leaves it out.',
    },
  ],
};

export const LAYOUT_OPTIONS: OptionGroup = {
  title: 'Layout and predefined lists',
  options: [
    {
      name: 'no-dtb',
      text: 'No device tree: register blocks at 0x200 distance from the start of the pool, at most 8.',
    },
    {
      name: 'features',
      argument: 'TYPE=LIST',
      text: 'Offer exactly these features: names (mac,mrg_rxbuf) or bits (0x8020). TYPE is 9p, rng, net or console. Repeatable.',
    },
    {
      name: 'event-idx',
      text: 'Offer EVENT_IDX too, which saves signals under load: for front ends that know it, as Linux does. Not with --features and --static. On by default with --remote qemu and for guests of lkvm run --rsld.',
    },
    {
      name: 'queue-size',
      argument: 'TYPE=N[,N...]',
      text: 'Largest queue size, a power of two: one for all queues of the device or one for each. Repeatable.',
    },
    {
      name: 'region',
      argument: 'TYPE=SIZE',
      text: 'Size of the region of each device of that type; a multiple of 4096. Repeatable.',
    },
    {
      name: 'static',
      argument: 'TYPE,...',
      optional: 'attached',
      text: 'Place the rings beforehand, so that a driver made for it attaches without any handshake: these types, or all. Others still attach the usual way.',
    },
    {
      name: 'confine',
      text: "Let each driver use its own device's region only, not the rest of the pool; the driver must know that (lkvm aux --confine).",
    },
    { name: 'dump-dtb', argument: 'FILE', text: 'Write the device tree to a file, too.' },
    {
      name: 'restart-detector',
      text: 'Notice a restarted driver by its write to the page-size register (on by default; --no-restart-detector is for a driver that reads that register).',
      rare: true,
    },
  ],
};

/** The other side, if it is to start and end with the PMM. */
export const REMOTE_OPTIONS: OptionGroup = {
  title: 'The other side',
  options: [
    {
      name: 'remote',
      argument: 'qemu',
      text: 'Start a machine of QEMU as the peer, with pool and doorbells over ivshmem; it ends with the PMM, and the PMM ends when it switches itself off.',
    },
    {
      name: 'remote-arch',
      argument: 'ARCH',
      text: "Its processor: x86_64 or aarch64. Default: this machine's.",
    },
    { name: 'remote-kernel', argument: 'FILE', text: 'Its kernel. Needed with --remote.' },
    { name: 'remote-initrd', argument: 'FILE', text: 'Its initial RAM disk.' },
    {
      name: 'remote-append',
      argument: 'TEXT',
      text: "Its kernel command line. Without console= in it, the serial port's is put in front.",
    },
    {
      name: 'remote-memory',
      argument: 'SIZE',
      text: 'Its memory besides the pool: 512 is 512 MiB; or with a suffix, 512M, 2G. Default 512.',
    },
    {
      name: 'remote-log',
      argument: 'FILE',
      optional: 'next',
      text: 'Write what comes out of its serial port to a file; without one, to stderr.',
    },
    {
      name: 'remoteproc',
      argument: 'N[,firmware=NAME]',
      text: 'Start remote processor N of this machine (/sys/class/remoteproc/remoteprocN) when the devices are there, and stop it at the end; NAME is an image below the firmware path. With sysfs=DIR another directory stands for /sys.',
    },
  ],
};

/** What says "no hypervisor", in the words of the fork. `pmm` implies the first three. */
export const MODE_OPTIONS: OptionGroup = {
  title: 'Mode',
  options: [
    { name: 'rsld', text: 'Hypervisorless signalling.' },
    { name: 'pmm', text: 'Physical Machine Monitor: no guest, no /dev/kvm; needs --rsld.' },
    { name: 'transport', argument: 'mmio|pci', text: 'Transport of the devices; mmio with --rsld.' },
  ],
};

/** Accepted with --pmm and without meaning there, so that command lines of the C tool run. */
export const IGNORED_OPTIONS: readonly OptionSpec[] = [
  { name: 'irq', argument: 'N', text: 'Interrupt line of a KVM guest.' },
  { name: 'cpus', short: 'c', argument: 'N', text: 'Number of virtual processors.' },
  { name: 'mem', short: 'm', argument: 'SIZE', text: 'Memory of a KVM guest.' },
  { name: 'vxworks', short: 'v', text: 'Load a KVM guest the VxWorks way.' },
  { name: 'vproxy', text: 'Relay vhost signals.' },
  { name: 'debug', text: 'Old form of --loglevel debug.' },
  { name: 'debug-nohostfs', text: 'Do not share /, which lkvm never does unasked.' },
  { name: 'params', short: 'p', argument: 'TEXT', text: 'Kernel command line.' },
  { name: 'kernel', short: 'k', argument: 'FILE', text: 'Kernel of a KVM guest.' },
  { name: 'name', argument: 'NAME', text: 'Name of the instance.' },
  { name: 'debug-single-step', text: 'Single-step a KVM guest.' },
  { name: 'debug-ioport', text: 'Log unhandled ports.' },
  { name: 'debug-mmio', text: 'Log unhandled MMIO.' },
  { name: 'debug-iodelay', argument: 'MS', text: 'Delay disk requests.' },
].map((option) => ({ ...option, rare: true }));

/** Words of KVM guests that a PMM cannot pretend to have understood. */
export const KVM_OPTIONS: readonly OptionSpec[] = [
  { name: 'vsock', argument: 'CID', text: 'A vsock device (not in this release).' },
  { name: 'disk', short: 'd', argument: 'FILE', text: 'A disk image or a root directory.' },
  { name: 'initrd', short: 'i', argument: 'FILE', text: 'Initial RAM disk.' },
  { name: 'firmware', short: 'f', argument: 'FILE', text: 'Firmware instead of a kernel.' },
  { name: 'flash', short: 'F', argument: 'FILE', text: 'Flash image.' },
  { name: 'balloon', text: 'A memory balloon.' },
  { name: 'nodefaults', text: 'No generated kernel command line.' },
  { name: 'no-dhcp', text: 'No ip=dhcp on the kernel command line.' },
  { name: 'vfio-pci', argument: 'ADDRESS', text: 'Assign a PCI device.' },
  { name: 'virtio-transport', argument: 'KIND', text: 'Transport of all virtio devices.' },
  { name: 'tty', argument: 'N', text: 'Move a guest terminal to a pty.' },
  { name: 'hugetlbfs', argument: 'PATH', text: 'Guest memory from a hugetlbfs.' },
  { name: 'dev', argument: 'PATH', text: 'KVM device node.' },
  { name: 'debug-exit', argument: 'PORT', optional: 'attached' as const, text: 'Port that ends a guest.' },
  { name: 'sandbox', argument: 'SCRIPT', text: 'Script to run in a guest.' },
  { name: 'virtio-legacy', text: 'Legacy PCI transport.' },
  { name: 'vnc', text: 'Framebuffer over VNC.' },
  { name: 'gtk', text: 'Framebuffer in a GTK window.' },
  { name: 'sdl', text: 'Framebuffer in an SDL window.' },
  { name: 'fb', text: "Host framebuffer as the guest's." },
  { name: 'vidmode', argument: 'N', text: 'VESA mode.' },
].map((option) => ({ ...option, rare: true }));

export const LOG_OPTIONS: OptionGroup = {
  title: 'Messages',
  options: [
    {
      name: 'loglevel',
      argument: 'LEVEL',
      text: 'What to say on stderr: error, warning, info or debug. Default info.',
    },
  ],
};

/** All groups that describe a PMM. */
export const PMM_GROUPS: readonly OptionGroup[] = [
  POOL_OPTIONS,
  DEVICE_OPTIONS,
  LAYOUT_OPTIONS,
  REMOTE_OPTIONS,
  LOG_OPTIONS,
  MODE_OPTIONS,
  { title: 'Accepted and ignored with --pmm (words of KVM guests)', options: IGNORED_OPTIONS },
  { title: 'Known, but only for KVM guests, which lkvm run starts', options: KVM_OPTIONS },
];

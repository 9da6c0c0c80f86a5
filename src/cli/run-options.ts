/** The options of `run`: those of a KVM guest first, then those that it needs as a PMM, then what is known but not done. */
import type { OptionGroup, OptionSpec } from './option-table.js';
import { LAYOUT_OPTIONS, LOG_OPTIONS, POOL_OPTIONS, REMOTE_OPTIONS } from './pmm-options.js';

const GUEST: OptionGroup = {
  title: 'The guest',
  options: [
    {
      name: 'kernel',
      short: 'k',
      argument: 'FILE',
      text: "Kernel: a Linux bzImage or vmlinux, a multiboot image, or a flat binary. It may also be the first word. Without it the first of these: ./bzImage, arch/x86/boot/bzImage here or two directories up, /boot/vmlinuz-RELEASE, /boot/bzImage-RELEASE, with the host's own release (uname -r).",
    },
    {
      name: 'initrd',
      short: 'i',
      argument: 'FILE',
      text: 'Initial RAM disk (initramfs) of a Linux kernel.',
    },
    {
      name: 'params',
      short: 'p',
      argument: 'TEXT',
      text: 'Words for the kernel command line, put behind those that lkvm makes (console, root); root=... here takes the place of the root made from -d.',
    },
    {
      name: 'cpus',
      short: 'c',
      argument: 'N',
      text: "Virtual processors, 1 ... 255. Default: as many as this process may use of the host's.",
    },
    {
      name: 'mem',
      short: 'm',
      argument: 'SIZE',
      text: "Memory: 512 is 512 MiB; or with a suffix, 524288K, 512M, 2G. Default: 64 MiB for each processor and 192 MiB more, at most 80 % of the host's. Debian's kernels want 96M or more.",
    },
    {
      name: 'firmware',
      short: 'f',
      argument: 'FILE',
      text: 'Firmware image (SeaBIOS: /usr/share/seabios/bios-256k.bin) instead of a kernel; it looks for something to start on the disks.',
    },
    { name: 'name', argument: 'NAME', text: 'Name of the guest. Default: guest-PID.' },
  ],
};

const DEVICES: OptionGroup = {
  title: 'Its devices',
  options: [
    {
      name: 'disk',
      short: 'd',
      argument: 'FILE[,ro][,direct]',
      text: "A disk (/dev/vda, vdb, ...): a raw image or a block device of the host; ro: the guest cannot write it; direct: around the host's page cache. The first one is the root (root=/dev/vda). Repeatable. A directory instead of a file becomes the root over 9p.",
    },
    {
      name: '9p',
      argument: 'DIR[,TAG][,ro]',
      text: 'Show a directory of the host under a mount tag (default kvm_9p), read-only with ro; in the guest: mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000 TAG /mnt. Repeatable.',
    },
    {
      name: 'network',
      short: 'n',
      argument: 'KEY=VALUE,...',
      optional: 'next',
      text: 'A network card. mode=user (built-in gateway with DHCP that answers ping and leads nowhere else; no privileges needed), tap (default when the option is given) or none; tapif=NAME; fd=N; guest_mac=MAC; guest_ip=IP; host_ip=IP; script=PATH; downscript=PATH; trans=pci|mmio. Repeatable. Without any, there is one card with mode=user; mode=none leaves it out.',
    },
    {
      name: 'rng',
      text: "Entropy from the host's kernel. A Linux with a pool (--rsld) has it without asking, unless --no-rng.",
    },
    {
      name: 'console',
      argument: 'KIND',
      text: 'What this terminal is in the guest: serial (ttyS0), virtio (hvc0), or none. Default serial. Ctrl-A x ends the guest, Ctrl-A Ctrl-A is one Ctrl-A.',
    },
    {
      name: 'tty',
      argument: 'N',
      text: "Join the guest's ttySN (0 ... 3) to a new terminal of the host, whose name is printed: screen /dev/pts/N. Somebody has to read it: when it is full, the guest waits. Repeatable.",
    },
    {
      name: 'transport',
      argument: 'pci|mmio',
      text: 'How the guest finds its devices: virtio-pci (default) or virtio-mmio, announced by ACPI. With --rsld: mmio, register blocks in the pool.',
    },
  ],
};

const MACHINE: OptionGroup = {
  title: 'The machine',
  options: [
    {
      name: 'nodefaults',
      text: 'No generated kernel command line: the guest gets what -p says and nothing else.',
    },
    { name: 'dev', argument: 'PATH', text: 'KVM device. Default /dev/kvm.' },
    {
      name: 'hugetlbfs',
      argument: 'DIR',
      text: 'Guest memory in huge pages of the hugetlbfs that is mounted there.',
    },
    {
      name: 'poll',
      argument: 'WHEN',
      text: 'When to look at queues instead of sleeping: none, adaptive (for a short while after work), interval=US, spin (always; takes a whole processor). Default adaptive.',
    },
    {
      name: 'debug-exit',
      argument: 'PORT',
      optional: 'attached',
      text: 'A port (default 0xf4) where a test guest ends the machine: writing N makes lkvm exit with code (N << 1) | 1.',
    },
    {
      name: 'virtio-transport',
      argument: 'pci|mmio',
      text: "The same as --transport (kvmtool's newer name).",
      rare: true,
    },
    { name: 'debug-ioport', text: 'Log accesses to I/O ports where nothing is.', rare: true },
    { name: 'debug-mmio', text: 'Log accesses to addresses where nothing is.', rare: true },
    { name: 'debug-single-step', text: 'Run one instruction at a time and print each.', rare: true },
    { name: 'no-dhcp', text: 'Accepted: no ip=dhcp is put on the command line anyway.', rare: true },
    {
      name: 'debug-nohostfs',
      text: "Accepted: the host's / is never shared unless asked.",
      rare: true,
    },
  ],
};

const MESSAGES: OptionGroup = {
  title: LOG_OPTIONS.title,
  options: [...LOG_OPTIONS.options, { name: 'debug', text: 'Old form of --loglevel debug.', rare: true }],
};

const MODE: OptionGroup = {
  title: 'Devices without traps (details: docs/kvm.md and lkvm pmm --help)',
  options: [
    {
      name: 'rsld',
      text: 'Hypervisorless signalling: console, network cards, 9p shares and entropy are in a pool of shared memory that the guest sees at --shmem-addr; it rings by a store to 0xe0000000. Disks stay on PCI. Needs --shmem-addr and --shmem-size.',
    },
    {
      name: 'irq',
      argument: 'N',
      text: 'Interrupt line of the pool, an edge on that pin of the I/O APIC: 5, 6, 7, 12 ... 23. Default 12.',
    },
    {
      name: 'vxworks',
      short: 'v',
      text: 'Load the kernel as the C tool loads VxWorks: a flat image at 0x408000, 32-bit protected mode, stack at 0x300000, boot line (-p, then hvl.shm_addr=... hvl.irq=...) at 0x101200. A store to a doorbell of --rsld then waits until the devices have been looked at.',
    },
    {
      name: 'pmm',
      text: 'Start no guest, be a Physical Machine Monitor: serve the devices to a peer elsewhere. Needs --rsld.',
    },
  ],
};

const PLACE = ['shmem-addr', 'shmem-size'];

/** Options of `run` that are about a pool, a PMM's or a guest's. */
export const HVL_OPTIONS: readonly OptionSpec[] = [
  ...POOL_OPTIONS.options.filter(({ name }) => PLACE.includes(name)),
  ...LAYOUT_OPTIONS.options,
];

/** Options of `run` that only a PMM understands: its peer is not its guest. */
export const PMM_ONLY_OPTIONS: readonly OptionSpec[] = [
  ...POOL_OPTIONS.options.filter(({ name }) => name !== 'poll' && !PLACE.includes(name)),
  ...REMOTE_OPTIONS.options,
];

const HVL: OptionGroup = {
  title: 'Shared memory and layout, with --rsld',
  options: HVL_OPTIONS.map((option) => ({ ...option, rare: !PLACE.includes(option.name) })),
};

const PMM_ONLY: OptionGroup = {
  title: 'Shared memory and signals of a PMM, with --rsld --pmm',
  options: PMM_ONLY_OPTIONS.map((option) => ({ ...option, rare: true })),
};

/** An option that is understood and refused. */
export interface RefusedOption extends OptionSpec {
  /** What to do instead; undefined = nothing but to leave it out. */
  readonly instead?: string;
}

/** Words of the C tool that a KVM guest cannot have yet. */
export const REFUSED_OPTIONS: readonly RefusedOption[] = [
  { name: 'balloon', text: 'A memory balloon.' },
  { name: 'vsock', argument: 'CID', text: 'A vsock device (0: none).' },
  { name: 'vfio-pci', argument: 'ADDRESS', text: 'A PCI device of the host.' },
  { name: 'sandbox', argument: 'SCRIPT', text: 'A script to run in a guest made for it.' },
  { name: 'flash', short: 'F', argument: 'FILE', text: 'Flash memory.', instead: 'use --firmware FILE' },
  {
    name: 'virtio-legacy',
    text: 'Devices of before virtio 1.0.',
    instead: 'every Linux since 4.0 has drivers for modern ones',
  },
  { name: 'vnc', text: 'A screen over VNC.', instead: 'use --console serial' },
  { name: 'gtk', text: 'A screen in a GTK window.', instead: 'use --console serial' },
  { name: 'sdl', text: 'A screen in an SDL window.', instead: 'use --console serial' },
  { name: 'fb', text: "The host's frame buffer as a screen.", instead: 'use --console serial' },
  { name: 'vidmode', argument: 'N', text: 'VESA mode of a screen.', instead: 'use --console serial' },
  { name: 'debug-iodelay', argument: 'MS', text: 'Slower disks.' },
  {
    name: 'vproxy',
    text: 'Relay the signals of vhost devices.',
    instead: 'all of them pass through lkvm anyway',
  },
];

const REFUSED: OptionGroup = {
  title: 'Known, but not supported yet',
  options: REFUSED_OPTIONS.map(({ instead: _, ...option }) => ({ ...option, rare: true })),
};

/** All groups of `run`. */
export const RUN_GROUPS: readonly OptionGroup[] = [
  GUEST,
  DEVICES,
  MACHINE,
  MESSAGES,
  MODE,
  HVL,
  PMM_ONLY,
  REFUSED,
];

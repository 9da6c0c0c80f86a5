/**
 * The kernel command line that a guest gets unless the user says `--nodefaults`: kvmtool's words, without those that
 * turn off what a guest finds here (ACPI, the I/O APIC, configuration space as memory). All of them only save time or
 * name the root and the console; a kernel boots without any.
 */

import { HVL_DOORBELL } from '../arch/x86_64/memory-map.js';
import type { VmHvlConfig } from './config.js';

/** What the command line depends on. */
export interface CommandLineFacts {
  readonly console: 'serial' | 'virtio' | 'none';
  /** What the guest's root is on: a directory (9p), the first disk, or nothing that we know of. */
  readonly root: 'directory' | 'disk' | 'read-only disk' | 'unknown';
  /** Hypervisorless devices; the Linux module is told where they are. */
  readonly hvl: VmHvlConfig | undefined;
  /** The user's own words, put last, so that they win. */
  readonly extra: string;
}

/** Tag of the share that is the guest's root. */
export const ROOT_TAG = '/dev/root';

/** A reset through the keyboard controller, which ends the machine at once. */
const REBOOT_WORD = 'reboot=k';
/** One second after a panic. */
const PANIC_WORD = 'panic=1';
/** No probing of a keyboard and a mouse that nobody has. */
const INPUT_WORDS = 'i8042.direct=1 i8042.dumbkbd=1 i8042.nopnp=1 i8042.noaux=1';

const CONSOLE_WORDS: Readonly<Record<CommandLineFacts['console'], string>> = {
  serial: 'earlyprintk=serial console=ttyS0',
  virtio: 'console=hvc0',
  none: '',
};

const ROOT_WORDS: Readonly<Record<CommandLineFacts['root'], string>> = {
  directory: 'rw rootflags=trans=virtio,version=9p2000.L,cache=loose rootfstype=9p',
  disk: 'rw',
  'read-only disk': 'ro',
  unknown: '',
};

/** The whole command line. The user's `root=` takes the place of ours. */
export function generateCommandLine({ console, root, hvl, extra }: CommandLineFacts): string {
  const words = [
    REBOOT_WORD,
    // The RAM disks of Debian and Ubuntu give no shell, but reboot, where there is any panic= word.
    asksForShell(extra) ? '' : PANIC_WORD,
    INPUT_WORDS,
    CONSOLE_WORDS[console],
    hvl === undefined ? '' : poolWords(hvl),
  ];
  if (root === 'directory') words.push(ROOT_WORDS[root]);
  if (!hasWord(extra, 'root')) {
    if (root === 'directory') words.push(`root=${ROOT_TAG}`);
    else if (root !== 'unknown') words.push(`root=/dev/vda ${ROOT_WORDS[root]}`);
  }
  return [...words, extra.trim()].filter((word) => word !== '').join(' ');
}

/** VxWorks's boot line: the user's words, and where its devices are unless they say so. */
export function generateBootLine(hvl: VmHvlConfig | undefined, extra: string): string {
  const words = [extra.trim()];
  if (hvl !== undefined) {
    if (!hasWord(extra, 'hvl.shm_addr')) words.push(`hvl.shm_addr=0x${hvl.shmemAddr.toString(16)}`);
    if (!hasWord(extra, 'hvl.irq')) words.push(`hvl.irq=${hvl.irq}`);
  }
  return words.filter((word) => word !== '').join(' ');
}

/** Parameters of the module `virtio_hvl`: modprobe takes them from here, and so does a kernel that has it built in. */
function poolWords({ shmemAddr, shmemSize, irq, withDtb, confine }: VmHvlConfig): string {
  const parameters = {
    base: `0x${shmemAddr.toString(16)}`,
    size: `0x${shmemSize.toString(16)}`,
    irq: String(irq),
    layout: withDtb ? 'dtb' : 'nodtb',
    doorbell: `0x${HVL_DOORBELL.toString(16)}`,
    ring_acks: '0', // the transport finds acknowledges by itself
    ...(confine ? { confine: '1' } : {}),
  };
  return Object.entries(parameters)
    .map(([name, value]) => `virtio_hvl.${name}=${value}`)
    .join(' ');
}

/** Whether the user wants a shell in the initial RAM disk: `break` and `break=WHEN` of initramfs-tools. */
function asksForShell(text: string): boolean {
  return hasWord(text, 'break') || text.split(/\s+/).includes('break');
}

/** Whether a command line has `NAME=VALUE`. */
function hasWord(text: string, name: string): boolean {
  return text.split(/\s+/).some((word) => word.startsWith(`${name}=`));
}

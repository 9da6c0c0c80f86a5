/** A guest under test, as data, and the commands that start it: lkvm of this checkout, or QEMU to compare with. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../support/project.js';
import { type KernelName, kernelFiles } from './cache.js';

/** The guest. Paths are those of the outer guest. */
export interface MachineSpec {
  readonly kernel: KernelName;
  /** From `OuterGuest.initrd`. */
  readonly initrd?: string | undefined;
  /** Default 256. */
  readonly memoryMib?: number | undefined;
  /** Default 1. */
  readonly cpus?: number | undefined;
  /** Default "pci". */
  readonly transport?: 'pci' | 'mmio' | undefined;
  /** Added to the command line of the guest's kernel. */
  readonly words?: string | undefined;
  /** Image files, each with the words of `--disk` behind it: "/run/disk,ro". */
  readonly disks?: readonly string[] | undefined;
  /** Shared folders: "/run/share,tag". */
  readonly shares?: readonly string[] | undefined;
  /** Name of a tap interface of the outer guest. */
  readonly tap?: string | undefined;
  readonly rng?: boolean | undefined;
  /** Default "serial". */
  readonly console?: 'serial' | 'virtio' | undefined;
  /** More options of lkvm; QEMU does not get them. */
  readonly options?: readonly string[] | undefined;
}

/** Who runs a guest. */
export type Vmm = 'lkvm' | 'qemu';

/** The lkvm command of this checkout. */
export const LKVM: readonly string[] = [
  process.execPath,
  // `npm test` makes both. Who compiles by hand has no joined one, or removes it: it would be out of date.
  [join(projectRoot, 'dist/bundle/main.js'), join(projectRoot, 'dist/cli/main.js')].find(existsSync) ?? '',
];

// A guest that has crashed ends at once, and with it its test. The full log costs thousands of exits; LKVM_BED_LOUD=1 shows it.
const WORDS = process.env['LKVM_BED_LOUD'] === '1' ? 'panic=-1' : 'panic=-1 quiet';

function lkvm(spec: MachineSpec): string[] {
  const { disks = [], shares = [], options = [] } = spec;
  return [
    ...LKVM,
    ...['run', '-k', kernelFiles(spec.kernel).image],
    ...(spec.initrd === undefined ? [] : ['-i', spec.initrd]),
    ...['-m', String(spec.memoryMib ?? 256), '-c', String(spec.cpus ?? 1)],
    ...['--virtio-transport', spec.transport ?? 'pci', '--console', spec.console ?? 'serial'],
    ...['-p', `${WORDS} ${spec.words ?? ''}`.trim()],
    ...disks.flatMap((disk) => ['-d', disk]),
    ...shares.flatMap((share) => ['--9p', share]),
    ...['-n', spec.tap === undefined ? 'mode=none' : `mode=tap,tapif=${spec.tap}`],
    ...(spec.rng === true ? ['--rng'] : []),
    ...options,
  ];
}

function qemu(spec: MachineSpec): string[] {
  const { disks = [], shares = [] } = spec;
  const virtio = spec.console === 'virtio';
  return [
    ...['qemu-system-x86_64', '-accel', 'kvm', '-cpu', 'host', '-smp', String(spec.cpus ?? 1)],
    ...['-m', String(spec.memoryMib ?? 256), '-nodefaults', '-display', 'none', '-no-reboot'],
    ...['-kernel', kernelFiles(spec.kernel).image],
    ...(spec.initrd === undefined ? [] : ['-initrd', spec.initrd]),
    ...['-append', `console=${virtio ? 'hvc0' : 'ttyS0'} ${WORDS} ${spec.words ?? ''}`.trim()],
    ...['-chardev', 'stdio,id=console,signal=off'],
    ...(virtio
      ? ['-device', 'virtio-serial', '-device', 'virtconsole,chardev=console']
      : ['-serial', 'chardev:console']),
    ...disks.flatMap((disk, i) => {
      const [path, ...words] = disk.split(',');
      const mode = `${words.includes('ro') ? ',readonly=on' : ''}${words.includes('direct') ? ',cache=none' : ''}`;
      return [
        '-drive',
        `file=${path},format=raw,if=none,id=d${i}${mode}`,
        '-device',
        `virtio-blk-pci,drive=d${i}`,
      ];
    }),
    ...shares.flatMap((share) => {
      const [path, tag] = share.split(',');
      return ['-virtfs', `local,path=${path},mount_tag=${tag},security_model=none`];
    }),
    ...(spec.tap === undefined
      ? []
      : [
          '-netdev',
          `tap,id=n,ifname=${spec.tap},script=no,downscript=no`,
          '-device',
          'virtio-net-pci,netdev=n',
        ]),
    ...(spec.rng === true ? ['-device', 'virtio-rng-pci'] : []),
  ];
}

/** The command that starts a guest. */
export function commandOf(vmm: Vmm, spec: MachineSpec): string[] {
  return vmm === 'lkvm' ? lkvm(spec) : qemu(spec);
}

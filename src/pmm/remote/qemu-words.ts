/** The command line of a machine of QEMU. */
import type { PoolSpec, QemuArch, QemuSpec } from '../config.js';

/** What differs by architecture. */
interface Platform {
  readonly program: string;
  /** Package of Debian and its relatives. */
  readonly debian: string;
  readonly machine: readonly string[];
}

const PLATFORMS: Readonly<Record<QemuArch, Platform>> = {
  x86_64: {
    program: 'qemu-system-x86_64',
    debian: 'qemu-system-x86',
    machine: ['-machine', 'pc', '-cpu', 'max'],
  },
  aarch64: {
    program: 'qemu-system-aarch64',
    debian: 'qemu-system-arm',
    // What `max` has, authentication of pointers, costs most of the time where it is emulated.
    machine: ['-machine', 'virt', '-cpu', 'cortex-a72'],
  },
};

/** QEMU's program for an architecture, and the Debian package it is in. */
export function qemuProgram(arch: QemuArch): { readonly program: string; readonly debian: string } {
  return PLATFORMS[arch];
}

/**
 * Its words. The machine is emulated (TCG): it is to be the other processor, not a guest of this one. Nothing is in it but
 * memory, the serial port on standard output, and the ivshmem device.
 * @param pool an ivshmem one
 */
export function qemuWords(spec: QemuSpec, pool: PoolSpec): string[] {
  const vectors = pool.kind === 'ivshmem-server' ? pool.vectors : 1;
  const path = 'path' in pool ? pool.path : '';
  const initrd = spec.initrd === undefined ? [] : ['-initrd', spec.initrd];
  return [
    ...['-accel', 'tcg', ...PLATFORMS[spec.arch].machine, '-m', `${spec.memory}`],
    ...['-no-user-config', '-nodefaults', '-display', 'none', '-monitor', 'none', '-serial', 'stdio'],
    ...['-chardev', `socket,id=pmm,path=${path.replaceAll(',', ',,')}`],
    ...['-device', `ivshmem-doorbell,chardev=pmm,vectors=${vectors}`],
    ...['-kernel', spec.kernel, ...initrd, '-append', spec.append],
  ];
}

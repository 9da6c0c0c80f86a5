/** From options to a checked other side of a PMM. Errors: ConfigError, one line. Thread: main. */
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigError } from '../util/errors.js';
import type { PoolSpec, QemuArch, QemuSpec, RemoteprocSpec, RemoteSpec } from './config.js';
import type { PmmPoolOptions, PmmQemuOptions, PmmRemoteOptions, PmmRemoteprocOptions } from './options.js';

/** Memory of a machine unless told otherwise, in MiB. */
export const DEFAULT_REMOTE_MEMORY = 512;
/** Where a machine of each architecture has its first serial port. */
const SERIAL: Readonly<Record<QemuArch, string>> = { x86_64: 'ttyS0', aarch64: 'ttyAMA0' };

/** The other side; undefined if it starts and ends by itself. @param pool as given by the user */
export function remoteSpec(
  options: PmmRemoteOptions | undefined,
  pool: PmmPoolOptions | undefined,
): RemoteSpec | undefined {
  if (options === undefined) return undefined;
  return options.kind === 'qemu' ? qemuSpec(options, pool === undefined) : remoteprocSpec(options);
}

/** The pool of a machine if none is named: a socket file that only we may use, with a name nobody else has. */
export function defaultPool(remote: RemoteSpec | undefined): PmmPoolOptions | undefined {
  if (remote?.kind !== 'qemu') return undefined;
  const name = `lkvm-remote-${process.pid}-${randomBytes(4).toString('hex')}`;
  return { kind: 'ivshmem-server', path: join(tmpdir(), name) };
}

/** A machine of QEMU gets pool and doorbells by ivshmem. */
export function checkRemotePool(remote: RemoteSpec | undefined, pool: PoolSpec): void {
  if (remote?.kind !== 'qemu' || pool.kind === 'ivshmem-server' || pool.kind === 'ivshmem') return;
  throw new ConfigError(
    `--remote qemu does not go with --shmem-backend ${pool.kind}: QEMU gets the pool by ivshmem; leave --shmem-backend out, or give ivshmem-server:PATH or ivshmem:PATH`,
  );
}

function qemuSpec(options: PmmQemuOptions, ownSocket: boolean): QemuSpec {
  const { initrd, kernel, log, memory = DEFAULT_REMOTE_MEMORY } = options;
  const arch = options.arch ?? ownArch();
  if (!Number.isInteger(memory) || memory < 1)
    throw new ConfigError(`--remote-memory ${memory}: a whole number of MiB is expected`);
  if (kernel === '') throw new ConfigError('--remote qemu needs a kernel: --remote-kernel FILE');
  const append = commandLine(options.append ?? '', arch);
  return { kind: 'qemu', arch, kernel, initrd, append, memory, log, ownSocket };
}

function ownArch(): QemuArch {
  switch (process.arch) {
    case 'x64':
      return 'x86_64';
    case 'arm64':
      return 'aarch64';
    default:
      throw new ConfigError('--remote qemu needs --remote-arch x86_64 or --remote-arch aarch64 here');
  }
}

/** The user's words and, unless they say something else, a console to be heard on and what the front end may leave out. */
function commandLine(append: string, arch: QemuArch): string {
  const named = (name: string): boolean => append.split(/\s+/).some((word) => word.startsWith(`${name}=`));
  const words = [
    ...(named('console') ? [] : [`console=${SERIAL[arch]}`]),
    ...(named('virtio_hvl.ring_acks') ? [] : ['virtio_hvl.ring_acks=0']),
  ];
  return [...words, append].join(' ').trim();
}

function remoteprocSpec({ firmware, index, sysfs = '/sys' }: PmmRemoteprocOptions): RemoteprocSpec {
  if (!Number.isInteger(index) || index < 0) {
    throw new ConfigError(`--remoteproc ${index}: N of /sys/class/remoteproc/remoteprocN is expected`);
  }
  if (firmware !== undefined && !/^[^\n\0]+$/.test(firmware)) {
    throw new ConfigError(`--remoteproc ${index},firmware=${firmware}: the name of an image is expected`);
  }
  return { kind: 'remoteproc', index, firmware, sysfs };
}

/** The initrds of the outer guest and of the guests under test. */
import { spawnSync } from 'node:child_process';
import { readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { projectRoot } from '../support/project.js';
import { type KernelName, kernelFiles } from './cache.js';
import { type CpioEntry, cpio, file, folder, link } from './cpio.js';
import { loadModules } from './modules.js';

const OUTER_MODULES = [
  'virtio_pci',
  'virtio_console',
  '9pnet_virtio',
  '9p',
  'kvm-amd',
  'tun',
  'vhost_net',
  'vhost_vsock',
];
const INNER_MODULES = [
  'virtio_pci',
  'virtio_mmio',
  'virtio_blk',
  'virtio_net',
  'virtio_console',
  'virtio-rng',
  '9pnet_virtio',
  '9p',
];

/** More to put into the initrd of a guest. */
export interface InitrdOptions {
  /** Modules beside the usual virtio drivers and 9p. */
  readonly modules?: readonly string[] | undefined;
  /** Programs of the host, put into /bin with the libraries they need. */
  readonly programs?: readonly string[] | undefined;
  /** Any files. */
  readonly files?: readonly CpioEntry[] | undefined;
}

function script(name: string): Buffer {
  return readFileSync(join(projectRoot, 'test/guests', name));
}

function moduleEntries(kernel: KernelName, names: readonly string[]): CpioEntry[] {
  const modules = loadModules(kernelFiles(kernel).modules, names);
  const order = modules.map(({ name }) => `${name}\n`).join('');
  return [file('lib/m/order', order), ...modules.map(({ name, data }) => file(`lib/m/${name}.ko`, data))];
}

/** A program of the host and the shared libraries that the dynamic linker would load for it. */
function programEntries(path: string): CpioEntry[] {
  const { stdout } = spawnSync('ldd', [path], { encoding: 'utf8' });
  const libraries = (stdout ?? '').match(/\/\S+/g) ?? [];
  return [
    file(`bin/${basename(path)}`, readFileSync(realpathSync(path)), 0o755),
    ...libraries
      .filter((library) => library !== `${path}:`)
      .map((library) => file(library.slice(1), readFileSync(realpathSync(library)), 0o755)),
  ];
}

/** Links for all commands of a busybox: made here, not by the guest, which would take long. */
function appletLinks(): CpioEntry[] {
  const { stdout } = spawnSync(kernelFiles('6.1').busybox, ['--list'], { encoding: 'utf8' });
  return stdout
    .split('\n')
    .filter((name) => name !== '' && name !== 'busybox')
    .map((name) => link(`bin/${name}`, 'busybox'));
}

function write(path: string, entries: readonly CpioEntry[]): void {
  writeFileSync(path, gzipSync(cpio(entries), { level: 1 }));
}

/** Writes the initrd of the outer guest. */
export function writeOuterInitrd(path: string): void {
  write(path, [
    ...['dev', 'mnt', 'proc', 'sys'].map(folder),
    file('bin/busybox', readFileSync(kernelFiles('6.1').busybox), 0o755),
    file('init', script('outer-init.sh'), 0o755),
    ...moduleEntries('6.1', OUTER_MODULES),
  ]);
}

/** Writes the initrd of a guest under test. @param options programs are 64-bit: not for the kernel "686" */
export function writeInnerInitrd(path: string, kernel: KernelName, options: InitrdOptions = {}): void {
  const entries = [
    ...['dev', 'mnt', 'proc', 'sys', 'tmp'].map(folder),
    file('bin/busybox', readFileSync(kernelFiles(kernel).busybox), 0o755),
    ...appletLinks(),
    file('init', script('inner-init.sh'), 0o755),
    ...moduleEntries(kernel, [...INNER_MODULES, ...(options.modules ?? [])]),
    ...(options.programs ?? []).flatMap(programEntries),
    ...(options.files ?? []),
  ];
  const last = new Map(entries.map((entry) => [entry.path, entry])); // libraries of several programs: each once
  write(path, [...last.values()]);
}

// House rule: which folder may import which. Parsed from the sources, so a violation fails here and not in review.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { test } from 'node:test';
import { projectRoot } from '../support/project.js';

const LOW = ['abi', 'util'];
const DEVICE_SIDE = ['virtio/queue', 'virtio/core', 'memory', 'bus', 'sys', ...LOW];

/** Folder → folders it may import besides itself. Longest match wins. */
const ALLOWED: Record<string, readonly string[]> = {
  abi: [],
  util: ['abi'],
  sys: LOW,
  memory: ['sys', ...LOW],
  bus: LOW,
  platform: ['bus', ...LOW],
  'virtio/queue': ['memory', ...LOW],
  'virtio/core': ['virtio/queue', 'memory', ...LOW],
  fdt: ['util'],
  'virtio/transport': ['virtio/core', 'virtio/queue', 'memory', 'bus', 'fdt', ...LOW],
  'virtio/devices': ['virtio/core', 'virtio/queue', 'memory', 'p9', ...LOW],
  p9: ['memory', ...LOW],
  backends: ['sys', 'memory', ...LOW],
  reactor: ['sys', ...LOW],
  kvm: ['sys', 'memory', ...LOW],
  'arch/x86_64': ['kvm', 'memory', ...LOW],
  'workers/vcpu': ['kvm', 'workers', 'reactor', 'memory', 'bus', 'sys', ...LOW],
  'workers/reactor': [
    'reactor',
    'backends',
    'p9',
    'virtio/transport',
    'virtio/devices',
    'workers',
    'platform',
    ...DEVICE_SIDE,
  ],
  workers: ['reactor', 'sys', ...LOW],
  // What every kind of machine has: device options and their checks, host ends.
  machine: ['workers/reactor', 'workers', 'backends', 'p9', 'virtio/transport', ...DEVICE_SIDE],
  pmm: [
    'machine',
    'workers',
    'workers/reactor',
    'reactor',
    'backends',
    'p9',
    'fdt',
    'virtio/transport',
    'virtio/devices',
    ...DEVICE_SIDE,
  ],
  vmm: [
    'machine',
    'arch/x86_64',
    'kvm',
    'platform',
    'workers',
    'workers/reactor',
    'workers/vcpu',
    'reactor',
    'backends',
    'p9',
    'fdt',
    'virtio/transport',
    'virtio/devices',
    ...DEVICE_SIDE,
  ],
  frontend: ['p9', 'fdt', 'memory', ...LOW],
  aux: ['frontend', 'reactor', 'backends', 'fdt', 'memory', 'sys', ...LOW],
  control: ['sys', ...LOW],
  cli: ['vmm', 'pmm', 'machine', 'aux', 'control', 'fdt', ...LOW],
  '': ['vmm', 'pmm', 'machine', 'backends', 'p9', ...LOW],
};

/** Type-only imports that are allowed on top: back ends implement the interfaces devices declare. */
const ALLOWED_TYPES: Record<string, readonly string[]> = {
  backends: ['virtio/devices', 'p9'],
  cli: ['workers', 'virtio/transport'],
  vmm: ['pmm'],
};

const src = join(projectRoot, 'src');

function sourceFiles(): string[] {
  return readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
}

function folderOf(file: string): string {
  const matches = Object.keys(ALLOWED).filter((folder) => folder !== '' && file.startsWith(`${folder}/`));
  return matches.sort((a, b) => b.length - a.length)[0] ?? '';
}

interface Import {
  readonly from: string;
  readonly to: string;
  readonly typeOnly: boolean;
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(src, file), 'utf8');
  const pattern = /^(?:import|export)\s+(type\s)?[^;]*?from\s+'([^']+)'/gms;
  return [...text.matchAll(pattern)].map((m) => ({
    from: file,
    to: m[2] as string,
    typeOnly: m[1] !== undefined,
  }));
}

const imports = sourceFiles().flatMap(importsOf);

test('architecture: a module imports only what its folder may → no violation', () => {
  const violations = imports
    .filter((i) => i.to.startsWith('.'))
    .filter((i) => {
      const from = folderOf(i.from);
      const to = folderOf(normalize(relative(src, join(src, dirname(i.from), i.to))));
      const allowed = [from, ...(ALLOWED[from] ?? []), ...(i.typeOnly ? (ALLOWED_TYPES[from] ?? []) : [])];
      return !allowed.includes(to);
    })
    .map((i) => `${i.from} imports ${i.to}`);
  assert.deepEqual(violations, []);
});

test('architecture: koffi is imported in sys/ only', () => {
  const users = imports.filter((i) => i.to === 'koffi').map((i) => i.from);
  assert.deepEqual(
    [...new Set(users)].filter((file) => !file.startsWith('sys/')),
    [],
  );
});

test('architecture: nothing the PMM reaches is part of the KVM side', () => {
  const kvmSide = ['kvm/', 'arch/', 'vmm/', 'workers/vcpu/'];
  const reached = new Set(sourceFiles().filter((file) => file.startsWith('pmm/')));
  for (const file of reached) {
    for (const i of importsOf(file).filter((each) => each.to.startsWith('.'))) {
      reached.add(normalize(join(dirname(file), i.to)).replace(/\.js$/, '.ts'));
    }
  }
  assert.deepEqual(
    [...reached].filter((file) => kvmSide.some((folder) => file.startsWith(folder))),
    [],
  );
});

// Where a pool may lie beside a guest's RAM, and on which line it may interrupt.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { buildVmConfig, type HostFacts } from '#lkvm/vmm/build-config.js';
import { allDeviceSpecs, type VmConfig, withDeviceSpecs } from '#lkvm/vmm/config.js';
import { poolText } from '#lkvm/vmm/hvl-config.js';
import { doorbells } from '#lkvm/vmm/hvl-parts.js';
import type { VmHvlOptions, VmOptions } from '#lkvm/vmm/options.js';

const MIB = 1 << 20;
const host: HostFacts = { cpus: 1, memoryBytes: 64 * 1024 * MIB, pid: 1 };
const shmem = { address: 0xd400_0000, bytes: 16 * MIB };

function build(hvl: Partial<VmHvlOptions> = {}, options: VmOptions = {}): VmConfig {
  return buildVmConfig({ kernel: 'k', hvl: { shmem, devices: [], ...hvl }, ...options }, host);
}

const refused = (hvl: Partial<VmHvlOptions>, message: RegExp, options: VmOptions = {}) =>
  assert.throws(() => build(hvl, options), { name: 'ConfigError', message, exitCode: 129 });

test('pool of a guest: an address and a size → device tree, line 12, no device', () => {
  assert.deepEqual(build().hvl, {
    shmemAddr: 0xd400_0000,
    shmemSize: 16 * MIB,
    withDtb: true,
    devices: [],
    confine: false,
    restartDetector: true,
    eventIdx: true,
    irq: 12,
    storesWait: false,
  });
});

test('pool of a guest: VxWorks → no event index', () => {
  assert.equal(build({}, { vxworks: true }).hvl?.eventIdx, false);
});

test('pool of a guest: console and root directory of the machine → in the pool; disks → on PCI', () => {
  const config = build(
    { devices: [{ type: 'rng' }] },
    { console: 'virtio', rootDirectory: '/', devices: [{ type: 'blk', path: 'd' }] },
  );
  assert.deepEqual(
    config.hvl?.devices.map(({ name }) => name),
    ['p9', 'rng', 'console'],
  );
  assert.deepEqual(
    config.devices.map(({ transport, spec }) => [transport, spec.name]),
    [['pci', 'blk']],
  );
  assert.deepEqual(
    allDeviceSpecs(config).map(({ name }) => name),
    ['blk', 'p9', 'rng', 'console'],
  );
});

test('withDeviceSpecs: a change → made to every device, on PCI and in the pool', () => {
  const config = build({ devices: [{ type: 'rng' }] }, { devices: [{ type: 'blk', path: 'd' }] });
  const changed = withDeviceSpecs(config, (spec) => ({ ...spec, queueSizes: [2] }));
  assert.deepEqual(
    allDeviceSpecs(changed).map(({ name, queueSizes }) => [name, queueSizes]),
    [
      ['blk', [2]],
      ['rng', [2]],
    ],
  );
});

test('pool of a guest: two consoles, one of them on PCI → refused; devices on mmio → refused', () => {
  const console = { type: 'console' } as const;
  refused({ devices: [console] }, /^2 console devices; there can be one$/, { devices: [console] });
  refused({}, /has its other devices on PCI, not mmio/, {
    transport: 'mmio',
    devices: [{ type: 'blk', path: 'd' }],
  });
});

test('pool of a guest: the command line → parameters of the Linux module', () => {
  const { boot } = build({ dtb: false, irq: 5 }, { commandLine: 'mine' });
  assert.match(
    boot.commandLine,
    / virtio_hvl\.base=0xd4000000 virtio_hvl\.size=0x1000000 virtio_hvl\.irq=5 virtio_hvl\.layout=nodtb virtio_hvl\.doorbell=0xe0000000 virtio_hvl\.ring_acks=0 mine$/,
  );
});

test('pool of a guest: --vxworks → stores wait, the boot line has the words of the user and the place, at most 255 bytes', () => {
  const vxworks = true;
  const config = build({}, { vxworks, commandLine: ' fs(0,0)host:vxWorks ' });
  assert.equal(config.hvl?.storesWait, true);
  assert.equal(config.boot.commandLine, 'fs(0,0)host:vxWorks hvl.shm_addr=0xd4000000 hvl.irq=12');
  const own = build({}, { vxworks, commandLine: 'hvl.shm_addr=1 hvl.irq=2' });
  assert.equal(own.boot.commandLine, 'hvl.shm_addr=1 hvl.irq=2');
  const line = 'x'.repeat(255);
  assert.equal(build({}, { vxworks, noDefaults: true, commandLine: line }).boot.commandLine, line);
  const long = { vxworks, noDefaults: true, commandLine: `${line}x` };
  refused({}, /^--params: the kernel command line has 256 bytes; there is room for 255$/, long);
  refused({}, /^--vxworks starts a kernel alone/, { vxworks, initrd: 'i' });
});

test('pool of a guest: lines of others, and none at all → refused; all the rest → taken', () => {
  const lines = Array.from({ length: 24 }, (_, irq) => irq);
  const taken = lines.filter((irq) => {
    try {
      return build({ irq }).hvl?.irq !== irq;
    } catch {
      return true;
    }
  });
  assert.deepEqual(taken, [0, 1, 2, 3, 4, 8, 9, 10, 11]);
  refused({ irq: 0 }, /^--irq 0: this line belongs to the timer; free are 5, 6, 7, 12 \.\.\. 23$/);
  for (const irq of [24, 255, -1, 1.5]) refused({ irq }, /^--irq .*: there is no such line; free are/);
});

/** Everything that is in a guest below 4 GiB and is not a pool: from, to (exclusive). */
const OCCUPIED: readonly (readonly [number, number])[] = [
  [0xd300_0000, 0xd302_0000],
  [0xe000_0000, 0xe000_1000],
  [0xe800_0000, 0xe810_0000],
  [0xf000_0000, 0x1_0000_0000],
];

test('pool of a guest: anywhere, any size → taken exactly if all of it lies behind RAM, below 4 GiB, over nothing', () => {
  const page = 4096;
  // Near the borders, where the decisions are.
  const border = fc.constantFrom(0, 0x1000_0000, 0xd000_0000, 0x1_0000_0000, ...OCCUPIED.flat());
  const place = fc.tuple(border, fc.integer({ min: -64, max: 64 })).map(([at, pages]) => at + pages * page);
  fc.assert(
    fc.property(
      place,
      fc.integer({ min: 17, max: 80 }),
      fc.constantFrom(256, 8192),
      (address, pages, mib) => {
        fc.pre(address > 0);
        const end = address + pages * page;
        const lowEnd = Math.min(mib * MIB, 0xd000_0000);
        const free =
          address >= lowEnd &&
          end <= 0x1_0000_0000 &&
          OCCUPIED.every(([from, to]) => end <= from || address >= to);
        const attempt = () => build({ shmem: { address, bytes: pages * page } }, { memoryBytes: mib * MIB });
        if (free) assert.equal(attempt().hvl?.shmemAddr, address);
        else
          assert.throws(attempt, /^ConfigError: the pool at 0x[0-9a-f]+ \.\.\. 0x[0-9a-f]+ (overlaps|lies) /);
      },
    ),
    { numRuns: 500 },
  );
});

test('doorbells: two devices → one of all, one of each', () => {
  const { hvl } = build({ devices: [{ type: 'rng' }] }, { console: 'virtio' });
  assert.ok(hvl);
  assert.deepEqual(doorbells(hvl), [0xe000_0000, 0xd300_01f0, 0xd300_03f0]);
  assert.equal(
    poolText(hvl),
    'hypervisorless: rng, console at 0xd4000000; doorbell 0xe0000000, interrupt 12',
  );
});

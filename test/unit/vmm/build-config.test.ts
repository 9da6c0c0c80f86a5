import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ConfigError } from '#lkvm/util/errors.js';
import { buildVmConfig, type HostFacts } from '#lkvm/vmm/build-config.js';
import type { VmConfig } from '#lkvm/vmm/config.js';
import type { VmDeviceOptions, VmOptions } from '#lkvm/vmm/options.js';

const MIB = 1 << 20;
const GIB = 1 << 30;
const host: HostFacts = { cpus: 4, memoryBytes: 16 * GIB, pid: 77 };
const build = (options: VmOptions = {}, facts = host): VmConfig =>
  buildVmConfig({ kernel: 'k', ...options }, facts);
const names = (options: VmOptions) => build(options).devices.map(({ spec }) => spec.name);
const refused = (options: VmOptions, message: RegExp) =>
  assert.throws(() => build(options), { name: 'ConfigError', message });

test('buildVmConfig: nothing but a kernel → the defaults', () => {
  const nowhere = { inputFd: -1, outputFd: -1, escape: 'none' };
  assert.deepEqual(build(), {
    name: 'guest-77',
    kvmPath: '/dev/kvm',
    cpus: 4,
    ramBytes: 448 * MIB, // 64 MiB x (4 + 3)
    hugetlbfs: undefined,
    boot: {
      kernel: 'k',
      firmware: undefined,
      initrd: undefined,
      commandLine:
        'reboot=k panic=1 i8042.direct=1 i8042.dumbkbd=1 i8042.nopnp=1 i8042.noaux=1 earlyprintk=serial console=ttyS0',
      vxworks: false,
    },
    serial: [{ inputFd: 0, outputFd: 1, escape: 'ctrl-a' }, nowhere, nowhere, nowhere],
    devices: [],
    hvl: undefined,
    debugExitPort: undefined,
    debug: { ioport: false, mmio: false, singleStep: false },
    poll: { kind: 'adaptive' },
  });
});

test('buildVmConfig: memory of a small host → 80 % of it, whole MiB', () => {
  assert.equal(build({}, { ...host, memoryBytes: 333 * MIB }).ramBytes, 266 * MIB);
});

test('buildVmConfig: a host with 1000 processors → 255', () => {
  assert.equal(build({}, { ...host, cpus: 1000 }).cpus, 255);
});

test('buildVmConfig: any host → a size that is accepted when given back', () => {
  const facts = fc.record({
    cpus: fc.integer({ min: 1, max: 4096 }),
    memoryBytes: fc.integer({ min: 4096, max: 2 ** 47 }),
    pid: fc.nat(),
  });
  fc.assert(
    fc.property(facts, (each) => {
      const { cpus, ramBytes } = build({}, each);
      assert.equal(build({ cpus, memoryBytes: ramBytes }).ramBytes, ramBytes);
    }),
  );
});

test('buildVmConfig: processors out of range → refused', () => {
  for (const cpus of [0, -1, 1.5, 256, Number.NaN]) refused({ cpus }, /^--cpus .*: a guest has 1 \.\.\. 255/);
});

test('buildVmConfig: memory too small, too large, not in pages → refused with the size', () => {
  refused({ memoryBytes: MIB }, /1 MiB of memory; a guest has 2M \.\.\. 64T, and Linux wants 96M/);
  refused({ memoryBytes: 2 ** 47 }, /134217728 MiB of memory/);
  refused({ memoryBytes: 64 * MIB + 100 }, /67108964 bytes is not a multiple of 4096/);
  assert.equal(build({ memoryBytes: 2 * MIB }).ramBytes, 2 * MIB);
  assert.equal(build({ memoryBytes: 2 ** 46 }).ramBytes, 2 ** 46);
});

test('buildVmConfig: kernel and firmware, neither, firmware with initrd → refused', () => {
  refused({ firmware: 'f' }, /^Only one of --kernel and --firmware can be given$/);
  assert.throws(() => buildVmConfig({}, host), /nothing to start: give --kernel FILE or --firmware FILE/);
  assert.throws(() => buildVmConfig({ firmware: 'f', initrd: 'i' }, host), /--initrd i goes with a kernel/);
  refused({ kernel: '' }, /--kernel "" is not a path/);
});

test('buildVmConfig: noDefaults → the command line is what was given and nothing else', () => {
  assert.equal(build({ noDefaults: true }).boot.commandLine, '');
  assert.equal(build({ noDefaults: true, commandLine: ' a  b ' }).boot.commandLine, ' a  b ');
});

test('buildVmConfig: a command line of 65535 bytes, of two lines → kept; refused', () => {
  assert.equal(build({ noDefaults: true, commandLine: 'x'.repeat(65535) }).boot.commandLine.length, 65535);
  refused({ noDefaults: true, commandLine: 'x'.repeat(65536) }, /has 65536 bytes; there is room for 65535/);
  refused({ commandLine: 'a\nb' }, /one line of text/);
});

test('buildVmConfig: first disk → the root; read-only → mounted so', () => {
  const disk = (readOnly: boolean): VmDeviceOptions => ({ type: 'blk', path: 'a', readOnly });
  assert.match(build({ devices: [disk(false)] }).boot.commandLine, / root=\/dev\/vda rw$/);
  assert.match(build({ devices: [disk(true), disk(false)] }).boot.commandLine, / root=\/dev\/vda ro$/);
});

test('buildVmConfig: a root directory → the first device, a 9p share with the tag /dev/root', () => {
  const { devices, boot } = build({ rootDirectory: '/x', devices: [{ type: 'rng' }] });
  assert.deepEqual(devices[0]?.spec, {
    name: 'p9',
    regionBytes: 0,
    static: false,
    queueSizes: [128],
    features: undefined,
    tag: '/dev/root',
    tree: { kind: 'directory', path: '/x', readOnly: false },
  });
  assert.match(boot.commandLine, / rootfstype=9p root=\/dev\/root$/);
  refused(
    { rootDirectory: '/x', devices: [{ type: '9p', directory: '/y', tag: '/dev/root' }] },
    /two --9p shares have the tag "\/dev\/root"/,
  );
});

test('buildVmConfig: devices → in the order given, a console that was asked for last', () => {
  const devices: VmDeviceOptions[] = [{ type: 'rng' }, { type: 'net' }, { type: 'blk', path: 'a' }];
  assert.deepEqual(names({ devices, console: 'virtio' }), ['rng', 'net', 'blk', 'console']);
});

test('buildVmConfig: console virtio → no serial port has the terminal; a console given by itself is not doubled', () => {
  const { serial } = build({ console: 'virtio' });
  assert.deepEqual(
    serial.map(({ inputFd }) => inputFd),
    [-1, -1, -1, -1],
  );
  assert.deepEqual(names({ console: 'virtio', devices: [{ type: 'console', inputFd: 9, outputFd: 9 }] }), [
    'console',
  ]);
});

test('buildVmConfig: two consoles on one descriptor → refused', () => {
  refused({ devices: [{ type: 'console' }] }, /two consoles read from descriptor 0/);
  const end = { inputFd: 5, outputFd: 6 };
  refused({ serial: [end, end] }, /two consoles read from descriptor 5/);
});

test('buildVmConfig: serial ports given → the rest leads nowhere; five → refused', () => {
  const { serial } = build({
    serial: [
      { inputFd: -1, outputFd: -1 },
      { inputFd: 7, outputFd: 8 },
    ],
  });
  assert.deepEqual(serial[1], { inputFd: 7, outputFd: 8, escape: 'none' });
  assert.deepEqual(serial[3], { inputFd: -1, outputFd: -1, escape: 'none' });
  const nowhere = { inputFd: -1, outputFd: -1 };
  refused({ serial: [nowhere, nowhere, nowhere, nowhere, nowhere] }, /5 serial ports; there are 4/);
});

test('buildVmConfig: transport of the machine, and of one device → each its own', () => {
  const devices: VmDeviceOptions[] = [{ type: 'rng' }, { type: 'net', transport: 'pci' }];
  assert.deepEqual(
    build({ transport: 'mmio', devices }).devices.map(({ transport }) => transport),
    ['mmio', 'pci'],
  );
});

test('buildVmConfig: as many devices as the bus has places → built; one more → refused', () => {
  const shares = (count: number): VmDeviceOptions[] =>
    Array.from({ length: count }, (_, i) => ({ type: '9p', directory: '/', tag: `t${i}` }));
  assert.equal(build({ devices: shares(31) }).devices.length, 31);
  refused({ devices: shares(32) }, /32 devices over pci; there is room for 31/);
  assert.equal(build({ transport: 'mmio', devices: shares(14) }).devices.length, 14);
  refused({ transport: 'mmio', devices: shares(15) }, /15 devices over mmio; there is room for 14/);
});

test('buildVmConfig: two of what there is one of → refused', () => {
  refused({ devices: [{ type: 'rng' }, { type: 'rng' }] }, /2 rng devices; there can be one/);
  refused({ devices: [{ type: 'net' }, { type: 'net', mode: 'user' }] }, /more than one --network mode=user/);
});

test('buildVmConfig: one descriptor or one tap for two cards → refused', () => {
  const card = (more: object): VmDeviceOptions => ({ type: 'net', mode: 'tap', ...more });
  refused({ devices: [card({ fd: 7 }), card({ fd: 7 })] }, /fd=7 is given to more than one card/);
  refused(
    { devices: [card({ tapif: 'a' }), card({ tapif: 'a' })] },
    /tapif=a is given to more than one card/,
  );
  assert.deepEqual(names({ devices: [card({ fd: 7 }), card({ fd: 8 }), card({}), card({})] }), [
    'net',
    'net',
    'net',
    'net',
  ]);
});

test('buildVmConfig: cards among other devices → MAC addresses by the number of the card', () => {
  const devices: VmDeviceOptions[] = [{ type: 'net' }, { type: 'rng' }, { type: 'net', mode: 'tap' }];
  const macs = build({ devices }).devices.flatMap(({ spec }) =>
    spec.name === 'net' ? [spec.mac.at(-1)] : [],
  );
  assert.deepEqual(macs, [0x15, 0x16]);
});

test('buildVmConfig: names → what can be a file name is kept, the rest refused', () => {
  for (const name of ['a', 'guest 1', 'Gäst', 'x'.repeat(64)]) assert.equal(build({ name }).name, name);
  for (const name of ['', '.', '../x', 'a/b', 'a\nb', 'x'.repeat(65)])
    refused({ name }, /^--name ".*" *: a name/s);
});

test('buildVmConfig: debug-exit ports → free ones kept; those of other devices refused', () => {
  for (const port of [0xf4, 0x501, 0xf0, 0xfffc])
    assert.equal(build({ debugExitPort: port }).debugExitPort, port);
  for (const port of [0x20, 0x43, 0x60, 0x61, 0x71, 0x3f8, 0x3f5, 0x600, 0xcf8, 0x402]) {
    refused({ debugExitPort: port }, /another device has it .*; usual are 0xf4 and 0x501/);
  }
  for (const port of [-1, 1.5, 0xfffd]) refused({ debugExitPort: port }, /allowed: 0 \.\.\. 0xfffc/);
});

test('buildVmConfig: any numbers → a configuration or a ConfigError, nothing else', () => {
  const number = fc.option(fc.oneof(fc.integer(), fc.double()), { nil: undefined });
  fc.assert(
    fc.property(number, number, number, fc.string(), (cpus, memoryBytes, debugExitPort, name) => {
      try {
        build({ cpus, memoryBytes, debugExitPort, name });
      } catch (error) {
        assert.ok(error instanceof ConfigError, String(error));
      }
    }),
  );
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { poolLayout, segments } from '#lkvm/machine/pool-map.js';
import { buildPmmConfig } from '#lkvm/pmm/build-config.js';
import type { PmmOptions } from '#lkvm/pmm/options.js';

const shmem = { address: 0x3700_0000, bytes: 16 << 20 };
const build = (options: Partial<PmmOptions>) => buildPmmConfig({ shmem, devices: [], ...options });
const names = (options: Partial<PmmOptions>) =>
  build(options).devices.map((device) => (device.name === 'p9' ? `p9 ${device.tag}` : device.name));

test('buildPmmConfig: nothing but an address and a size → the defaults of the original', () => {
  assert.deepEqual(build({}), {
    shmemAddr: 0x3700_0000,
    shmemSize: 16 << 20,
    withDtb: true,
    pool: { kind: 'uio', path: '/dev/uio0', map: 0, sysfs: '/sys', force: false },
    notify: { kind: 'umb', path: '/dev/umb' },
    poll: { kind: 'adaptive' },
    devices: [],
    confine: false,
    restartDetector: true,
    eventIdx: false,
  });
});

test('event index: offered where it is asked for or Linux is started, but not to static or predefined devices', () => {
  const asked = (options: Partial<PmmOptions>) =>
    poolLayout(build({ devices: [{ type: 'rng' }], ...options })).slots.map(
      ({ request }) => request.eventIdx,
    );
  const remote = { kind: 'qemu', arch: 'x86_64', kernel: 'k' } as const;
  assert.deepEqual(asked({}), [false]);
  assert.deepEqual(asked({ eventIdx: true }), [true]);
  assert.deepEqual(asked({ remote }), [true]);
  assert.deepEqual(asked({ remote, eventIdx: false }), [false]);
  const none = { low: 0, high: 0 };
  const devices = [
    { type: 'rng', static: true },
    { type: 'net', features: none },
    { type: 'console' },
  ] as const;
  assert.deepEqual(asked({ eventIdx: true, devices }), [false, false, true]);
});

test('buildPmmConfig: devices in any order → slot order by type, order given within a type', () => {
  assert.deepEqual(
    names({
      devices: [
        { type: 'console' },
        { type: 'net', mode: 'tap' },
        { type: '9p', directory: '/a', tag: 'a' },
        { type: 'rng' },
        { type: '9p', directory: '/b', tag: 'b' },
      ],
    }),
    ['p9 a', 'p9 b', 'rng', 'net', 'console'],
  );
});

test('buildPmmConfig: device defaults → sizes of the protocol, tag, addresses', () => {
  const { devices } = build({
    devices: [{ type: '9p', directory: '/a' }, { type: 'rng' }, { type: 'net' }, { type: 'console' }],
  });
  const common = { features: undefined, static: false };
  assert.deepEqual(devices, [
    {
      name: 'p9',
      regionBytes: 0x6000,
      queueSizes: [128],
      ...common,
      tag: 'kvm_9p',
      tree: { kind: 'directory', path: '/a', readOnly: false },
    },
    { name: 'rng', regionBytes: 0x6000, queueSizes: [128], ...common },
    {
      name: 'net',
      regionBytes: 0x8_0000,
      queueSizes: [256, 256],
      ...common,
      mac: [2, 0x15, 0x15, 0x15, 0x15, 0x15],
      backend: { kind: 'user', hostIp: '192.168.33.1', guestIp: '192.168.33.15' },
      script: undefined,
      downscript: undefined,
    },
    {
      name: 'console',
      regionBytes: 0x6000,
      queueSizes: [128, 128],
      ...common,
      inputFd: 0,
      outputFd: 1,
      escape: 'ctrl-a',
      offerSize: false,
    },
  ]);
});

test('buildPmmConfig: several cards → the number of the card in the last byte of the MAC', () => {
  const { devices } = build({
    devices: [
      { type: 'net', mode: 'tap' },
      { type: 'net', mode: 'tap', mac: '2:0:0:0:0:9' },
      { type: 'net' },
    ],
  });
  assert.deepEqual(
    devices.map((device) => device.name === 'net' && device.mac[5]),
    [0x15, 9, 0x17],
  );
});

test('buildPmmConfig: tap → configured by us only without a name, a descriptor and a script', () => {
  const hostIp = (net: object): unknown => {
    const [device] = build({ devices: [{ type: 'net', mode: 'tap', ...net }] }).devices;
    return device?.name === 'net' && device.backend.kind === 'tap' && device.backend.hostIp;
  };
  assert.equal(hostIp({}), '192.168.33.1');
  assert.equal(hostIp({ tapif: 'tap0' }), undefined);
  assert.equal(hostIp({ fd: 5 }), undefined);
  assert.equal(hostIp({ script: '/bin/up' }), undefined);
});

test('buildPmmConfig: one queue size → for all queues; one each → as given', () => {
  const sizes = (queueSizes: number[]) =>
    build({ devices: [{ type: 'net', queueSizes }] }).devices[0]?.queueSizes;
  assert.deepEqual(sizes([64]), [64, 64]);
  assert.deepEqual(sizes([64, 32]), [64, 32]);
});

test('buildPmmConfig: what a library user can get wrong → ConfigError that says what is allowed', () => {
  const wrong = (options: Partial<PmmOptions>, message: RegExp) =>
    assert.throws(() => build(options), { code: 'CONFIG', exitCode: 129, message });
  wrong({ shmem: { address: Number.NaN, bytes: 4096 } }, /--shmem-addr NaN is not a number/);
  wrong({ shmem: { address: -4096, bytes: 4096 } }, /--shmem-addr -4096 is not a number/);
  wrong({ shmem: { address: 0x1000_0000_0000, bytes: 1 << 20 } }, /0x100000000000/);
  wrong({ devices: [{ type: '9p', tag: 'x' }] }, /exactly one of directory, module and remote; 0 are given/);
  wrong({ devices: [{ type: '9p', directory: '/', remote: 0 }] }, /exactly one .* 2 are given/);
  wrong({ devices: [{ type: '9p', directory: '/', tag: '' }] }, /has 0 bytes/);
  wrong({ devices: [{ type: '9p', directory: '/', tag: 'ü'.repeat(17) }] }, /has 34 bytes/);
  wrong({ devices: [{ type: 'console' }, { type: 'console' }] }, /2 console devices/);
  wrong({ devices: [{ type: 'rng' }, { type: 'rng' }] }, /2 rng devices/);
  wrong({ devices: [{ type: 'net', mode: 'tap', fd: 1.5 }] }, /fd=1.5/);
  wrong({ devices: [{ type: 'net', queueSizes: [] }] }, /0 sizes, but it has 2/);
  wrong({ poll: { kind: 'interval', us: 0 } }, /1 \.\.\. 1000000/);
  wrong({ devices: [{ type: 'rng', features: { low: 0, high: 1 } }] }, /feature bit 32 is not known/);
});

test('segments: any mix of devices, both layouts → pieces without gap or overlap, exactly the pool', () => {
  const device = fc.constantFrom('rng', 'net', 'console', '9p');
  fc.assert(
    fc.property(fc.uniqueArray(device), fc.boolean(), fc.boolean(), (types, dtb, fixed) => {
      const devices = types.map((type) =>
        type === '9p' ? { type, directory: '/', static: fixed } : { type, static: fixed },
      ) as PmmOptions['devices'];
      const layout = poolLayout(build({ devices, dtb }));
      let end = layout.base;
      for (const segment of segments(layout)) {
        assert.equal(segment.start, end);
        assert.ok(segment.bytes > 0);
        end += segment.bytes;
      }
      assert.equal(end, layout.base + layout.bytes);
    }),
  );
});

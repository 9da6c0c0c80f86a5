// The protocol's conformance list, items 1 to 9: what a driver finds in the pool.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HVL_DEVICE_TYPES } from '#lkvm/abi/hvl.js';
import { allOptions } from '#lkvm/cli/option-table.js';
import { parseOptions } from '#lkvm/cli/parse-options.js';
import { command as pmmCommand } from '#lkvm/cli/pmm.js';
import { readPmmWords } from '#lkvm/cli/pmm-words.js';
import { fdtToDts } from '#lkvm/fdt/dts.js';
import { readFdt } from '#lkvm/fdt/reader.js';
import { buildPmmConfig } from '#lkvm/pmm/build-config.js';
import { ConfigError } from '#lkvm/util/errors.js';
import { planLayout } from '#lkvm/virtio/transport/hvl/layout.js';
import { HvlBench, POOL_BASE } from '../support/hvl-bench.js';
import { TestDevice } from '../support/hvl-devices.js';
import { MAGIC, R, SENTINEL } from '../support/hvl-driver.js';
import { runTool, skipWithout } from '../support/tools.js';
import { watchStores } from '../support/watch-stores.js';

const MAC = new Uint8Array([0x02, 0x15, 0x15, 0x15, 0x15, 0x16, 1, 0]);
const TAG = new Uint8Array([4, 0, ...Buffer.from('host'), 0]);

/** The default set: 9p, rng, net, console. */
function defaultDevices(): { device: TestDevice }[] {
  return [
    { device: new TestDevice({ name: 'p9', deviceId: 9, config: TAG, features: { low: 1, high: 0 } }) },
    { device: new TestDevice({ name: 'rng', deviceId: 4 }) },
    {
      device: new TestDevice({
        name: 'net',
        deviceId: 1,
        queueMaxSizes: [256, 256],
        config: MAC,
        features: { low: 0x20, high: 0 },
      }),
    },
    { device: new TestDevice({ name: 'console', deviceId: 3, queueMaxSizes: [128, 128] }) },
  ];
}

/** [offset, value] of every word of the "init" column that is not 0. */
function initialWords(bench: HvlBench, slot: number): [number, number][] {
  const { request, shmBase, shmBytes } = bench.slot(slot);
  const features = [1, 0, 0x20, 0][slot] as number;
  const words: [number, number][] = [
    [0x00, MAGIC],
    [0x04, 1],
    [0x08, request.deviceId],
    [0x0c, 0x4d564b4c],
    [0x10, features],
    [0x28, 0x1000],
    [0x30, SENTINEL],
    [0x34, request.name === 'net' ? 256 : 128],
    [0x38, SENTINEL],
    [0x3c, 0x1000],
    [0xb0, shmBytes],
    [0xb8, shmBase],
  ];
  return words.filter(([, value]) => value !== 0);
}

/** The pool as it has to be: zero except for registers, config space and device tree. */
function expectedPool(bench: HvlBench): Uint8Array {
  const expected = new Uint8Array(bench.pool.length);
  const view = new DataView(expected.buffer);
  if (bench.fdt !== undefined) expected.set(bench.fdt, 0);
  for (const [index, { device }] of defaultDevices().entries()) {
    const block = bench.slot(index).block - POOL_BASE;
    for (const [offset, value] of initialWords(bench, index)) view.setUint32(block + offset, value, true);
    expected.set(device.config, block + 0x100);
  }
  return expected;
}

for (const withDtb of [false, true]) {
  const which = withDtb ? 'with a device tree' : 'without a device tree';

  test(`MUST 1, 7, 9: pool as published ${which} → the initial words, config space and tree, and zero elsewhere`, () => {
    using bench = new HvlBench({ devices: defaultDevices(), withDtb });
    assert.deepEqual(Buffer.from(bench.pool), Buffer.from(expectedPool(bench)));
  });

  test(`MUST 6: while publishing ${which} → a block with MAGIC is complete, a tree with magic comes last`, () => {
    using bench = new HvlBench({ devices: defaultDevices(), withDtb, publish: false });
    const final = expectedPool(bench);
    const blocks = bench.layout.slots.map((slot) => slot.block - POOL_BASE);
    const order: number[] = [];
    watchStores(
      () => bench.transport.publish(bench.fdt),
      () => {
        for (const [index, block] of blocks.entries()) {
          if (bench.pool[block] === 0 || order.includes(index)) continue;
          order.push(index);
          assert.deepEqual(bench.pool.slice(block, block + 0x200), final.slice(block, block + 0x200));
        }
        if (bench.pool[0] === 0 || !withDtb || order.includes(-1)) return;
        order.push(-1);
        assert.deepEqual(Buffer.from(bench.pool), Buffer.from(final));
      },
    );
    assert.deepEqual(order, withDtb ? [3, 2, 1, 0, -1] : [3, 2, 1, 0]);
  });

  test(`MUST 8: config space ${which} → readable at block + 0x100, also in slots above 0`, () => {
    using bench = new HvlBench({ devices: defaultDevices(), withDtb });
    const net = bench.driver(2, 3, []);
    assert.deepEqual(
      [0, 1, 2, 3, 4, 5].map((i) => net.configByte(i)),
      [...MAC.subarray(0, 6)],
    );
    const share = bench.driver(0, 3, []);
    assert.equal(String.fromCharCode(...[2, 3, 4, 5].map((i) => share.configByte(i))), 'host');
  });

  test(`MUST 11: ${which} → VERSION 1, SHM_BASE and SHM_LEN not 0`, () => {
    using bench = new HvlBench({ devices: defaultDevices(), withDtb });
    for (const index of [0, 1, 2, 3]) {
      const driver = bench.driver(index, 3, []);
      assert.equal(driver.read(R.VERSION), 1);
      assert.notEqual(driver.read(R.SHM_BASE_LOW), 0);
      assert.notEqual(driver.read(R.SHM_LEN_LOW), 0);
    }
  });
}

test('MUST 2: regions larger than the pool → refused with a message, nothing written', () => {
  const request = {
    name: 'net',
    deviceId: 1,
    label: '',
    queueMaxSizes: [256, 256],
    configBytes: 24,
    regionBytes: 0x80000,
    static: false,
  };
  assert.throws(
    () => planLayout({ base: POOL_BASE, bytes: 0x8f000, withDtb: true, devices: [request] }),
    (error: unknown) => error instanceof ConfigError && /too small by 4096 bytes/.test(error.message),
  );
});

test('MUST 3: device tree → one node per block in slot order, regions from 64 KiB on, each after the other', () => {
  using bench = new HvlBench({ devices: defaultDevices(), withDtb: true });
  const dts = fdtToDts(readFdt(bench.pool.slice(0, 0x10000)));
  const nodes = [
    ...dts.matchAll(
      /virtio@([0-9a-f]+) \{\s+compatible = "virtio,mmio";\s+reg = <([^>]*)>;\s+dma-coherent;\s+\};/g,
    ),
  ];
  assert.deepEqual(
    nodes.map((node) => [node[1], node[2]]),
    ['37010000', '37016000', '3701c000', '3709c000'].map((at) => [at, `0x0 0x${at} 0x0 0x200`]),
  );
});

test('MUST 3: device tree → accepted by dtc', { skip: skipWithout('dtc') }, () => {
  using bench = new HvlBench({ devices: defaultDevices(), withDtb: true });
  const dts = runTool('dtc', ['-q', '-I', 'dtb', '-O', 'dts', '-o', '-', '-'], bench.pool.slice(0, 0x10000));
  assert.match(dts.stdout.toString(), /virtio@3701c000/);
});

test('MUST 4: no device tree → blocks 0x200 apart from the start, nothing from 4 KiB on', () => {
  using bench = new HvlBench({ devices: defaultDevices() });
  assert.deepEqual(
    [0, 0x200, 0x400, 0x600].map((at) =>
      new DataView(bench.pool.buffer, bench.pool.byteOffset).getUint32(at, true),
    ),
    [MAGIC, MAGIC, MAGIC, MAGIC],
  );
  assert.ok(bench.pool.subarray(0x800).every((byte) => byte === 0));
});

test('MUST 5: order and default sizes → those of the protocol', () => {
  assert.deepEqual(
    HVL_DEVICE_TYPES.map((type) => [type.name, type.deviceId, type.regionBytes, type.queueMaxSizes]),
    [
      ['p9', 9, 0x6000, [128]],
      ['vsock', 19, 0x10000, [256, 256, 256]],
      ['rng', 4, 0x6000, [128]],
      ['net', 1, 0x80000, [256, 256]],
      ['console', 3, 0x6000, [128, 128]],
    ],
  );
  const words = parseOptions(allOptions(pmmCommand), [
    ...['--shmem-addr', '0x37000000', '--shmem-size', '16M', '--console', 'virtio', '--9p', '/a,first'],
    ...['-n', 'mode=user', '-n', 'mode=tap,tapif=t0', '--rng', '--9p', '/b,last'],
  ]);
  const { devices } = buildPmmConfig(readPmmWords(words).options);
  assert.deepEqual(
    devices.map((device) => (device.name === 'p9' ? device.tag : device.name)),
    ['last', 'first', 'rng', 'net', 'net', 'console'],
  );
});

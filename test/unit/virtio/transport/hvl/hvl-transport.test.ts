import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HvlBench, POOL_BASE } from '../../../../support/hvl-bench.js';
import { TestDevice } from '../../../../support/hvl-devices.js';
import { GENERATIONS } from '../../../../support/hvl-driver.js';

const RING0 = POOL_BASE + 0x2000;
const RING1 = POOL_BASE + 0x4000;
const BUFFERS = POOL_BASE + 0x8000;

for (const generation of GENERATIONS) {
  test(`HvlTransport: a generation ${generation} driver starts and sends → echoed, interrupted once`, () => {
    const device = new TestDevice({ name: 'console', queueMaxSizes: [128, 128] });
    using bench = new HvlBench({ devices: [{ device }] });
    const driver = bench.driver(0, generation, [
      { at: RING0, size: 4 },
      { at: RING1, size: 4 },
    ]);
    assert.ok(driver.start());
    bench.run();
    const before = bench.interrupts;
    bench.pool.set([1, 2, 3], BUFFERS - POOL_BASE);
    driver.rings[1]?.add({ addr: BUFFERS, len: 3 }, { addr: BUFFERS + 16, len: 3, writable: true });
    driver.kick(1);
    bench.run();
    assert.deepEqual(driver.rings[1]?.takeAll(), [{ head: 0, len: 3 }]);
    assert.deepEqual([...bench.pool.subarray(BUFFERS + 16 - POOL_BASE, BUFFERS + 19 - POOL_BASE)], [1, 2, 3]);
    assert.equal(bench.interrupts, before + 1);
    assert.deepEqual(bench.events, ['started 0']);
  });
}

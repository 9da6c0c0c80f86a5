/** Stock kernels as the other side of a pool: the smallest device, on several kernels, places and layouts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KernelName } from '../bed/cache.js';
import { type PoolPlace, skipWithoutPeer } from './machine.js';
import { PeerRig } from './rig.js';

/** 64 bytes from the hardware generator, as hexadecimal digits. */
const TAKE = 'dd if=/dev/hwrng bs=64 count=1 2> /dev/null | hexdump -ve \'1/1 "%02x"\'';

const CASES: readonly [KernelName, PoolPlace, string][] = [
  ['6.12', 'reserved', '--no-dtb'],
  ['6.12-arm64', 'ivshmem', '--no-dtb'],
];

for (const [kernel, place, layout] of CASES) {
  const title = `virtio-rng: kernel ${kernel}, pool in ${place} memory, ${layout}`;
  test(`${title} → /dev/hwrng gives bytes, all descriptors inside the pool`, {
    skip: skipWithoutPeer(kernel),
  }, async (t) => {
    const rig = new PeerRig(t, { kernel, place });
    await rig.run(async () => {
      await rig.startPmm(['--rng', '--network', 'mode=none', layout]);
      const machine = await rig.boot();
      await machine.loadModule();
      const first = await machine.sh(`while [ ! -c /dev/hwrng ]; do usleep 50000; done; ${TAKE}`);
      const second = await machine.sh(TAKE);
      assert.match(first.trim(), /^[0-9a-f]{128}$/);
      assert.notEqual(first, second);
      assert.notEqual((await rig.describedBuffers()).length, 0);
      assert.deepEqual(await rig.strayBuffers(), []);
    });
  });
}

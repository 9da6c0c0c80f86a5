/** Stock kernels as the other side of a pool: the smallest device, on a kernel that no other test here boots. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { skipWithoutPeer } from './machine.js';
import { PeerRig } from './rig.js';

/** 64 bytes from the hardware generator, as hexadecimal digits. */
const TAKE = 'dd if=/dev/hwrng bs=64 count=1 2> /dev/null | hexdump -ve \'1/1 "%02x"\'';

test('virtio-rng, kernel 6.12-arm64, no device tree → /dev/hwrng gives bytes, also of a module loaded again; descriptors are inside the pool', {
  skip: skipWithoutPeer('6.12-arm64'),
}, async (t) => {
  const rig = new PeerRig(t, { kernel: '6.12-arm64' });
  await rig.run(async () => {
    await rig.startPmm(['--rng', '--network', 'mode=none', '--no-dtb']);
    const machine = await rig.boot();
    await machine.loadModule();
    const takeFirst = `while [ ! -c /dev/hwrng ]; do usleep 50000; done; ${TAKE}`;
    const first = await machine.sh(takeFirst);
    const second = await machine.sh(TAKE);
    await machine.sh('rmmod virtio_hvl');
    await machine.loadModule();
    const third = await machine.sh(takeFirst);
    for (const taken of [first, second, third]) assert.match(taken.trim(), /^[0-9a-f]{128}$/);
    assert.equal(new Set([first, second, third]).size, 3);
    assert.notEqual((await rig.describedBuffers()).length, 0);
    assert.deepEqual(await rig.strayBuffers(), []);
  });
});

// Processors and memory, each value once.
import assert from 'node:assert/strict';
import { useBed } from './bed.js';
import { Guest } from './guest.js';

const { scenario } = useBed();

const MIB_IN_KIB = 1024;

for (const [cpus, memoryMib] of [
  [1, 96],
  [2, 512],
  [4, 5 * 1024],
] as const) {
  scenario(`6.1 with ${cpus} vCPUs and ${memoryMib} MiB: boots → has them, and they work`, async (outer) => {
    const guest = await Guest.boot(outer, { kernel: '6.1', initrd: outer.initrd('6.1'), cpus, memoryMib });
    assert.equal(guest.facts.cpus, cpus);
    // the kernel keeps some for itself: about 30 MiB, and 1.6 % for its table of pages
    const { memoryKib } = guest.facts;
    assert.ok(memoryKib < memoryMib * MIB_IN_KIB, `${memoryKib} KiB`);
    assert.ok(memoryKib > (memoryMib * 0.96 - 45) * MIB_IN_KIB, `${memoryKib} KiB`);
    // each processor runs something, at the same time
    const jobs = Array.from(
      { length: cpus },
      (_, i) => `taskset ${(1 << i).toString(16)} sh -c 'echo on ${i}' &`,
    );
    const output = await guest.sh(`${jobs.join(' ')} wait`);
    assert.deepEqual(
      output.trim().split('\n').sort(),
      Array.from({ length: cpus }, (_, i) => `on ${i}`),
    );
    assert.equal((await guest.end('poweroff -f')).code, 0);
  });
}

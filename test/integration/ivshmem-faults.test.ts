// What can go wrong between a PMM and its peers, over ivshmem: doorbells that get lost or come too often, either side that starts
// again and again, a peer that scribbles, each while the rest works.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setImmediate as breathe } from 'node:timers/promises';
import { createPmm, type Pmm } from '#lkvm/index.js';
import { collectLog } from '../support/doorbell-rig.js';
import { GENERATIONS, R, STEPS } from '../support/hvl-driver.js';
import { openFds } from '../support/ivshmem.js';
import { askEntropy, askShare, DriverPeer } from '../support/ivshmem-driver.js';
import { Random } from '../support/random.js';
import { tempDir } from '../support/temp.js';

const OPTIONS = { timeout: 240_000 };
const BASE = 0xd400_0000;
const BYTES = 1 << 20;
const RESTARTS = 100;

/** A PMM with a share in slot 0 and entropy in slot 1, each confined to its region. */
async function startPmm(t: TestContext) {
  const folder = tempDir(t);
  const path = join(folder, 'server');
  const log = collectLog();
  const start = async (): Promise<Pmm> => {
    const pmm = await createPmm(
      {
        shmem: { address: BASE, bytes: BYTES },
        pool: { kind: 'ivshmem-server', path },
        devices: [{ type: '9p', tag: 'share', directory: folder }, { type: 'rng' }],
        confine: true,
      },
      { log },
    );
    t.after(() => pmm.stop());
    return pmm;
  };
  const pmm = await start();
  const [share, rng] = pmm.layout.slots;
  assert.ok(share !== undefined && rng !== undefined);
  return { start, pmm, log, share, rng, join: (ackMs?: number) => new DriverPeer(path, BYTES, ackMs) };
}

function countersOf(pmm: Pmm, slot: number) {
  return pmm.counters()[slot] ?? assert.fail();
}

test(
  'faults: every doorbell of a running driver gets lost → its requests are found and answered',
  OPTIONS,
  async (t) => {
    const { pmm, rng, join } = await startPmm(t);
    using peer = join();
    const driver = peer.driver(rng, BASE);
    assert.equal(driver.start(), true);
    assert.notEqual(askEntropy(peer, driver, rng), 0); // it runs
    peer.rings = false;
    for (let i = 0; i < 20; i++) assert.notEqual(askEntropy(peer, driver, rng), 0);
    assert.equal(countersOf(pmm, 1).requests, 21);
  },
);

test(
  'faults: every doorbell gets lost, from the first one of a start on → drivers of each generation start and work',
  OPTIONS,
  async (t) => {
    const { pmm, rng, join } = await startPmm(t);
    for (const generation of GENERATIONS) {
      using peer = join();
      const driver = peer.driver(rng, BASE, generation);
      peer.rings = false;
      assert.equal(driver.start(), true, `${generation}`);
      assert.notEqual(askEntropy(peer, driver, rng), 0);
    }
    assert.equal(countersOf(pmm, 1).requests, GENERATIONS.length);
  },
);

test('faults: 10,000 doorbells too many → no request and no interrupt of them', OPTIONS, async (t) => {
  const { pmm, rng, join } = await startPmm(t);
  using peer = join();
  const driver = peer.driver(rng, BASE);
  assert.equal(driver.start(), true);
  askEntropy(peer, driver, rng);
  askEntropy(peer, driver, rng);
  while (peer.interrupt()) await breathe(); // its acknowledgement rings, too
  const before = countersOf(pmm, 1);
  for (let i = 0; i < 10_000; i++) peer.client.ring(0);
  askEntropy(peer, driver, rng); // everything before it has been looked at
  const after = countersOf(pmm, 1);
  assert.deepEqual([after.requests - before.requests, after.interrupts - before.interrupts], [1, 1]);
});

test(
  'faults: a peer starts again 100 times, at every step and as every generation → the other one works on',
  OPTIONS,
  async (t) => {
    const { pmm, log, share, rng, join } = await startPmm(t);
    using steady = join();
    const files = steady.driver(share, BASE);
    assert.equal(files.start(), true);
    const before = openFds();
    for (let i = 0; i < RESTARTS; i++) {
      using peer = join();
      const driver = peer.driver(rng, BASE, GENERATIONS[i % GENERATIONS.length]);
      const dies = i % 3 === 0 ? STEPS.filter((step) => !step.endsWith('-1'))[i % 10] : undefined;
      assert.equal(driver.start(dies), true, `${i}`);
      askShare(steady, files, share);
      if (dies === undefined) assert.notEqual(askEntropy(peer, driver, rng), 0);
      askShare(steady, files, share);
      for (const { fd } of steady.client.messages.splice(5)) assert.equal(fd, -1);
    }
    assert.deepEqual([countersOf(pmm, 0).starts, countersOf(pmm, 0).requests], [1, 2 * RESTARTS]);
    assert.deepEqual([countersOf(pmm, 0).faults, log.warnings], [0, []]);
    while (openFds() > before) await breathe();
  },
);

test(
  'faults: a PMM starts again 100 times → a peer of any generation works each time, and another PMM all along',
  OPTIONS,
  async (t) => {
    const other = await startPmm(t);
    using steady = other.join();
    const files = steady.driver(other.share, BASE);
    assert.equal(files.start(), true);
    const { pmm, rng, start, join } = await startPmm(t);
    let current = pmm;
    const before = openFds();
    for (let i = 0; i < RESTARTS; i++) {
      using peer = join();
      const driver = peer.driver(rng, BASE, GENERATIONS[i % GENERATIONS.length]);
      assert.equal(driver.start(), true, `${i}`);
      assert.notEqual(askEntropy(peer, driver, rng), 0);
      askShare(steady, files, other.share);
      await current.stop();
      askShare(steady, files, other.share);
      current = await start();
    }
    assert.deepEqual([countersOf(other.pmm, 0).starts, countersOf(other.pmm, 0).requests], [1, 2 * RESTARTS]);
    assert.ok(openFds() <= before + 2);
  },
);

test(
  'faults: a peer scribbles over its registers, rings and buffers → the other one works; then it works itself',
  OPTIONS,
  async (t) => {
    const { pmm, share, rng, join } = await startPmm(t);
    using steady = join();
    const files = steady.driver(share, BASE);
    assert.equal(files.start(), true);
    const dice = new Random(20_261_122);
    const written = [
      R.GUEST_FEATURES,
      R.GUEST_PAGE_SIZE,
      R.QUEUE_SEL,
      R.QUEUE_NUM,
      R.QUEUE_ALIGN,
      R.QUEUE_PFN,
    ];
    const registers = [...written, R.QUEUE_NOTIFY, R.INTERRUPT_ACK, R.STATUS];
    {
      using bad = join(100);
      const driver = bad.driver(rng, BASE);
      const words = new Uint32Array(bad.pool.buffer, bad.pool.byteOffset);
      const ring = (rng.region - BASE + 0x1000) / 4;
      for (let i = 0; i < 300; i++) {
        if (i % 10 === 0) driver.start(dice.chance(0.5) ? 'queue-0' : undefined);
        for (let n = 0; n < 40; n++)
          words[ring + dice.below(0x2000 / 4)] = dice.chance(0.5) ? dice.below(8) : dice.u32();
        if (i % 10 > 4) driver.write(dice.pick(registers), dice.chance(0.25) ? dice.u32() : dice.below(16));
        bad.ring();
        askShare(steady, files, share);
      }
    }
    using peer = join();
    const driver = peer.driver(rng, BASE);
    driver.write(R.STATUS, 0);
    peer.ring();
    askShare(steady, files, share); // it has been looked at
    assert.equal(driver.start(), true);
    assert.notEqual(askEntropy(peer, driver, rng), 0);
    assert.deepEqual([countersOf(pmm, 0).starts, countersOf(pmm, 0).requests], [1, 301]);
  },
);

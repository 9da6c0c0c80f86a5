// The protocol's conformance list, items 25 to 31: drivers that die and start again without telling anybody.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HvlBench, POOL_BASE } from '../support/hvl-bench.js';
import {
  ACK_WORD,
  GENERATIONS,
  type Generation,
  type HvlDriver,
  R,
  STEPS,
  type Step,
} from '../support/hvl-driver.js';
import type { HvlRing } from '../support/hvl-ring.js';
import {
  assertEcho,
  BUFFERS,
  OTHER_TWO_RINGS,
  oneDevice,
  RING_0,
  ringsOf,
  running,
  TWO_RINGS,
  twoQueues,
} from '../support/hvl-scenario.js';
import { watchAccesses, watchStores } from '../support/watch-stores.js';

/** How the device side keeps up with the driver. */
const PACES = ['at every doorbell', 'only when the driver waits', 'after every register write'] as const;
type Pace = (typeof PACES)[number];

function setPace(bench: HvlBench, pace: Pace): void {
  bench.eager = pace !== 'only when the driver waits';
  bench.nervous = pace === 'after every register write';
}

/** Starts a new driver and checks that data flows. */
function restartWorks(bench: HvlBench, generation: Generation, sameRings: boolean): HvlDriver {
  bench.dropSignals();
  const driver = bench.driver(0, generation, sameRings ? TWO_RINGS : OTHER_TWO_RINGS);
  assert.ok(driver.start(), 'the new driver starts');
  bench.wait();
  assertEcho(bench, driver);
  return driver;
}

for (const generation of GENERATIONS) {
  for (const next of GENERATIONS) {
    test(`MUST 25, 26, 29: a running generation ${generation} driver replaced by generation ${next} → starts and works, three times`, () => {
      for (const pace of PACES) {
        for (const sameRings of [true, false]) {
          const { bench, driver, device } = running(generation);
          using _ = bench;
          assertEcho(bench, driver);
          setPace(bench, pace);
          for (let round = 0; round < 3; round++) restartWorks(bench, next, sameRings);
          assert.equal(device.calls.filter((call) => call === 'activate').length, 4);
          assert.equal(bench.events.filter((event) => event === 'reset 0').length, 3);
        }
      }
    });
  }
}

test('MUST 25: STATUS seen as 4, then 2 (coalesced doorbells) → restart', () => {
  const { bench } = running(2);
  using _ = bench;
  bench.eager = false;
  const driver = bench.driver(0, 2, OTHER_TWO_RINGS);
  driver.write(R.STATUS, 1);
  driver.write(R.GUEST_PAGE_SIZE, 0x1000);
  driver.write(R.STATUS, 2);
  bench.ring();
  bench.run();
  assert.deepEqual(bench.events, ['started 0', 'reset 0']);
});

test('MUST 26: STATUS constantly 7, GUEST_PAGE_SIZE written → restart, DRIVER_OK from before has no effect', () => {
  const { bench, driver: old, device } = running(3);
  using _ = bench;
  old.write(R.GUEST_PAGE_SIZE, 0x1000);
  bench.ring();
  assert.deepEqual(bench.events, ['started 0', 'reset 0']);
  assert.equal(old.read(R.STATUS), 7);
  assert.equal(device.active, undefined);
  restartWorks(bench, 3, true);
  assert.deepEqual(bench.events, ['started 0', 'reset 0', 'started 0']);
});

test('MUST 26: with the restart detector off → GUEST_PAGE_SIZE is neither parked nor watched', () => {
  const { bench, driver } = running(3, { options: { restartDetector: false } });
  using _ = bench;
  assert.equal(driver.read(R.GUEST_PAGE_SIZE), 0x1000);
  driver.write(R.GUEST_PAGE_SIZE, 0x1000);
  bench.ring();
  assert.deepEqual(bench.events, ['started 0']);
});

for (const generation of GENERATIONS) {
  test(`MUST 27: restart of generation ${generation} → stale rings zero before the ACK, descriptor table as the driver left it`, () => {
    const { bench, driver: old } = running(generation);
    using _ = bench;
    assertEcho(bench, old);
    assert.equal((old.rings[1] as HvlRing).usedIdx, 1);
    const driver = bench.driver(0, generation, TWO_RINGS);
    let checked = 0;
    watchStores(
      () => assert.ok(driver.start('queue-1')),
      () => {
        const ring = driver.rings.at(-1);
        if (driver.read(R.QUEUE_PFN) !== ACK_WORD || ring === undefined || !driver.waiting) return;
        checked++;
        assert.ok(bench.bytesAt(ring.avail, 4 + 2 * ring.size).every((byte) => byte === 0));
        assert.ok(bench.bytesAt(ring.used, 4 + 8 * ring.size).every((byte) => byte === 0));
      },
    );
    assert.ok(checked >= 2);
    const table = bench.bytesAt((driver.rings[1] as HvlRing).desc, 64);
    const next = [0, 1, 2, 3].map((i) => new DataView(table.buffer).getUint16(16 * i + 14, true));
    assert.deepEqual(next, [1, 2, 3, 0x8000]);
  });
}

for (const generation of GENERATIONS) {
  for (const pace of PACES) {
    test(`MUST 28: generation ${generation} dies after each step, device side looks ${pace} → every fresh start works`, () => {
      for (const step of STEPS) {
        for (const next of GENERATIONS) {
          for (const sameRings of [true, false]) {
            const { bench } = oneDevice();
            using _ = bench;
            setPace(bench, pace);
            assert.ok(bench.driver(0, generation, TWO_RINGS).start(step));
            restartWorks(bench, next, sameRings);
          }
        }
      }
    });
  }

  test(`MUST 28: generation ${generation} dies after each step of its second start → the third start works`, () => {
    for (const step of STEPS) {
      for (const sameRings of [true, false]) {
        const { bench } = running(generation);
        using _ = bench;
        assert.ok(bench.driver(0, generation, sameRings ? TWO_RINGS : OTHER_TWO_RINGS).start(step));
        bench.wait();
        restartWorks(bench, generation, true);
      }
    }
  });
}

for (const generation of GENERATIONS) {
  test(`MUST 29: generation ${generation} writes DRIVER_OK right behind the ACK, before the device side looks again → started, not taken for a restart`, () => {
    const { bench, device } = oneDevice();
    using _ = bench;
    const driver = bench.driver(0, generation, TWO_RINGS);
    assert.ok(driver.start('num-1'));
    bench.eager = false;
    driver.write(R.QUEUE_ALIGN, 0x1000);
    driver.write(R.QUEUE_PFN, (TWO_RINGS[1] as { at: number }).at / 4096);
    watchStores(
      () => bench.wait(),
      () => {
        if (!driver.isAcked) return;
        if (generation >= 2) driver.write(R.QUEUE_PFN, (TWO_RINGS[1] as { at: number }).at / 4096);
        driver.write(R.STATUS, generation === 3 ? 7 : 4);
      },
    );
    bench.eager = true;
    bench.wait();
    assert.deepEqual(bench.events, ['started 0']);
    assert.equal(device.active?.queues.length, 2);
  });
}

test('MUST 28: lives of random length and generation, device side looks at random moments, seeded → every whole start works', () => {
  let seed = 28;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
    return (seed >>> 8) % below;
  };
  const { bench } = oneDevice();
  using _ = bench;
  for (let life = 0; life < 1500; life++) {
    const haste = 1 + random(5);
    const onWrite = (): void => {
      if (random(haste) === 0) bench.look();
    };
    bench.eager = random(2) === 0;
    const rings = random(2) === 0 ? TWO_RINGS : OTHER_TWO_RINGS;
    const driver = bench.driver(0, random(4) as Generation, rings, { onWrite });
    const step = random(3) === 0 ? undefined : (STEPS[random(STEPS.length)] as Step);
    const what = `life ${life}, generation ${driver.options.generation}, until ${step ?? 'the end'}`;
    assert.ok(driver.start(step), what);
    if (step === undefined) {
      bench.wait();
      assertEcho(bench, driver);
    }
    bench.dropSignals();
  }
});

/** Steps at which a driver dies with something for us to do. */
const UNANSWERED: readonly Step[] = ['acknowledge', 'driver', 'pfn-0', 'pfn-1', 'driver-ok'];

for (const step of UNANSWERED) {
  test(`MUST 28: driver dies after ${step} and another one runs up to its first request in the middle of our look, at every point of it → it works`, () => {
    for (const generation of DIFFERENT) {
      for (const next of DIFFERENT) {
        for (const rings of [TWO_RINGS, OTHER_TWO_RINGS, BIGGER_RINGS]) {
          let moments = 0;
          for (let moment = 1; moment === 1 || moment <= moments; moment++) {
            moments = replaceDriver({ generation, step, next, rings, moment });
          }
        }
      }
    }
  });
}

/** Generation 1 differs from 0 in a register that nobody looks at. */
const DIFFERENT: readonly Generation[] = [0, 2, 3];

/** The same places as TWO_RINGS, but larger rings: a request must not be answered with the size of another. */
const BIGGER_RINGS = TWO_RINGS.map(({ at }) => ({ at, size: 16 }));

interface Replacement {
  readonly generation: Generation;
  readonly step: Step;
  readonly next: Generation;
  readonly rings: typeof TWO_RINGS;
  /** The access of our look before which it happens. */
  readonly moment: number;
}

/** Brings a device to the point where its driver has died after `step`, and nobody has looked since. */
function dieUnseen(bench: HvlBench, generation: Generation, step: Step): void {
  const dying = bench.driver(0, generation, TWO_RINGS);
  // Up to here we keep up ...
  const seen: Partial<Record<Step, Step>> = { 'pfn-0': 'num-0', 'pfn-1': 'num-1', 'driver-ok': 'queue-1' };
  const last = seen[step];
  if (last !== undefined) assert.ok(dying.start(last));
  bench.wait();
  // ... and this is unseen.
  bench.eager = false;
  if (step === 'pfn-0' || step === 'pfn-1') {
    const plan = TWO_RINGS[step === 'pfn-0' ? 0 : 1];
    dying.write(R.QUEUE_PFN, (plan?.at ?? 0) / 4096);
  } else if (step === 'driver-ok') dying.setStatus(4);
  else assert.ok(dying.start(step));
}

/** @returns the number of accesses of the look */
function replaceDriver({ generation, step, next, rings, moment }: Replacement): number {
  const { bench, device, driver: first } = running(generation);
  using _ = bench;
  assertEcho(bench, first);
  dieUnseen(bench, generation, step);
  const driver = bench.driver(0, next, rings);
  let moments = 0;
  watchAccesses(
    () => bench.pass(),
    () => {
      if (++moments === moment) assert.ok(driver.start('pfn-0'));
    },
  );
  if (moments < moment) return moments;
  bench.ring();
  const what = `generation ${generation} until ${step}, then ${next} at access ${moment} of ${moments}`;
  assert.ok(driver.resume(), what);
  bench.wait();
  assertEcho(bench, driver);
  const receive = driver.rings[0] as HvlRing;
  receive.add({ addr: BUFFERS, len: 64, writable: true });
  driver.kick(0);
  device.deliver(new Uint8Array(8));
  bench.wait();
  assert.deepEqual(receive.takeAll(), [{ head: 0, len: 8 }], `${what}: queue 0`);
  return moments;
}

test('MUST 30: first initialisation over pre-filled rings → ring memory untouched before DRIVER_OK', () => {
  const { bench } = oneDevice();
  using _ = bench;
  const driver = bench.driver(0, 2, TWO_RINGS);
  assert.ok(driver.start('features'));
  bench.pool.fill(0x5a, RING_0 - POOL_BASE, BUFFERS - POOL_BASE);
  const before = bench.bytesAt(RING_0, BUFFERS - RING_0);
  for (const [index, plan] of TWO_RINGS.entries()) {
    driver.write(R.QUEUE_SEL, index);
    driver.write(R.QUEUE_NUM, plan.size);
    assert.ok(driver.requestQueue(plan.at / 4096));
  }
  bench.wait();
  assert.deepEqual(bench.bytesAt(RING_0, BUFFERS - RING_0), before);
});

test('MUST 28: a driver that never writes QUEUE_NUM dies after the ACK of queue 0 → the same request again is accepted', () => {
  const { bench } = oneDevice();
  using _ = bench;
  for (let life = 0; life < 3; life++) {
    const driver = bench.driver(0, 2, TWO_RINGS);
    assert.ok(driver.start('features'));
    driver.write(R.QUEUE_SEL, 0);
    assert.ok(driver.requestQueue(RING_0 / 4096));
    driver.write(R.QUEUE_PFN, RING_0 / 4096);
  }
});

test('MUST 31: one device restarts at every step → the other keeps its ring positions and its data', () => {
  using bench = new HvlBench({ devices: [{ device: twoQueues() }, { device: twoQueues() }] });
  const steady = bench.driver(1, 3, ringsOf(1));
  assert.ok(steady.start());
  bench.run();
  for (const generation of GENERATIONS) {
    for (const step of STEPS) {
      assert.ok(bench.driver(0, generation, TWO_RINGS).start(step));
      bench.run();
      assertEcho(bench, steady);
    }
  }
  assert.deepEqual(
    bench.events.filter((event) => event.endsWith('1')),
    ['started 1'],
  );
  assert.equal((steady.rings[1] as HvlRing).usedIdx, GENERATIONS.length * STEPS.length);
});

test('restart: buffers of the previous life → never touched again', () => {
  const { bench, driver: old } = running(3);
  using _ = bench;
  bench.eager = false;
  (old.rings[1] as HvlRing).add({ addr: BUFFERS, len: 4 }, { addr: BUFFERS + 64, len: 4, writable: true });
  old.write(R.GUEST_PAGE_SIZE, 0x1000);
  bench.pool.fill(0xee, BUFFERS - POOL_BASE, BUFFERS + 128 - POOL_BASE);
  bench.ring();
  bench.run();
  assert.ok(bench.bytesAt(BUFFERS, 128).every((byte) => byte === 0xee));
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SETTLE_US } from '#lkvm/virtio/transport/hvl/queue-requests.js';
import { POOL_BASE } from '../../../../support/hvl-bench.js';
import { ACK_WORD, R } from '../../../../support/hvl-driver.js';
import { oneDevice, RING_0, RING_1, TWO_RINGS } from '../../../../support/hvl-scenario.js';
import { watchAccesses } from '../../../../support/watch-stores.js';

const PFN_0 = RING_0 / 4096;
const PFN_1 = RING_1 / 4096;

function ready() {
  const { bench, device } = oneDevice();
  const driver = bench.driver(0, 2, TWO_RINGS);
  assert.ok(driver.start('features'));
  return { bench, device, driver };
}

test('QueueRequests: QUEUE_PFN changes while the other registers are read → left to the next look', () => {
  const { bench, driver } = ready();
  using _ = bench;
  driver.write(R.QUEUE_SEL, 0);
  driver.write(R.QUEUE_NUM, 4);
  driver.write(R.QUEUE_PFN, PFN_0);
  let loads = 0;
  watchAccesses(
    () => bench.look(),
    () => {
      loads++;
      driver.write(R.QUEUE_PFN, PFN_0 + loads);
    },
  );
  assert.ok(loads > 3);
  assert.notEqual(driver.read(R.QUEUE_PFN), ACK_WORD);
  bench.look();
  assert.equal(driver.read(R.QUEUE_PFN), ACK_WORD);
});

test('QueueRequests: the PFN refused before with new registers → accepted only after they stood still', () => {
  const { bench, driver } = ready();
  using _ = bench;
  bench.eager = false;
  driver.write(R.QUEUE_SEL, 0);
  driver.write(R.QUEUE_NUM, 3);
  driver.write(R.QUEUE_PFN, PFN_0);
  bench.look();
  driver.write(R.QUEUE_NUM, 4);
  bench.look();
  bench.loop.advance(SETTLE_US - 1);
  bench.look();
  assert.equal(driver.read(R.QUEUE_PFN), PFN_0);
  driver.write(R.QUEUE_ALIGN, 0x2000); // the driver was not finished
  bench.loop.advance(1);
  assert.equal(driver.read(R.QUEUE_PFN), PFN_0);
  bench.loop.advance(SETTLE_US); // its own timer, no doorbell
  bench.transport.flush();
  assert.equal(driver.read(R.QUEUE_PFN), ACK_WORD);
});

test('QueueRequests: restart noticed while the new driver writes the same PFN → its request is not lost', () => {
  // The new driver gets through SEL, NUM and PFN between our load number `at` and the next one.
  for (let at = 1; at < 12; at++) {
    const { bench, driver } = ready();
    using _ = bench;
    assert.ok(driver.setUpQueue(0, { at: RING_0, size: 4 }));
    bench.eager = false;
    driver.write(R.STATUS, 1);
    driver.write(R.STATUS, 2);
    driver.write(R.STATUS, 1);
    let loads = 0;
    watchAccesses(
      () => bench.look(),
      () => {
        if (++loads !== at) return;
        driver.write(R.QUEUE_SEL, 0);
        driver.write(R.QUEUE_NUM, 4);
        driver.write(R.QUEUE_PFN, PFN_0);
      },
    );
    bench.wait();
    if (loads < at) continue;
    assert.equal(driver.read(R.QUEUE_PFN), ACK_WORD, `driver ran after load ${at}`);
  }
});

test('QueueRequests: restart noticed while an unanswered PFN stands in the register → no ACK until the new driver has written its own', () => {
  const { bench, driver: old } = ready();
  using _ = bench;
  bench.eager = false;
  old.write(R.QUEUE_SEL, 0);
  old.write(R.QUEUE_NUM, 4);
  old.write(R.QUEUE_PFN, PFN_0); // and dies, unseen
  const driver = bench.driver(0, 2, TWO_RINGS);
  driver.write(R.STATUS, 1);
  bench.look();
  driver.write(R.GUEST_PAGE_SIZE, 0x1000);
  driver.write(R.STATUS, 2);
  bench.look();
  driver.write(R.QUEUE_SEL, 0);
  driver.write(R.QUEUE_NUM, 4);
  bench.look();
  assert.equal(driver.read(R.QUEUE_PFN), PFN_0);
  assert.ok(driver.requestQueue(PFN_0));
});

test('QueueRequests: page size 0x4000 in GUEST_PAGE_SIZE → unit of QUEUE_PFN, also after it was parked', () => {
  const { bench, driver, device } = ready();
  using _ = bench;
  driver.write(R.GUEST_PAGE_SIZE, 0x4000);
  for (const [index, at] of [POOL_BASE + 0x4000, POOL_BASE + 0x8000].entries()) {
    driver.write(R.QUEUE_SEL, index);
    driver.write(R.QUEUE_NUM, 4);
    assert.ok(driver.requestQueue(at / 0x4000));
  }
  driver.setStatus(4);
  assert.deepEqual(
    device.active?.queues.map((queue) => queue?.size),
    [4, 4],
  );
});

test('QueueRequests: nonsense in GUEST_PAGE_SIZE → the unit is 4096', () => {
  for (const bytes of [0, 1, 0x1001, 0x20000, 0x8000_0000]) {
    const { bench, driver } = ready();
    using _ = bench;
    driver.write(R.GUEST_PAGE_SIZE, bytes);
    driver.write(R.QUEUE_SEL, 1);
    driver.write(R.QUEUE_NUM, 4);
    assert.ok(driver.requestQueue(PFN_1), `GUEST_PAGE_SIZE ${bytes}`);
  }
});

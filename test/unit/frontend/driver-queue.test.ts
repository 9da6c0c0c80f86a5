import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import fc from 'fast-check';
import { DriverQueue, ringBytes, USED_BROKEN, USED_EMPTY } from '#lkvm/frontend/driver-queue.js';
import { FrontEndPool } from '#lkvm/frontend/pool.js';
import { GuestMemory } from '#lkvm/memory/guest-memory.js';
import { mapPrivate } from '#lkvm/sys/map.js';
import { DescChain } from '#lkvm/virtio/queue/desc-chain.js';
import { activateQueue } from '#lkvm/virtio/queue/queue-config.js';
import { legacyRingBytes, legacyRingLayout } from '#lkvm/virtio/queue/ring-layout.js';
import { CHAIN_OK, type VirtQueue } from '#lkvm/virtio/queue/virt-queue.js';

const BASE = 0x3700_0000;
const ALIGN = 4096;
const RING = 0x2000;
const { address: hva, bytes } = mapPrivate(0x10_0000);
const pool = new FrontEndPool(new GuestMemory([{ gpa: 0, hva, bytes }]), BASE, bytes);
const deviceMemory = new GuestMemory([{ gpa: BASE, hva, bytes }]);
const window = pool.window(0, bytes);

function pair(size: number): { driver: DriverQueue; device: VirtQueue; chain: DescChain } {
  const driver = new DriverQueue(0, pool.window(RING, 0x8000), size, ALIGN);
  const layout = legacyRingLayout(BASE + RING, size, ALIGN);
  const device = activateQueue({ index: 0, size, maxSize: size, layout }, deviceMemory, {
    indirect: false,
    eventIdx: false,
  });
  if (typeof device === 'string') throw new Error(device);
  return { driver, device, chain: new DescChain(size) };
}

/** Offsets of the parts that only the device writes. */
function usedRing(size: number): { flags: number; idx: number; ring: number } {
  const used = legacyRingLayout(RING, size, ALIGN).used;
  return { flags: used, idx: used + 2, ring: used + 4 };
}

function poke16(offset: number, value: number): void {
  window.write(offset, Uint8Array.of(value & 0xff, value >> 8), 0, 2);
}

function poke32(offset: number, value: number): void {
  poke16(offset, value & 0xffff);
  poke16(offset + 2, value >>> 16);
}

beforeEach(() => window.zero());

test('ringBytes: every size → as long as the device side thinks', () => {
  for (const size of [1, 2, 4, 128, 256, 1024])
    assert.equal(ringBytes(size, ALIGN), legacyRingBytes(size, ALIGN));
});

test('DriverQueue: any mix of chains, in any order of completion → the device sees them as written, nothing is lost', () => {
  const chains = fc.array(
    fc.record({
      readable: fc.integer({ min: 0, max: 3 }),
      writable: fc.integer({ min: 0, max: 3 }),
      last: fc.nat(),
    }),
    { minLength: 1, maxLength: 40 },
  );
  fc.assert(
    fc.property(chains, fc.constantFrom(4, 8, 16), (plan, size) => {
      window.zero();
      const { driver, device, chain } = pair(size);
      const held: { head: number; writable: number }[] = [];
      for (const { readable, writable, last } of plan) {
        const count = Math.max(1, readable + writable);
        if (count > driver.freeCount) {
          const [done] = held.splice(last % Math.max(1, held.length), 1);
          if (done === undefined) continue;
          device.push(done.head, done.writable * 8);
          device.publish();
          assert.equal(driver.pop(), done.head);
          assert.equal(driver.usedBytes, done.writable * 8);
          driver.release(done.head);
          continue;
        }
        const head = driver.begin();
        let desc = head;
        for (let i = 0; i < count; i++) {
          if (i > 0) desc = driver.extend(desc);
          driver.set(desc, BASE + 0xa000 + i * 8, 8, i >= count - writable, head);
        }
        driver.submit(head);
        driver.publish();
        assert.equal(device.pop(chain), CHAIN_OK);
        assert.equal(chain.head, head);
        assert.equal(chain.count, count);
        assert.equal(chain.writableBytes, Math.min(writable, count) * 8);
        held.push({ head, writable: Math.min(writable, count) });
      }
      assert.equal(driver.inFlight, held.length);
    }),
  );
});

test('DriverQueue: 70000 requests → indices wrap at 65536', () => {
  const { driver, device, chain } = pair(4);
  for (let i = 0; i < 70_000; i++) {
    const head = driver.begin();
    driver.set(head, BASE + 0xa000, 16, true);
    driver.submit(head);
    driver.publish();
    assert.equal(device.pop(chain), CHAIN_OK);
    device.push(chain.head, 16);
    device.publish();
    assert.equal(driver.pop(), head);
    driver.release(head);
  }
  assert.equal(driver.freeCount, 4);
});

test('DriverQueue: an address above 4 GiB → both halves are written', () => {
  const { driver } = pair(4);
  const head = driver.begin();
  driver.set(head, 0x12_3456_7000, 64, false);
  assert.equal(window.u32(RING), 0x3456_7000);
  assert.equal(window.u32(RING + 4), 0x12);
});

test('DriverQueue: full → begin and extend give -1 and change nothing', () => {
  const { driver } = pair(2);
  const head = driver.begin();
  const more = driver.extend(head);
  assert.equal(driver.begin(), -1);
  assert.equal(driver.extend(more), -1);
  driver.release(head);
  assert.equal(driver.freeCount, 2);
});

test('DriverQueue: used.flags bit 0 → publish says that no kick is wanted', () => {
  const { driver, device } = pair(4);
  const add = () => {
    const head = driver.begin();
    driver.set(head, BASE + 0xa000, 4, false);
    driver.submit(head);
    return driver.publish();
  };
  assert.equal(add(), true);
  device.disableKicks();
  assert.equal(add(), false);
  device.enableKicks();
  assert.equal(add(), true);
  assert.equal(driver.publish(), false, 'nothing new');
});

test('DriverQueue: used.idx further ahead than chains in flight → USED_BROKEN', () => {
  const { driver } = pair(4);
  const head = driver.begin();
  driver.set(head, BASE + 0xa000, 4, false);
  driver.submit(head);
  driver.publish();
  poke16(usedRing(4).idx, 2);
  assert.equal(driver.pop(), USED_BROKEN);
});

test('DriverQueue: used id beyond the table, or of a chain that is not in flight, or twice → USED_BROKEN', () => {
  for (const ids of [[4], [0xffff_ffff], [3], [0, 0]]) {
    window.zero();
    const { driver } = pair(4);
    for (let i = 0; i < 2; i++) {
      const head = driver.begin();
      driver.set(head, BASE + 0xa000, 4, false);
      driver.submit(head);
    }
    driver.publish();
    const used = usedRing(4);
    for (const [i, id] of ids.entries()) poke32(used.ring + 8 * i, id);
    poke16(used.idx, ids.length);
    const results = ids.map(() => driver.pop());
    assert.equal(results.at(-1), USED_BROKEN, `ids ${ids}`);
  }
});

test('DriverQueue: used.len larger than the writable part → clamped and counted', () => {
  const { driver } = pair(4);
  const head = driver.begin();
  driver.set(head, BASE + 0xa000, 100, true);
  driver.submit(head);
  driver.publish();
  const used = usedRing(4);
  poke32(used.ring, head);
  poke32(used.ring + 4, 0xffff_ffff);
  poke16(used.idx, 1);
  assert.equal(driver.pop(), head);
  assert.equal(driver.usedBytes, 100);
  assert.equal(driver.lengthFaults, 1);
});

test('DriverQueue: any bytes in the used ring → no exception, no chain that was not in flight', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 70, maxLength: 70 }),
      fc.integer({ min: 0, max: 8 }),
      (junk, chains) => {
        window.zero();
        const { driver } = pair(8);
        const inFlight = new Set<number>();
        for (let i = 0; i < chains; i++) {
          const head = driver.begin();
          driver.set(head, BASE + 0xa000, 32, true);
          driver.submit(head);
          inFlight.add(head);
        }
        driver.publish();
        window.write(usedRing(8).flags, junk, 0, junk.length);
        for (;;) {
          const head = driver.pop();
          if (head < 0) break;
          assert.ok(inFlight.delete(head));
          assert.ok(driver.usedBytes <= 32);
        }
      },
    ),
  );
});

test('DriverQueue: the device damages the descriptor table → chains are still released whole', () => {
  const { driver, device, chain } = pair(4);
  const head = driver.begin();
  driver.set(head, BASE + 0xa000, 4, false);
  const tail = driver.extend(head);
  driver.set(tail, BASE + 0xb000, 4, true, head);
  driver.submit(head);
  driver.publish();
  device.pop(chain);
  window.write(RING, new Uint8Array(64).fill(0xff), 0, 64);
  device.push(head, 4);
  device.publish();
  driver.release(driver.pop());
  assert.equal(driver.freeCount, 4);
});

test('DriverQueue: arm after disarm → the flag is cleared, and a completion from before is reported', () => {
  const { driver, device, chain } = pair(4);
  const head = driver.begin();
  driver.set(head, BASE + 0xa000, 4, true);
  driver.submit(head);
  driver.publish();
  driver.disarm();
  device.pop(chain);
  device.push(head, 4);
  device.publish();
  assert.equal(device.needsInterrupt(), false);
  assert.equal(driver.arm(), true);
  driver.pop();
  assert.equal(driver.arm(), false);
});

test('DriverQueue: nobody wants the queue → arm leaves interrupts off', () => {
  const { driver, device, chain } = pair(4);
  driver.wanted = false;
  const head = driver.begin();
  driver.set(head, BASE + 0xa000, 4, true);
  driver.submit(head);
  driver.publish();
  assert.equal(driver.arm(), false);
  device.pop(chain);
  device.push(head, 4);
  device.publish();
  assert.equal(device.needsInterrupt(), false);
  assert.equal(driver.pop(), head);
  assert.equal(driver.pop(), USED_EMPTY);
});

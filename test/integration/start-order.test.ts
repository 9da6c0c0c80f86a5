// Who starts first: a driver of each generation before there is a PMM, after it, and between two of them.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createPmm, type Pmm, type PmmOptions } from '#lkvm/index.js';
import { poolLayout } from '#lkvm/machine/pool-map.js';
import { buildPmmConfig } from '#lkvm/pmm/build-config.js';
import { close, open } from '#lkvm/sys/fd.js';
import { viewOf } from '#lkvm/sys/libc.js';
import { mapShared } from '#lkvm/sys/map.js';
import { GENERATIONS, HvlDriver, R } from '../support/hvl-driver.js';
import { block } from '../support/hvl-pmm.js';
import { tempDir } from '../support/temp.js';

const BASE = 0x3700_0000;
const BYTES = 1 << 20;
const RING = BASE + 0x8_0000;
const BUFFER = BASE + 0x9_0000;
const O_RDWR = 2;
/** Only a hang takes longer. */
const LIMIT_MS = 30_000;

/** Memory that nobody has published anything in. */
function emptyPool(t: TestContext) {
  const path = join(tempDir(t), 'pool');
  writeFileSync(path, Buffer.alloc(BYTES));
  const fd = open(path, O_RDWR);
  assert.ok(fd >= 0);
  // Not unmapped: views of it may be anywhere.
  const pool = new Uint8Array(viewOf(mapShared(fd, BYTES).address, BYTES));
  close(fd);
  return { path, pool };
}

function until(done: () => boolean): boolean {
  for (const end = performance.now() + LIMIT_MS; !done() && performance.now() < end; ) block(1);
  return done();
}

/** The driver asks for 64 bytes of entropy. */
function assertEntropy(pool: Uint8Array, driver: HvlDriver): void {
  const [ring] = driver.rings;
  pool.fill(0, BUFFER - BASE, BUFFER - BASE + 64);
  ring?.add({ addr: BUFFER, len: 64, writable: true });
  driver.kick(0);
  assert.ok(until(() => ring?.usedIdx === 1));
  driver.interrupt();
  assert.ok(pool.subarray(BUFFER - BASE, BUFFER - BASE + 64).some((byte) => byte !== 0));
}

for (const generation of GENERATIONS) {
  for (const dtb of [true, false]) {
    test(`start order: generation ${generation}, ${dtb ? 'with' : 'without'} a device tree: before, with, between and after PMMs → gives up without one, works with one`, async (t) => {
      const { path, pool } = emptyPool(t);
      const options: PmmOptions = {
        shmem: { address: BASE, bytes: BYTES },
        dtb,
        pool: { kind: 'file', path },
        notify: { kind: 'poll', us: 500 },
        devices: [{ type: 'rng' }],
      };
      const start = async (): Promise<Pmm> => {
        const pmm = await createPmm(options);
        t.after(() => pmm.stop());
        return pmm;
      };
      const slot = poolLayout(buildPmmConfig(options)).slots[0] ?? assert.fail();
      /** An image that is booted now. @param patienceMs for the ACK of a queue */
      const boot = (patienceMs: number): HvlDriver => {
        const driver = new HvlDriver({
          ...{ pool, base: BASE, block: slot.block, generation },
          rings: [{ at: RING, size: 4 }],
          doorbell: () => {}, // memory is polled
          wait: () => {
            for (const end = performance.now() + patienceMs; !driver.isAcked && performance.now() < end; )
              block(1);
          },
        });
        return driver;
      };

      assert.equal(boot(0).start(), false, 'nobody is there');
      assert.ok(
        pool.every((byte) => byte === 0),
        'it has touched nothing',
      );

      const first = await start();
      const driver = boot(LIMIT_MS);
      assert.equal(driver.start(), true, 'the PMM was there first');
      assertEntropy(pool, driver);

      const left = pool.slice();
      await first.stop();
      pool.set(left); // as a PMM that was killed leaves it
      assert.equal(boot(0).start(), false, 'the one that is there is dead');

      const second = await start();
      assert.equal(driver.read(R.STATUS), 0, 'what was there before is gone');
      const next = boot(LIMIT_MS);
      assert.equal(next.start(), true, 'the second PMM');
      assertEntropy(pool, next);
      await second.stop();
    });
  }
}

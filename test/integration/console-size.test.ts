// The size of the terminal that a PMM's console is on: what a driver sees of it at the start, and when the window changes.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { close, open } from '#lkvm/sys/fd.js';
import { viewOf } from '#lkvm/sys/libc.js';
import { mapShared, unmap } from '#lkvm/sys/map.js';
import { setWindowSize } from '#lkvm/sys/tty.js';
import { MAIN } from '../support/cli.js';
import { HvlDriver, R } from '../support/hvl-driver.js';
import { block } from '../support/hvl-pmm.js';
import { projectRoot } from '../support/project.js';
import { tempDir } from '../support/temp.js';
import { TerminalChild } from '../support/terminal-child.js';

const BASE = 0x3700_0000;
const BYTES = 0x10_0000;
const O_RDWR = 2;
const SIZE = 1;
const CONFIG_CHANGED = 2;

/** Waits for the PMM, which is another process. */
function until(done: () => boolean): void {
  for (const end = Date.now() + 60_000; !done() && Date.now() < end; ) block(1);
  assert.ok(done());
}

test('lkvm pmm --features console=size: on a terminal → the driver sees its size, and is told of each change', async (t) => {
  const path = join(tempDir(t), 'pool');
  const pool = `--shmem-addr ${BASE} --shmem-size ${BYTES} --shmem-backend file:${path} --notify poll --no-dtb`;
  const words = [
    'pmm',
    ...pool.split(' '),
    '-n',
    'mode=none',
    '--console',
    'virtio',
    '--features',
    'console=size',
  ];
  const child = new TerminalChild(t, process.execPath, [MAIN, ...words], projectRoot);
  const { controller } = child.pty;
  assert.equal(setWindowSize(controller, 40, 100), 0);
  await child.shows('console');
  until(() => existsSync(path));
  const fd = open(path, O_RDWR);
  const mapping = mapShared(fd, BYTES);
  close(fd);
  t.after(() => unmap(mapping));
  const driver = new HvlDriver({
    pool: new Uint8Array(viewOf(mapping.address, BYTES)),
    base: BASE,
    block: BASE,
    generation: 3,
    features: SIZE,
    rings: [
      { at: BASE + 0x2000, size: 8 },
      { at: BASE + 0x6000, size: 8 },
    ],
    doorbell: () => undefined,
    wait: () => until(() => driver.isAcked),
  });
  const sees = (columns: number, rows: number) => () =>
    driver.configByte(0) === columns && driver.configByte(2) === rows;
  until(() => driver.read(R.MAGIC) !== 0);
  assert.ok(driver.start());
  until(sees(100, 40));
  for (const [columns, rows] of [
    [120, 50],
    [80, 24],
  ] as const) {
    assert.equal(setWindowSize(controller, rows, columns), 0);
    until(sees(columns, rows));
    until(() => (driver.read(R.INTERRUPT_STATUS) & CONFIG_CHANGED) !== 0);
    driver.write(R.INTERRUPT_ACK, driver.read(R.INTERRUPT_STATUS));
    until(() => driver.read(R.INTERRUPT_STATUS) === 0);
  }
  child.type('\x01x');
  assert.deepEqual(await child.ended, { code: 0, signal: null });
});

// `--peers N`: several peers of one program that cannot reach each other.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { poolLayout } from '#lkvm/machine/pool-map.js';
import { buildPmmConfig } from '#lkvm/pmm/build-config.js';
import { buildImage } from '../support/bare-image.js';
import { MAIN } from '../support/cli.js';
import { askEntropy, DriverPeer } from '../support/ivshmem-driver.js';
import { skipWithoutQemu } from '../support/qemu.js';
import { Random } from '../support/random.js';
import { tempDir } from '../support/temp.js';

const OPTIONS = { timeout: 240_000 };
const BASE = 0xd400_0000;
const BYTES = 1 << 20;

class Program {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  stderr = '';

  constructor(t: TestContext, words: readonly string[]) {
    const pool = `--shmem-addr ${BASE} --shmem-size ${BYTES} --rng -n mode=none`.split(' ');
    this.child = spawn(process.execPath, [MAIN, 'pmm', ...pool, ...words], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    t.after(() => this.child.kill('SIGKILL'));
    this.child.stderr?.on('data', (data: Buffer) => {
      this.stderr += data.toString();
    });
    this.ended = once(this.child, 'close').then(([code]) => code as number | null);
  }

  /** Until it has said something so many times. */
  async says(pattern: RegExp, times: number): Promise<void> {
    while ((this.stderr.match(pattern)?.length ?? 0) < times) await sleep(10);
  }
}

/** Where the only device is, in any of the pools. */
const rng =
  poolLayout(
    buildPmmConfig({
      shmem: { address: BASE, bytes: BYTES },
      pool: { kind: 'ivshmem-server', path: '/unused' },
      devices: [{ type: 'rng' }],
    }),
  ).slots[0] ?? assert.fail();

async function startThree(t: TestContext) {
  const path = join(tempDir(t), 'hvl');
  const program = new Program(t, ['--shmem-backend', `ivshmem-server:${path}`, '--peers', '3']);
  await program.says(/ready: rng/g, 3);
  return { program, path, join: (number: number) => new DriverPeer(`${path}.${number}`, BYTES) };
}

function start(peer: DriverPeer) {
  const driver = peer.driver(rng, BASE);
  assert.equal(driver.start(), true);
  return () => askEntropy(peer, driver, rng);
}

test(
  '--peers 3: each peer works; one sees nothing of another’s memory; SIGTERM → exit code 0, no socket is left',
  OPTIONS,
  async (t) => {
    const { program, path, join } = await startThree(t);
    using first = join(1);
    using second = join(2);
    using third = join(3);
    const asks = [first, second, third].map(start);
    for (const ask of [...asks, ...asks]) assert.notEqual(ask(), 0);
    const end = BYTES - 8;
    first.pool.fill(0x5a, end);
    assert.deepEqual([second.pool[end], third.pool[end]], [0, 0]);
    assert.deepEqual(
      [first, second, third].map((peer) => peer.client.id),
      [1, 1, 1],
    );
    program.child.kill('SIGTERM');
    assert.equal(await program.ended, 0);
    assert.deepEqual(
      [1, 2, 3].map((number) => existsSync(`${path}.${number}`)),
      [false, false, false],
    );
  },
);

test(
  '--peers 3: one peer fills its pool with garbage and rings, another comes and goes → the third works',
  OPTIONS,
  async (t) => {
    const { join } = await startThree(t);
    using good = join(3);
    const ask = start(good);
    using bad = join(1);
    start(bad);
    const dice = new Random(20_261_123);
    const words = new Uint32Array(bad.pool.buffer, bad.pool.byteOffset, BYTES / 4);
    for (let round = 0; round < 100; round++) {
      for (let n = 0; n < 1000; n++)
        words[dice.below(words.length)] = dice.chance(0.5) ? dice.below(16) : dice.u32();
      for (let n = 0; n < 10; n++) bad.ring();
      {
        using restless = join(2);
        assert.notEqual(start(restless)(), 0);
      }
      assert.notEqual(ask(), 0);
    }
  },
);

test('--peers 2 --remote qemu: each gets a machine; both switch themselves off → exit code 0', {
  ...OPTIONS,
  skip: skipWithoutQemu(),
}, async (t) => {
  const kernel = buildImage(tempDir(t), 'ivshmem');
  const machine = `--remote qemu --remote-arch x86_64 --remote-memory 32 --remote-kernel ${kernel} --remote-log --peers 2`;
  const program = new Program(t, [...machine.split(' '), '--remote-append', 'requests=20 then=2']);
  assert.equal(await program.ended, 0);
  for (const number of [1, 2]) {
    assert.match(program.stderr, new RegExp(`^remote ${number}\\| ENTROPY 20 interrupts`, 'm'));
    assert.match(
      program.stderr,
      new RegExp(`Info: peer ${number}: remote machine: it has switched itself off`),
    );
  }
});

// Two network namespaces talk through a PMM: kernel - tap - PMM - pool - `lkvm aux --net-tap` - tap - the other kernel.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { MAIN } from '../support/cli.js';
import { enterPrivateNetwork, otherNetwork, Running, run } from '../support/netns.js';
import { tempDir } from '../support/temp.js';

const skip = enterPrivateNetwork();
const BYTES = 20_000_000;

/** Sends BYTES to whoever connects, and takes BYTES; both ends print the checksum of what they sent and got. */
const PROGRAM = `
  import { createHash } from 'node:crypto';
  import { connect, createServer } from 'node:net';
  const [, host, seed] = process.argv;
  const talk = (socket) => {
    const sent = createHash('sha256'), got = createHash('sha256');
    const block = Buffer.from(Array.from({ length: 65521 }, (_, i) => (i * Number(seed)) & 255));
    let left = ${BYTES};
    const more = () => {
      for (let ok = true; ok && left > 0; ) {
        const part = block.subarray(0, Math.min(left, block.length));
        sent.update(part);
        left -= part.length;
        ok = socket.write(part);
      }
      if (left === 0) { left = -1; socket.end(); }
    };
    socket.on('data', (data) => got.update(data)).on('drain', more);
    socket.on('end', () => console.log('sent', sent.digest('hex'), 'got', got.digest('hex')));
    more();
  };
  if (host === 'listen') {
    const server = createServer({ allowHalfOpen: true }, (s) => { server.close(); talk(s); });
    server.listen(7000, () => console.log('ready'));
  } else {
    const socket = connect({ port: 7000, host, allowHalfOpen: true }, () => talk(socket));
  }`;

const NODE = [process.execPath, '--input-type=module', '-e', PROGRAM];

async function until(what: Running, text: string | RegExp): Promise<RegExpMatchArray> {
  for (;;) {
    const found = what.output.match(text);
    if (found !== null) return found;
    assert.equal(what.status, undefined, what.output);
    await sleep(20);
  }
}

interface Cable {
  readonly other: string[];
  readonly pmm: () => Promise<Running>;
  readonly aux: () => Promise<Running>;
}

/** Addresses 10.9.0.1 here and 10.9.0.2 in the other namespace. */
async function cable(
  t: TestContext,
  name: string,
  poolBytes: string,
  words: readonly string[],
): Promise<Cable> {
  const memory = mkdtempSync('/dev/shm/lkvm-test-');
  t.after(() => rmSync(memory, { recursive: true, force: true }));
  const place = [
    '--shmem-backend',
    `file:${join(memory, 'pool')}`,
    '--notify',
    `socket:${join(tempDir(t), 'bell')}`,
  ];
  const namespace = await otherNetwork(t);
  const other = ['nsenter', '-t', String(namespace), '-n'];
  run(`ip tuntap add ${name}a mode tap vnet_hdr`);
  run(`ip addr add 10.9.0.1/24 dev ${name}a`);
  run(`ip link set ${name}a up`);
  t.after(() => run(`ip link del ${name}a`));
  run(`${other.join(' ')} ip tuntap add ${name}b mode tap vnet_hdr`);
  run(`${other.join(' ')} ip addr add 10.9.0.2/24 dev ${name}b`);
  run(`${other.join(' ')} ip link set ${name}b up`);
  return {
    other,
    async pmm() {
      const size = ['--shmem-addr', '0x37000000', '--shmem-size', poolBytes, ...words];
      const pmm = new Running(t, process.execPath, [
        MAIN,
        'pmm',
        ...size,
        ...place,
        '--network',
        `mode=tap,tapif=${name}a`,
      ]);
      await until(pmm, /ready: net/);
      return pmm;
    },
    async aux() {
      const aux = new Running(t, 'nsenter', [
        ...other.slice(1),
        process.execPath,
        MAIN,
        'aux',
        ...place,
        '--net-tap',
        `${name}b`,
      ]);
      await until(aux, `${name}b is joined`);
      return aux;
    },
  };
}

/** 20 MB both ways at once over TCP. */
async function assertTalks(t: TestContext, other: readonly string[]): Promise<void> {
  const [program = '', ...args] = [...other, ...NODE, 'listen', '7'];
  const server = new Running(t, program, args);
  await until(server, 'ready');
  const client = new Running(t, NODE[0] ?? '', [...NODE.slice(1), '10.9.0.2', '13']);
  const [, clientSent, clientGot] = await until(client, /sent (\w{64}) got (\w{64})/);
  const [, serverSent, serverGot] = await until(server, /sent (\w{64}) got (\w{64})/);
  assert.equal(serverGot, clientSent);
  assert.equal(clientGot, serverSent);
}

for (const [name, pool, words, features] of [
  ['a roomy pool: segments of 64 KiB', '32M', [], '0x99a3'],
  ['a small pool: plain frames', '0xa0000', [], '0x8020'],
  ['static mode', '32M', ['--static=net'], '0x99a3'],
] as const) {
  test(`aux --net-tap: ${name} → 20 MB each way arrive unchanged, SIGTERM ends it with 0`, {
    skip,
    timeout: 120_000,
  }, async (t) => {
    const { other, pmm, aux } = await cable(t, 'c', pool, words);
    await pmm();
    const bridge = await aux();
    assert.ok(bridge.output.includes(`features ${features},`), bridge.output);
    await assertTalks(t, other);
    bridge.child.kill('SIGTERM');
    while (bridge.status === undefined) await sleep(10);
    assert.equal(bridge.status, 0, bridge.output);
  });
}

test('aux --net-tap: PMM killed and started again, then aux → goes on each time', {
  skip,
  timeout: 120_000,
}, async (t) => {
  const { other, pmm, aux } = await cable(t, 'r', '16M', []);
  const first = await pmm();
  const bridge = await aux();
  await assertTalks(t, other);
  first.child.kill('SIGKILL');
  await pmm();
  await until(bridge, /started anew[\s\S]*joined/);
  await assertTalks(t, other);
  bridge.child.kill('SIGKILL');
  while (bridge.status === undefined) await sleep(10);
  await aux();
  await assertTalks(t, other);
});

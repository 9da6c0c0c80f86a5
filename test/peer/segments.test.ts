/** Large TCP segments through bounce slots: a stock kernel sends and receives over a tap, with offloads. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { KernelName } from '../bed/cache.js';
import { enterPrivateNetwork, run } from '../support/netns.js';
import { skipWithoutPeer } from './machine.js';
import { PeerRig } from './rig.js';
import * as scenarios from './scenarios.js';

const noNetwork = enterPrivateNetwork();
const HERE = '10.77.0.1';
const MEBIBYTES = 8;
const STREAMS = 4;
/** Of a frame on a wire of Ethernet. */
const LONGEST_SEGMENT = 1514;
const LIMIT_MS = 300_000;

async function serve(t: TestContext, onConnection: (socket: Socket) => void): Promise<number> {
  const server: Server = createServer({ allowHalfOpen: true }, onConnection).listen(0, HERE);
  t.after(() => server.close());
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** Digests of what clients send, in the order of their ends. */
async function sink(t: TestContext): Promise<{ port: number; digests: string[] }> {
  const digests: string[] = [];
  const port = await serve(t, (socket) => {
    const hash = createHash('md5');
    socket.on('data', (data) => hash.update(data));
    socket.on('end', () => {
      digests.push(hash.digest('hex'));
      socket.end();
    });
  });
  return { port, digests };
}

async function streams(t: TestContext, kernel: KernelName): Promise<void> {
  const rig = new PeerRig(t, { kernel, place: 'doorbell' });
  const step = (title: string, scenario: () => Promise<void>): Promise<void> =>
    t.test(title, () => rig.run(scenario));
  await rig.startPmm(['--network', 'mode=tap,tapif=hvl0']);
  run(`ip addr add ${HERE}/24 dev hvl0`);
  run('ip link set hvl0 up');
  const machine = await rig.boot();
  await machine.loadModule();
  await machine.sh('while [ ! -e /sys/class/net/eth0 ]; do usleep 100000; done');
  await machine.sh('ip addr add 10.77.0.2/24 dev eth0; ip link set eth0 up');
  await machine.sh(`dd if=/dev/urandom of=/tmp/data bs=1M count=${MEBIBYTES} 2> /dev/null`, LIMIT_MS);
  const [digest] = (await machine.sh('md5sum < /tmp/data')).split(' ');

  await step(
    `${STREAMS} streams out of the machine at once → all arrive as they were, in frames of several segments`,
    async () => {
      const { port, digests } = await sink(t);
      const clients = `for i in $(seq ${STREAMS}); do nc ${HERE} ${port} < /tmp/data > /dev/null & done; wait`;
      await machine.sh(clients, LIMIT_MS);
      assert.deepEqual(digests, Array(STREAMS).fill(digest));
      const statistics = '/sys/class/net/eth0/statistics';
      const sent = await machine.sh(`cat ${statistics}/tx_bytes ${statistics}/tx_packets`);
      const [bytes = 0, frames = 0] = sent.split('\n').map(Number);
      assert.ok(bytes > LONGEST_SEGMENT * frames, `${bytes} bytes in ${frames} frames`);
    },
  );
  await step('streams into the machine → all arrive as they were', async () => {
    const data = randomBytes(MEBIBYTES << 20);
    const port = await serve(t, (socket) => socket.end(data));
    const expected = createHash('md5').update(data).digest('hex');
    const seen = await machine.sh(
      `nc ${HERE} ${port} < /dev/null | md5sum; nc ${HERE} ${port} < /dev/null | md5sum`,
    );
    assert.deepEqual(seen.match(/[0-9a-f]{32}/g), [expected, expected]);
  });
  await step('slots: each buffer was inside the pool, in a reserved slot', async () => {
    assert.notEqual((await rig.describedBuffers()).length, 0);
    assert.deepEqual(await rig.strayBuffers(), []);
    assert.equal(await scenarios.counter(machine, 'exhausted'), 0);
    assert.equal(await scenarios.counter(machine, 'unreserved'), 0);
    await scenarios.checkKernelLog(machine);
  });
}

for (const kernel of ['6.1', '6.12-arm64'] as const) {
  test(
    `net with segmentation offload over a tap, kernel ${kernel}, ivshmem with doorbell`,
    {
      skip: noNetwork || skipWithoutPeer(kernel),
    },
    (t) => streams(t, kernel),
  );
}

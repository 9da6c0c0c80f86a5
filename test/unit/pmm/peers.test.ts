// From one configuration to those of several peers.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildPmmConfig } from '#lkvm/pmm/build-config.js';
import type { PmmOptions } from '#lkvm/pmm/options.js';
import { peerConfigs } from '#lkvm/pmm/peers.js';
import { ConfigError } from '#lkvm/util/errors.js';

function config(options: Partial<PmmOptions> = {}) {
  return buildPmmConfig({
    shmem: { address: 0x3700_0000, bytes: 1 << 24 },
    pool: { kind: 'ivshmem-server', path: '/run/hvl' },
    devices: [{ type: 'rng' }, { type: 'net' }, { type: 'console' }],
    ...options,
  });
}

test('peerConfigs: one peer → the configuration itself', () => {
  const only = config();
  assert.deepEqual(peerConfigs(only, 1), [only]);
});

test('peerConfigs: three peers → sockets and addresses of their own, the console is the first one’s', () => {
  const peers = peerConfigs(config(), 3);
  assert.deepEqual(
    peers.map(({ pool, notify }) => ['path' in pool && pool.path, 'path' in notify && notify.path]),
    [1, 2, 3].map((number) => [`/run/hvl.${number}`, `/run/hvl.${number}`]),
  );
  assert.deepEqual(
    peers.map(({ devices }) =>
      devices.map((device) => (device.name === 'net' ? device.mac[4] : device.name)),
    ),
    [
      ['rng', 0x15, 'console'],
      ['rng', 0x16],
      ['rng', 0x17],
    ],
  );
});

test('peerConfigs: each with a machine → logs of their own', () => {
  const remote = { kind: 'qemu', arch: 'x86_64', kernel: '/k', log: '/tmp/log' } as const;
  const peers = peerConfigs(config({ remote }), 2);
  assert.deepEqual(
    peers.map((peer) => peer.remote?.kind === 'qemu' && peer.remote.log),
    ['/tmp/log.1', '/tmp/log.2'],
  );
});

const WRONG: readonly [string, Partial<PmmOptions>, number, RegExp][] = [
  ['no peer', {}, 0, /--peers 0: there can be 1 \.\.\. 16/],
  ['too many', {}, 17, /--peers 17: there can be 1 \.\.\. 16/],
  ['a pool file', { pool: { kind: 'file', path: '/p' } }, 2, /does not go with --shmem-backend file/],
  [
    'a tap that has a name',
    { devices: [{ type: 'net', mode: 'tap', tapif: 'tap0', script: '/s' }] },
    2,
    /the peers cannot share a tap/,
  ],
  ['a tap that we configure', { devices: [{ type: 'net', mode: 'tap' }] }, 2, /the peers cannot share a tap/],
  [
    'a remote processor',
    { remote: { kind: 'remoteproc', index: 0 } },
    2,
    /--peers and --remoteproc exclude each other/,
  ],
  [
    'a path that is too long with its number',
    { pool: { kind: 'ivshmem-server', path: `/${'p'.repeat(105)}` } },
    2,
    /socket path has 1 \.\.\. 107 bytes/,
  ],
];
for (const [what, options, count, expected] of WRONG) {
  test(`peerConfigs: ${what} → ConfigError`, () => {
    assert.throws(
      () => peerConfigs(config(options), count),
      (error) => error instanceof ConfigError && expected.test(error.message),
    );
  });
}

test('peerConfigs: taps that a script sets up → each peer its own', () => {
  const devices = [{ type: 'net', mode: 'tap', script: '/s' }] as const;
  assert.equal(peerConfigs(config({ devices }), 2).length, 2);
});

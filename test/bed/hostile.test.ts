// The guest of test/integration/kvm/hostile.test.ts once more: with a network card, on a complete KVM.
import assert from 'node:assert/strict';
import { buildImage } from '../support/bare-image.js';
import { useBed } from './bed.js';
import { LKVM } from './machine.js';

const { scenario } = useBed();

const ACTIONS = 4000;
const LIMIT_MS = 600_000;

for (const [transport, seed] of [
  ['pci', 101],
  ['mmio', 102],
] as const) {
  scenario(
    `hostile guest, ${transport}: garbage everywhere → a disk beside it still answers`,
    async (outer) => {
      const image = buildImage(outer.folder, 'hostile');
      await outer.sh(`
      cd /run; rm -rf victim witness share; truncate -s 1M victim; mkdir share
      echo 'witness of the test' > witness; truncate -s 1M witness
      ip link show tap0 > /dev/null 2>&1 || ip tuntap add tap0 mode tap; ip link set tap0 up`);
      const { code, stdout, stderr } = await outer.run(
        [
          ...[...LKVM, 'run', image, '-m', '64', '-c', '1', '--nodefaults', '--debug-exit'],
          ...[
            '-p',
            `seed=${seed} actions=${ACTIONS}`,
            '--virtio-transport',
            transport,
            '--console',
            'virtio',
          ],
          ...['-n', 'mode=tap,tapif=tap0', '--rng', '--9p', 'share,share', '-d', 'victim', '-d', 'witness'],
        ],
        { limitMs: LIMIT_MS },
      );
      assert.match(stdout, /HOSTILE-BEGIN devices=5\n/);
      assert.equal(code, 1); // 0 written to the debug-exit port
      assert.doesNotMatch(stderr, /^\s+at |internal|invariant/im, 'no error of our own');
    },
  );
}

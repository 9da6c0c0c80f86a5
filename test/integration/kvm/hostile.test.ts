// A guest that writes garbage into everything, on the host's own KVM. The outer guest has the same, with a network
// (test/bed/hostile.test.ts).
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { buildImage, skipWithoutCompiler, startLkvm } from '../../support/bare-image.js';
import { skipWithoutKvm } from '../../support/kvm-rig.js';
import { tempDir } from '../../support/temp.js';

const skip = skipWithoutKvm() || skipWithoutCompiler();
const ACTIONS = 2500;
const LIMIT_MS = 300_000;
/** What the image expects in the first sector of the last disk. */
const WITNESS = 'witness of the test';
const DISK_BYTES = 1 << 20;

for (const transport of ['pci', 'mmio']) {
  for (const seed of [1, 2, 3]) {
    test(`hostile guest, ${transport}, seed ${seed} → a disk beside it still answers, all devices start again`, {
      skip,
    }, async (t) => {
      const folder = tempDir(t);
      const image = buildImage(folder, 'hostile');
      const victim = join(folder, 'victim');
      const witness = join(folder, 'witness');
      const share = join(folder, 'share');
      writeFileSync(victim, Buffer.alloc(DISK_BYTES));
      const text = Buffer.alloc(DISK_BYTES);
      text.write(WITNESS);
      writeFileSync(witness, text);
      mkdirSync(share);
      const lkvm = startLkvm(
        [
          ...[image, '-m', '64', '-c', '1', '--nodefaults', '--debug-exit', '--virtio-transport', transport],
          ...['-p', `seed=${seed} actions=${ACTIONS}`, '-n', 'mode=none', '--rng', '--console', 'virtio'],
          ...['-d', victim, '-d', witness, '--9p', `${share},share`],
        ],
        LIMIT_MS,
      );
      t.after(() => lkvm.child.kill('SIGKILL'));
      const { code, output } = await lkvm.ended;
      assert.equal(code, 1, output); // 0 written to the debug-exit port
      assert.doesNotMatch(output, /^\s+at |internal|invariant/im, 'no error of our own');
    });
  }
}

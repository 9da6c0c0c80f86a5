// A start for which the process has too few file descriptors gives back those it has taken.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createPmm } from '#lkvm/pmm/create-pmm.js';
import { close } from '#lkvm/sys/fd.js';
import { openFileLimit } from '#lkvm/sys/fs.js';
import { StartError } from '#lkvm/util/errors.js';
import { createVm } from '#lkvm/vmm/create-vm.js';
import { imageFile } from '../support/boot-rig.js';
import { openDescriptors, setDescriptorLimit, useUpDescriptors } from '../support/descriptors.js';
import { skipWithoutKvm } from '../support/kvm-rig.js';
import { tempDir } from '../support/temp.js';

const LIMIT = 256;
const original = openFileLimit();

before(() => setDescriptorLimit(LIMIT));
after(() => setDescriptorLimit(original));

/** A start that failed, and what stayed open. */
interface Failure {
  readonly error: unknown;
  readonly left: readonly string[];
}

async function failureWith(spare: number, start: () => Promise<unknown>): Promise<Failure> {
  const before = openDescriptors();
  const taken = useUpDescriptors(spare);
  const error = await start().then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  for (const fd of taken) close(fd);
  return { error, left: openDescriptors().filter((fd) => !before.includes(fd)) };
}

/** Starts with 0, 1, 2, ... descriptors, as long as `ours` fails: what comes behind it is Node's, which does leak. */
async function failures(start: () => Promise<unknown>, ours: RegExp): Promise<Failure[]> {
  const all: Failure[] = [];
  for (let spare = 0; spare < LIMIT / 4; spare++) {
    const failure = await failureWith(spare, start);
    if (!ours.test(String(failure.error))) break;
    all.push(failure);
  }
  return all;
}

function assertClean(all: readonly Failure[]): void {
  assert.deepEqual(
    all.flatMap(({ left }) => left),
    [],
  );
  assert.ok(all.every(({ error }) => error instanceof StartError));
  assert.equal(all.filter(({ error }) => /pipe2 failed: EMFILE/.test(String(error))).length, 4);
}

test('createVm: too few descriptors, whatever is the first that is missing → StartError, and nothing stays open', {
  skip: skipWithoutKvm(),
}, async (t) => {
  const kernel = imageFile(t, 'image', Uint8Array.of(0xf4)); // hlt
  const options = { kernel, cpus: 1, memoryBytes: 64 << 20, console: 'none' } as const;
  const start = () => createVm(options, { consoleStream: true });
  assertClean(await failures(start, /opened: EMFILE|KVM_CREATE_V.* EMFILE|(eventfd|pipe2) failed: EMFILE/));
});

test('createPmm: too few descriptors, whatever is the first that is missing → StartError, and nothing stays', async (t) => {
  const path = join(tempDir(t), 'pool');
  const start = () =>
    createPmm(
      {
        shmem: { address: 0x37000000, bytes: 1 << 20 },
        pool: { kind: 'file', path },
        notify: { kind: 'poll', us: 1000 },
        devices: [{ type: 'console' }],
      },
      { consoleStream: true },
    );
  assertClean(await failures(start, /the pool file .* EMFILE|(eventfd|pipe2) failed: EMFILE/));
  assert.equal(existsSync(path), false);
});

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { resolveShare } from '#lkvm/machine/host-paths.js';
import { StartError } from '#lkvm/util/errors.js';
import type { P9Spec } from '#lkvm/workers/reactor/device-spec.js';
import { projectRoot } from '../../support/project.js';
import { tempDir } from '../../support/temp.js';

const shareOf = (path: string) => ({ name: 'p9', tree: { kind: 'directory', path } }) as P9Spec;
const refusal = (path: string): string => {
  try {
    resolveShare(shareOf(path));
  } catch (error) {
    assert.ok(error instanceof StartError);
    return error.message;
  }
  return 'accepted';
};

test('resolveShare: a link to a directory → its real path', (t) => {
  const top = tempDir(t);
  mkdirSync(join(top, 'real'));
  symlinkSync('real', join(top, 'link'));
  const { tree } = resolveShare(shareOf(join(top, 'link')));
  assert.deepEqual(tree, { kind: 'directory', path: join(top, 'real') });
});

test('resolveShare: nothing there, a file → one line with the path and what is expected', (t) => {
  const file = join(tempDir(t), 'file');
  writeFileSync(file, '');
  assert.equal(
    refusal(`${file}2`),
    `--9p ${file}2: cannot share it: ENOENT; a directory that you may enter is expected`,
  );
  assert.equal(refusal(file), `--9p ${file}: not a directory`);
});

test('resolveShare: a directory that this user may not enter → EACCES at the start, not at every file', {
  skip: process.getuid?.() === 0 ? false : 'needs root, to make a user without rights',
}, (t) => {
  const top = tempDir(t);
  mkdirSync(join(top, 'closed'), { mode: 0o700 });
  execFileSync('chmod', ['755', top]);
  const module = pathToFileURL(join(projectRoot, 'dist/machine/host-paths.js')).href;
  const script = `process.setuid(65534);
    const { resolveShare } = await import(${JSON.stringify(module)});
    try { resolveShare({ name: 'p9', tree: { kind: 'directory', path: ${JSON.stringify(join(top, 'closed'))} } }); }
    catch (error) { console.log(error.message); }`;
  const said = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  assert.match(said, /closed: cannot share it: EACCES; a directory that you may enter is expected/);
});

// bin/lkvm in a stand-in checkout whose set-up script only says that it ran.
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { projectRoot } from '../support/project.js';
import { tempDir } from '../support/temp.js';
import { runIn, type ToolResult } from '../support/tools.js';

class Checkout {
  /** A blank in the path on purpose. */
  readonly root: string;

  constructor(t: TestContext) {
    this.root = join(tempDir(t), 'check out');
    this.write('dist/cli/main.js', 'console.log(JSON.stringify(process.argv.slice(2)));\nprocess.exit(7);\n');
    this.write('bin/lkvm', '');
    copyFileSync(join(projectRoot, 'bin', 'lkvm'), join(this.root, 'bin', 'lkvm'));
  }

  /** Adds what a checkout has and an installed package has not. */
  addSources(): void {
    this.write('src/cli/main.ts', '');
    for (const file of ['tsconfig.json', 'tsconfig.base.json', 'package.json', 'package-lock.json'])
      this.write(file, '{}');
    this.write('node_modules/.package-lock.json', '{}');
    this.write('scripts/setup.sh', `echo set-up >&2; echo noise; touch "${this.root}/dist/.built"\n`);
    this.age('package-lock.json', 100);
    this.age('node_modules/.package-lock.json', 50);
  }

  write(path: string, text: string): void {
    mkdirSync(dirname(join(this.root, path)), { recursive: true });
    writeFileSync(join(this.root, path), text);
  }

  /** Sets the time of last change to so many seconds ago. */
  age(path: string, seconds: number): void {
    const time = Date.now() / 1000 - seconds;
    utimesSync(join(this.root, path), time, time);
  }

  run(command = join(this.root, 'bin', 'lkvm')): ToolResult {
    return runIn(dirname(this.root), command, ['layout', '--9p', 'a b']);
  }
}

const OUTPUT = '["layout","--9p","a b"]\n';

test('bin/lkvm: build missing → set-up with its output on stderr, then the command with its words and exit code', (t) => {
  const checkout = new Checkout(t);
  checkout.addSources();
  const { status, stdout, stderr } = checkout.run();
  assert.deepEqual([status, stdout.toString(), stderr], [7, OUTPUT, 'set-up\nnoise\n']);
});

test('bin/lkvm: build fresh → no set-up; a newer or removed source, newer packages → set-up again', (t) => {
  const checkout = new Checkout(t);
  checkout.addSources();
  checkout.run();
  checkout.age('dist/.built', -10);
  assert.equal(checkout.run().stderr, '');

  checkout.age('src/cli/main.ts', -20);
  assert.match(checkout.run().stderr, /set-up/);

  checkout.age('src/cli/main.ts', 20);
  checkout.age('dist/.built', -10);
  assert.equal(checkout.run().stderr, '');
  rmSync(join(checkout.root, 'src/cli/main.ts'));
  checkout.age('src/cli', -20);
  assert.match(checkout.run().stderr, /set-up/);

  checkout.age('src/cli', 20);
  checkout.age('dist/.built', -10);
  checkout.age('package-lock.json', 5);
  assert.match(checkout.run().stderr, /set-up/);
});

test('bin/lkvm: set-up fails → exit code 128, nothing started', (t) => {
  const checkout = new Checkout(t);
  checkout.addSources();
  checkout.write('scripts/setup.sh', 'echo cannot build >&2; exit 1\n');
  const { status, stdout, stderr } = checkout.run();
  assert.deepEqual([status, stdout.toString(), stderr], [128, '', 'cannot build\n']);
});

test('bin/lkvm: installed package (no sources), through symbolic links → just the command', (t) => {
  const checkout = new Checkout(t);
  const absolute = join(checkout.root, 'absolute');
  symlinkSync(join(checkout.root, 'bin', 'lkvm'), absolute);
  symlinkSync('absolute', join(checkout.root, 'relative'));
  for (const command of [absolute, join(checkout.root, 'relative')]) {
    const { status, stdout, stderr } = checkout.run(command);
    assert.deepEqual([status, stdout.toString(), stderr], [7, OUTPUT, '']);
  }
});

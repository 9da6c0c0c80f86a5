// What users install: the tarball works somewhere else, as a command and as a library, without the sources.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { projectRoot } from '../support/project.js';
import { tempDir } from '../support/temp.js';
import { runIn, runTool, skipWithout } from '../support/tools.js';

interface Packed {
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

function pack(dir: string): Packed {
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', dir, projectRoot];
  const { status, stdout, stderr } = runIn(dir, 'npm', args);
  assert.equal(status, 0, stderr);
  const [packed] = JSON.parse(stdout.toString()) as Packed[];
  return packed ?? assert.fail('npm packed nothing');
}

/** By npm if it can have the one dependency (from its cache or the registry), else by hand what npm would do. */
function install(dir: string, tarball: string): string {
  writeFileSync(join(dir, 'package.json'), '{"private":true}\n');
  const args = ['install', '--prefer-offline', '--no-audit', '--no-fund', '--fetch-retries=0', tarball];
  if (runIn(dir, 'npm', args).status === 0) return 'npm install';
  const modules = join(dir, 'node_modules');
  mkdirSync(join(modules, 'lkvm'), { recursive: true });
  mkdirSync(join(modules, '.bin'), { recursive: true });
  const unpacked = runTool('tar', ['-xzf', tarball, '-C', join(modules, 'lkvm'), '--strip-components=1']);
  assert.equal(unpacked.status, 0, unpacked.stderr);
  for (const name of ['koffi', '@koromix'])
    symlinkSync(join(projectRoot, 'node_modules', name), join(modules, name));
  symlinkSync('../lkvm/bin/lkvm', join(modules, '.bin', 'lkvm'));
  return 'unpacked by hand (the registry cannot be reached)';
}

const LIBRARY = `
import { createPmm, ConfigError } from 'lkvm';
try {
  await createPmm({ shmem: { address: 0, bytes: 0 }, devices: [] });
} catch (error) {
  console.log(error instanceof ConfigError, error.exitCode);
}
const pmm = await createPmm({
  shmem: { address: 0x37000000, bytes: 1 << 20 },
  pool: { kind: 'file', path: process.argv[2] },
  notify: { kind: 'poll', us: 1000 },
  devices: [{ type: 'rng' }],
});
console.log(pmm.layout.slots.length);
await pmm.stop();
`;

test('npm pack: tarball installed elsewhere → command and library work, no sources and no tests in it', {
  skip: skipWithout('npm', 'tar'),
}, (t) => {
  const dir = tempDir(t);
  const { filename, files } = pack(dir);
  const paths = files.map(({ path }) => path);
  assert.ok(
    paths.includes('bin/lkvm') && paths.includes('dist/cli/main.js') && paths.includes('dist/index.d.ts'),
  );
  const unwanted = paths.filter((path) =>
    /^(src|test|build|scripts|node_modules)\/|tsbuildinfo|\.map$|\.built/.test(path),
  );
  assert.deepEqual(unwanted, []);

  t.diagnostic(install(dir, join(dir, filename)));
  const command = join(dir, 'node_modules', '.bin', 'lkvm');
  const { version } = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8')) as {
    version: string;
  };
  assert.equal(runIn(dir, command, ['version']).stdout.toString(), `kvm tool ${version}\n`);
  const layout = runIn(dir, command, [
    'layout',
    '--shmem-addr',
    '0x37000000',
    '--shmem-size',
    '1M',
    '--rng',
    '--json',
  ]);
  assert.equal(layout.status, 0, layout.stderr);
  const { devices } = JSON.parse(layout.stdout.toString()) as { devices: unknown[] };
  assert.equal(devices.length, 2);

  writeFileSync(join(dir, 'user.mjs'), LIBRARY);
  const user = runIn(dir, process.execPath, ['user.mjs', join(dir, 'pool')]);
  assert.equal(user.stdout.toString(), 'true 129\n1\n', user.stderr);
  assert.equal(user.status, 0);
});

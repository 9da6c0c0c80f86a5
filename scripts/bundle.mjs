// Joins the modules of dist/ into a few files in dist/bundle/, for bin/lkvm and for programs that import the library.
// Loading a module of its own costs Node about half a millisecond, in each of three threads: joined, a guest starts in two
// thirds of the time. Nothing else changes: same code, same names in messages; dist/ itself is what tests and tools use.
import { rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const dist = join(dirname(fileURLToPath(import.meta.url)), '..', 'dist');
const outdir = join(dist, 'bundle');

const options = {
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  external: ['koffi'],
  keepNames: true, // errors are told apart by the names of their classes
  entryNames: '[name]', // all in one folder: that is where code looks for its workers, with import.meta.url
  chunkNames: '[name]-[hash]',
  logLevel: 'warning',
  outdir,
};

rmSync(outdir, { recursive: true, force: true });
// The command and the library share their parts, and load most of them only when they are wanted.
await build({
  ...options,
  splitting: true,
  entryPoints: ['cli/main.js', 'index.js'].map((file) => join(dist, file)),
});
// A worker needs all of its own at once.
const workers = ['pmm/pmm-reactor.js', 'vmm/vm-reactor.js', 'vmm/vm-vcpu.js', 'workers/io/io-worker.js'];
await Promise.all(workers.map((file) => build({ ...options, entryPoints: [join(dist, file)] })));

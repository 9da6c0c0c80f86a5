// Joins the modules of dist/ into a few files in dist/bundle/, for bin/lkvm and for programs that import the library.
// Loading a module of its own costs Node about half a millisecond, in each of three threads, and the loader of ES modules
// costs more than that of CommonJS: joined, a guest starts in half the time. Nothing else changes: same code, same names in
// messages; dist/ itself is what tests and tools use.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const scripts = dirname(fileURLToPath(import.meta.url));
const dist = join(scripts, '..', 'dist');
const outdir = join(dist, 'bundle');

const options = {
  bundle: true,
  platform: 'node',
  target: 'node20',
  alias: { koffi: join(scripts, 'bundle', 'koffi.cjs') },
  keepNames: true, // errors are told apart by the names of their classes
  entryNames: '[name]', // all in one folder: that is where code looks for its workers, with import.meta.url
  logLevel: 'warning',
  outdir,
};

rmSync(outdir, { recursive: true, force: true });
mkdirSync(outdir);
writeFileSync(join(outdir, 'package.json'), '{ "type": "commonjs" }\n');
// The command and the threads. A part that is imported in a function runs when that function does, as before.
await build({
  ...options,
  format: 'cjs',
  define: { 'import.meta.url': 'bundleUrl' },
  banner: { js: "const bundleUrl = require('node:url').pathToFileURL(__filename).href;" },
  entryPoints: [
    'cli/main.js',
    'pmm/pmm-reactor.js',
    'vmm/vm-reactor.js',
    'vmm/vm-vcpu.js',
    'workers/io/io-worker.js',
  ].map((file) => join(dist, file)),
});
// The library stays an ES module.
await build({
  ...options,
  format: 'esm',
  banner: {
    js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
  },
  outExtension: { '.js': '.mjs' },
  splitting: true,
  chunkNames: 'library-[hash]',
  entryPoints: [join(dist, 'index.js')],
});

/**
 * A whole program: a PMM whose 9p share is made in JavaScript, `lkvm aux` as the other side in a process of its own, and
 * its shell driven over the console. After compiling: `node two-sides.js`.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { createPmm, remoteTree } from 'lkvm';
import { MemoryTree } from './memory-tree.js';

/** The other side: the command of this package. With `--script` it marks the end of each command's output. */
function startAux(pool: string, doorbell: string): ChildProcess {
  const lkvm = join(dirname(fileURLToPath(import.meta.resolve('lkvm/package.json'))), 'bin/lkvm');
  const words = ['aux', '--script', '--shmem-backend', `file:${pool}`, '--notify', `socket:${doorbell}`];
  return spawn(lkvm, words, { stdio: ['ignore', 'inherit', 'inherit'] });
}

/** Types commands, and prints what comes back until the last has ended. docs/aux.md describes the marks. */
async function converse(shell: Duplex, commands: readonly string[]): Promise<void> {
  for (const command of commands) shell.write(`${command}\n`);
  let text = '';
  let ended = 0;
  for await (const chunk of shell) {
    text += String(chunk);
    const lines = text.split('\n');
    text = lines.pop() ?? '';
    for (const line of lines) {
      if (line.startsWith('\x1e')) ended++;
      else console.log(line);
    }
    if (ended === commands.length) return;
  }
}

const folder = mkdtempSync(join(tmpdir(), 'two-sides-'));
const files = new MemoryTree({ 'hello.txt': 'hello from JavaScript\n' });
files.onWrite = (file) => console.log(`the other side has written ${file.data.length} bytes`);
try {
  const pool = join(folder, 'pool');
  const doorbell = join(folder, 'doorbell');
  await using pmm = await createPmm(
    {
      shmem: { address: 0x3700_0000, bytes: 16 << 20 },
      pool: { kind: 'file', path: pool },
      notify: { kind: 'socket', path: doorbell },
      devices: [{ type: 'console' }, { type: 'rng' }, { type: '9p', tag: 'files', remote: 0 }],
    },
    { consoleStream: true, trees: [remoteTree(files)], log: console },
  );
  pmm.on('device', ({ name, event }) => console.log(`${name}: ${event}`));
  const aux = startAux(pool, doorbell);
  if (pmm.console === undefined) throw new Error('consoleStream was asked for');
  await converse(pmm.console, ['cat /hello.txt', 'write /note done', 'rng 8']);
  aux.kill(); // SIGTERM: it stops its devices
} finally {
  rmSync(folder, { recursive: true });
}

/**
 * `npm run bench -- [--json] [--quick] [--only NAME,...]`
 *
 * Each bench runs in a process of its own (a fresh heap, types that no other bench has polluted), in a process group of
 * its own: when its time is over, or we are interrupted, the whole group ends, and its folders are removed.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { BenchRow, Measurement, Skipped } from './bench.js';
import { BENCHES, type BenchEntry } from './registry.js';
import { jsonReport, Table } from './report.js';

type Outcome = Measurement | Skipped | { readonly failed: string };

/** The bench under way: ended, and cleaned up after, when we end. */
let child: ChildProcess | undefined;
let folders: string[] = [];

function endGroup(): void {
  if (child?.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // it has ended already
  }
}

function cleanUp(): void {
  endGroup();
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  folders = [];
}

function makeFolders(): string[] {
  const onDisk = mkdtempSync(join(tmpdir(), 'lkvm-bench-'));
  try {
    accessSync('/dev/shm', constants.W_OK);
    return [onDisk, mkdtempSync('/dev/shm/lkvm-bench-')];
  } catch {
    return [onDisk, onDisk];
  }
}

/** Runs one bench in a child. */
async function runInChild(entry: BenchEntry, quick: boolean): Promise<Outcome> {
  folders = makeFolders();
  const words = ['--inside', entry.name, '--folders', folders.join(','), ...(quick ? ['--quick'] : [])];
  const started = spawn(process.execPath, [fileURLToPath(import.meta.url), ...words], {
    stdio: ['ignore', 'inherit', 'inherit', 'pipe'],
    detached: true,
  });
  child = started;
  let text = '';
  started.stdio[3]?.on('data', (data) => {
    text += data;
  });
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    endGroup();
  }, entry.limitSeconds * 1000);
  const code = await new Promise<number>((resolve) => {
    started.once('error', () => resolve(1));
    started.once('close', (status) => resolve(status ?? 1));
  });
  clearTimeout(timer);
  cleanUp();
  child = undefined;
  if (late) return { failed: `not finished within ${entry.limitSeconds} s` };
  if (code !== 0 || text === '') return { failed: `ended with status ${code}` };
  return JSON.parse(text) as Outcome; // written by `inside` below
}

/** The child's part: the result goes to descriptor 3, so that nothing a bench prints can disturb it. */
async function inside(
  name: string,
  [folder = '', memoryFolder = '']: string[],
  quick: boolean,
): Promise<void> {
  const { writeSync } = await import('node:fs');
  const entry = BENCHES.find((each) => each.name === name);
  if (entry === undefined) throw new Error(`no bench ${name}`);
  const bench = await entry.load();
  const result = await bench.run({ quick, folder, memoryFolder });
  writeSync(3, JSON.stringify(result));
}

function rowOf(entry: BenchEntry, unit: string, goal: BenchRow['goal'], outcome: Outcome): BenchRow {
  const { name } = entry;
  if ('failed' in outcome) return { name, unit, goal, failed: outcome.failed };
  if ('skipped' in outcome) return { name, unit, goal, skipped: outcome.skipped };
  return { name, unit, goal, measured: outcome };
}

/** @returns the exit code: 1 if a bench has failed (not if a goal is missed: machines differ) */
async function main(only: string | undefined, json: boolean, quick: boolean): Promise<number> {
  const wanted = only?.split(',');
  const unknown = wanted?.filter((name) => BENCHES.every((entry) => entry.name !== name)) ?? [];
  if (unknown.length > 0) {
    const known = BENCHES.map((entry) => entry.name).join(', ');
    process.stderr.write(`no bench "${unknown.join(', ')}"; there are: ${known}\n`);
    return 2;
  }
  const table = new Table();
  if (!json) process.stdout.write(`${table.head()}\n`);
  const rows: BenchRow[] = [];
  for (const entry of BENCHES) {
    if (wanted !== undefined && !wanted.includes(entry.name)) continue;
    const { unit, goal } = await entry.load();
    const row = rowOf(entry, unit, goal, await runInChild(entry, quick));
    rows.push(row);
    if (!json) process.stdout.write(`${table.row(row)}\n`);
  }
  if (json) process.stdout.write(`${jsonReport(rows)}\n`);
  return rows.some((row) => row.failed !== undefined) ? 1 : 0;
}

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    inside: { type: 'string' },
    folders: { type: 'string', default: '' },
  },
});

if (values.inside === undefined) {
  process.on('exit', cleanUp);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(1));
  process.exitCode = await main(values.only, values.json, values.quick);
} else {
  await inside(values.inside, values.folders.split(','), values.quick);
  process.exit(0);
}

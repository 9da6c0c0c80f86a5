/** Real file systems and block devices of this machine, for tests that need one of their own. They need root. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmdirSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { undo } from './undo.js';

function run(command: string, ...words: readonly string[]): string {
  return execFileSync(command, words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
}

function works(command: string, ...words: readonly string[]): boolean {
  try {
    run(command, ...words);
    return true;
  } catch {
    return false;
  }
}

function mountPoint(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'lkvm-mount-'));
  undo(t, () => rmdirSync(folder));
  return folder;
}

/** Why nothing can be mounted here, or false. */
export function noMounts(): string | false {
  if (process.getuid?.() !== 0) return 'needs root';
  const folder = mkdtempSync(join(tmpdir(), 'lkvm-mount-'));
  try {
    if (!works('mount', '-t', 'tmpfs', 'none', folder)) return 'mount(8) is refused';
    run('umount', folder);
    return false;
  } finally {
    rmdirSync(folder);
  }
}

/** Why there are no loop devices here, or false. */
export function noLoops(): string | false {
  const refused = noMounts();
  if (refused !== false) return refused;
  if (!existsSync('/dev/loop-control') || !works('losetup', '-f')) return 'no loop devices';
  return false;
}

/** A tmpfs. @param options of mount(8): "size=1m" @returns its folder */
export function mountTmpfs(t: TestContext, options: string): string {
  const folder = mountPoint(t);
  run('mount', '-t', 'tmpfs', '-o', options, 'none', folder);
  undo(t, () => void run('umount', folder));
  return folder;
}

/** A loop device over a file. @returns its path */
export function loopDevice(t: TestContext, file: string, ...options: readonly string[]): string {
  const device = run('losetup', '--show', ...options, '-f', file);
  undo(t, () => void run('losetup', '-d', device));
  return device;
}

/** An ext4 of its own, 16 MiB. @returns folder and device */
export function mountExt4(t: TestContext): { readonly folder: string; readonly device: string } {
  const backing = mountTmpfs(t, 'size=64m');
  const file = join(backing, 'fs.img');
  sparseFile(file, 16 << 20);
  run('mkfs.ext4', '-q', '-F', file);
  const device = loopDevice(t, file);
  const folder = mountPoint(t);
  run('mount', '-t', 'ext4', device, folder);
  undo(t, () => void run('umount', folder));
  return { folder, device };
}

/** A file that takes no space yet. */
export function sparseFile(path: string, bytes: number): void {
  writeFileSync(path, '');
  truncateSync(path, bytes);
}

/** Holds back all writes to a file system until {@link thaw}. */
export function freeze(folder: string): void {
  run('fsfreeze', '-f', folder);
}

export function thaw(folder: string): void {
  run('fsfreeze', '-u', folder);
}

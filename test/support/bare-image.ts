// Bare-metal images of `test/guests/bare/`, made by the C compiler, and `lkvm run` with one of them.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { join } from 'node:path';
import { projectRoot } from './project.js';
import { hasTool } from './tools.js';

const SOURCES = {
  hostile: ['hostile', 'virtio', 'bare'],
  hvl: ['hvl', 'bare'],
  paste: ['paste', 'bare'],
  ivshmem: ['ivshmem', 'virtio', 'bare'],
} as const;

/** An image. */
export type BareImage = keyof typeof SOURCES;

// 32-bit code without any library, of instructions that KVM's emulator knows.
const FLAGS = [
  ...['-m32', '-march=i486', '-Os', '-Wall', '-Wextra', '-Werror', '-ffreestanding', '-nostdlib', '-static'],
  ...['-fno-pic', '-no-pie', '-mgeneral-regs-only', '-fcf-protection=none', '-fno-stack-protector'],
  ...['-fno-asynchronous-unwind-tables', '-fno-tree-loop-distribute-patterns'],
  ...['-Wl,--build-id=none', '-Wl,-z,noexecstack'],
];

/** For `test({ skip })`: false if images can be compiled, else the reason. */
export function skipWithoutCompiler(): string | false {
  return hasTool('gcc') ? false : 'not installed: gcc';
}

const MULTIBOOT = ['-Wl,-Ttext-segment=0x100000'];
const VXWORKS = ['-DVXWORKS', '-Wl,-N', '-Wl,-Ttext=0x408000', '-Wl,--oformat=binary'];

/** Compiles an image. @param vxworks a flat image for --vxworks instead of one for multiboot @returns its path */
export function buildImage(folder: string, image: BareImage, vxworks = false): string {
  const path = join(folder, image);
  const sources = SOURCES[image].map((name) => join(projectRoot, 'test/guests/bare', `${name}.c`));
  execFileSync('gcc', [...FLAGS, ...(vxworks ? VXWORKS : MULTIBOOT), '-o', path, ...sources]);
  return path;
}

/** How `lkvm` has ended, and what came. */
export interface LkvmResult {
  readonly code: number | null;
  /** The standard output, then the error output: as they come, one may cut a line of the other in two. */
  readonly output: string;
}

/** A running `lkvm`. */
export interface RunningLkvm {
  readonly child: ChildProcess;
  readonly ended: Promise<LkvmResult>;
  /** Both outputs so far, as in {@link LkvmResult}. */
  text(): string;
}

/** Starts `lkvm run` of this checkout; it is killed if it takes longer than `limitMs`. @param env added to ours */
export function startLkvm(
  args: readonly string[],
  limitMs: number,
  env: NodeJS.ProcessEnv = {},
): RunningLkvm {
  const main = join(projectRoot, 'dist/cli/main.js');
  const child = spawn(process.execPath, [main, 'run', ...args], {
    stdio: 'pipe',
    env: { ...process.env, ...env },
    timeout: limitMs,
    killSignal: 'SIGKILL',
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (data: Buffer) => {
    stdout += data.toString('latin1');
  });
  child.stderr.on('data', (data: Buffer) => {
    stderr += data.toString('latin1');
  });
  const text = (): string => stdout + stderr;
  const ended = new Promise<LkvmResult>((resolve) => {
    child.once('close', (code) => resolve({ code, output: text() }));
  });
  return { child, ended, text };
}

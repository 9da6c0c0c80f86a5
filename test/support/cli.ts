/** The command as a process. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { projectRoot } from './project.js';

/** The compiled entry. */
export const MAIN = join(projectRoot, 'dist', 'cli', 'main.js');

/** How a run of the command ended. */
export interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `lkvm ARGS` to its end. @param args one string, split at blanks, or a list of words */
export function lkvm(args: string | readonly string[], cwd = projectRoot): Promise<CliResult> {
  const words = typeof args === 'string' ? args.split(' ').filter((word) => word !== '') : args;
  const { LKVM_DEBUG: _, ...env } = process.env;
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [MAIN, ...words],
      { cwd, env, timeout: 120_000, maxBuffer: 16 << 20 },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
        resolve({ code, stdout, stderr });
      },
    );
  });
}

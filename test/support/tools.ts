/** Programs of the machine that some tests need. */
import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Whether a command is installed. */
export function hasTool(name: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** For `test({ skip })`: false if all commands are there, else the reason. */
export function skipWithout(...names: readonly string[]): string | false {
  const missing = names.filter((name) => !hasTool(name));
  return missing.length === 0 ? false : `not installed: ${missing.join(', ')}`;
}

/** How a command ended: status (-1 if it could not run), stdout, stderr. */
export interface ToolResult {
  readonly status: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** Runs a command to its end. */
export function runTool(
  command: string,
  args: readonly string[],
  input: string | Uint8Array = '',
): ToolResult {
  const { status, stdout, stderr } = spawnSync(command, args, { input, timeout: 60_000 });
  return { status: status ?? -1, stdout: stdout ?? Buffer.alloc(0), stderr: (stderr ?? '').toString() };
}

/** Runs a command to its end in a folder. */
export function runIn(cwd: string, command: string, args: readonly string[]): ToolResult {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, timeout: 180_000 });
  return { status: status ?? -1, stdout: stdout ?? Buffer.alloc(0), stderr: (stderr ?? '').toString() };
}

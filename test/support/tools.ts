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

/** Runs a command to its end. @returns status (-1 if it could not run), stdout, stderr */
export function runTool(
  command: string,
  args: readonly string[],
  input: string | Uint8Array = '',
): { status: number; stdout: Buffer; stderr: string } {
  const { status, stdout, stderr } = spawnSync(command, args, { input, timeout: 60_000 });
  return { status: status ?? -1, stdout: stdout ?? Buffer.alloc(0), stderr: (stderr ?? '').toString() };
}

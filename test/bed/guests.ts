/** Programs for the guests, compiled from `test/guests/`. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../support/project.js';
import { type CpioEntry, file } from './cpio.js';

/** Compiles a C program for 64-bit Linux, without need for any library. @returns it as a file of an initrd */
export function guestProgram({ folder }: { readonly folder: string }, name: string): CpioEntry {
  const program = join(folder, name);
  const source = join(projectRoot, 'test/guests', `${name}.c`);
  execFileSync('gcc', ['-O2', '-Wall', '-Werror', '-static', '-o', program, source]);
  return file(`bin/${name}`, readFileSync(program), 0o755);
}

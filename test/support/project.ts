import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

function find(start: string): string {
  return existsSync(join(start, 'package-lock.json')) ? start : find(dirname(start));
}

/** The checkout's top folder. */
export const projectRoot = find(dirname(fileURLToPath(import.meta.url)));

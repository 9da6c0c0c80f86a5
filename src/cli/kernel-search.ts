/** Which kernel a guest gets, and whether it can be read, before anything is made. Errors: StartError. */
import { accessSync, constants, statSync } from 'node:fs';
import { release } from 'node:os';
import { StartError } from '../util/errors.js';
import type { BootSpec } from '../vmm/config.js';

/** Where a kernel is looked for, in this order. @param version the host's kernel release */
export function kernelPlaces(version: string = release()): string[] {
  return [
    './bzImage',
    'arch/x86/boot/bzImage',
    '../../arch/x86/boot/bzImage',
    `/boot/vmlinuz-${version}`,
    `/boot/bzImage-${version}`,
  ];
}

/** The first kernel there is. Errors: StartError with the places. */
export function findKernel(places: readonly string[] = kernelPlaces()): string {
  const found = places.find(isFile);
  if (found !== undefined) return found;
  throw new StartError(
    `no kernel found in ${places.join(', ')}; name one: lkvm run -k FILE (on Debian or Ubuntu one is in the package linux-image-amd64 or linux-image-generic)`,
  );
}

function isFile(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** Refuses files that cannot be read, in the words that test suites for the C tool look for. */
export function checkBootFiles({ kernel, firmware, initrd }: BootSpec): void {
  for (const [kind, path] of Object.entries({ kernel, firmware, initrd })) {
    if (path !== undefined) checkReadable(kind, path);
  }
}

function checkReadable(kind: string, path: string): void {
  try {
    accessSync(path, constants.R_OK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new StartError(
      `Unable to open ${kind} ${path}: ${advice(kind, path, code ?? String(error))}`,
      error,
    );
  }
}

function advice(kind: string, path: string, code: string): string {
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return 'no such file';
    case 'EACCES':
      return `permission denied; make a copy that you may read: sudo install -m 644 ${path} ./${kind}`;
    default:
      return code;
  }
}

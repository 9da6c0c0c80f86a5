/** What a configuration names on this machine, looked at before anything is opened. Thread: main. */
import { accessSync, constants, realpathSync, statSync } from 'node:fs';
import { StartError } from '../util/errors.js';
import type { DeviceSpec, TreeSpec } from '../workers/reactor/device-spec.js';

/**
 * A device with the real path of its share, as the original resolves it (once, at the start).
 * Errors: StartError if a shared directory is missing, not permitted or not a directory.
 */
export function resolveShare<T extends DeviceSpec>(device: T): T {
  return device.name === 'p9' ? { ...device, tree: resolveTree(device.tree) } : device;
}

function resolveTree(tree: TreeSpec): TreeSpec {
  return tree.kind === 'directory' ? { ...tree, path: resolveDirectory(tree.path) } : tree;
}

function resolveDirectory(path: string): string {
  try {
    const real = realpathSync(path);
    if (statSync(real).isDirectory()) {
      accessSync(real, constants.X_OK); // opening it works without, and then nothing in it
      return real;
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new StartError(
      `--9p ${path}: cannot share it: ${code ?? String(error)}; a directory that you may enter is expected`,
      error,
    );
  }
  throw new StartError(`--9p ${path}: not a directory`);
}

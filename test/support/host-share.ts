/** A temporary host directory served by a real server over a real tree. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { HostTree } from '#lkvm/backends/hostfs/host-tree.js';
import { ManualBlocking, P9Rig, type P9RigOptions } from './p9-rig.js';
import { tempDir } from './temp.js';

export interface HostShareOptions extends Partial<Omit<P9RigOptions, 'tree'>> {
  readonly readOnly?: boolean;
  readonly maxNodes?: number;
  /** Leave pending requests pending. */
  readonly manual?: boolean;
}

export interface HostShare {
  /** The folder that is shared. */
  readonly dir: string;
  /** A folder beside it, out of the client's reach. */
  readonly outside: string;
  readonly rig: P9Rig;
  readonly tree: HostTree;
  readonly blocking: ManualBlocking;
}

/** Mounted: fid 0 is the root. Everything is removed after the test. */
export function hostShare(t: TestContext, options: HostShareOptions = {}): HostShare {
  const top = tempDir(t);
  const dir = join(top, 'share');
  const outside = join(top, 'outside');
  mkdirSync(dir);
  mkdirSync(outside);
  const blocking = new ManualBlocking();
  const { readOnly = false, maxNodes, manual = false, ...rest } = options;
  const tree = new HostTree({
    path: dir,
    readOnly,
    blocking,
    ...(maxNodes === undefined ? {} : { maxNodes }),
  });
  const rig = new P9Rig({ ...rest, tree, ...(manual ? {} : { onPending: () => blocking.run() }) });
  t.after(() => {
    blocking.run();
    rig.server.close();
  });
  rig.mount();
  return { dir, outside, rig, tree, blocking };
}

/** Trees made in JavaScript that live in the reactor. */

import { EIO } from '../abi/errno.js';
import { ConfigError } from '../util/errors.js';
import type { Log } from '../util/ports.js';
import type { FileTree } from './file-tree.js';
import { RequestTree, type TreeTransport } from './request-tree.js';
import type { SimpleTree } from './simple-tree.js';
import { TreeEngine } from './tree-engine.js';
import type { TreeReply, TreeRequest } from './tree-messages.js';
import { bareReply } from './tree-messages.js';

/** Executes requests on the spot. */
class LocalTransport<N extends object> implements TreeTransport {
  readonly #engine: TreeEngine<N>;
  readonly #log: Log;

  constructor(tree: SimpleTree<N>, log: Log) {
    this.#log = log;
    this.#engine = new TreeEngine(tree, (error) => log.warn(`9p tree: ${describe(error)}`));
  }

  send(request: TreeRequest): TreeReply {
    const reply = this.#engine.handle(request);
    if (!(reply instanceof Promise)) return reply;
    this.#log.warn(
      `9p tree: ${request.operation} returned a promise; in the reactor nothing can be awaited, use remoteTree()`,
    );
    return bareReply(request.id, -EIO);
  }

  close(): void {
    this.#engine.closeAll();
  }
}

/** Serves a {@link SimpleTree} whose methods answer at once. Thread: reactor. */
export function simpleTree<N extends object>(tree: SimpleTree<N>, log: Log): FileTree {
  return new RequestTree(new LocalTransport(tree, log));
}

/**
 * The tree that a module's export made: a {@link SimpleTree}, or a {@link FileTree} if it has `attach`.
 * @param what names it in messages ("./tree.js#tree")
 * Errors: ConfigError if it is neither.
 */
export function treeFromExport(value: unknown, what: string, log: Log): FileTree {
  if (hasMethods(value, FILE_TREE_METHODS)) return value as FileTree;
  if (hasMethods(value, SIMPLE_TREE_METHODS)) return simpleTree(value as SimpleTree<object>, log);
  throw new ConfigError(
    `9p tree ${what}: it must have the methods ${SIMPLE_TREE_METHODS.join(', ')} (a SimpleTree) or be a FileTree`,
  );
}

const SIMPLE_TREE_METHODS = ['root', 'lookup', 'getattr', 'readdir'];
const FILE_TREE_METHODS = ['attach', 'walk', 'forget', 'getattr', 'open', 'read', 'readdir', 'close'];

/** Whether something can be served as a {@link SimpleTree}. */
export function isSimpleTree(value: unknown): value is SimpleTree<object> {
  return hasMethods(value, SIMPLE_TREE_METHODS);
}

function hasMethods(value: unknown, names: readonly string[]): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const fields = value as Record<string, unknown>;
  return names.every((name) => typeof fields[name] === 'function');
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/**
 * Trees that live on another thread than the server, usually main: requests and answers go as messages, so a request
 * takes two thread hops (some 0.1 ms), and the tree's methods may return promises.
 *
 *     main:     const server = remoteTree(tree).serve((reply) => port.postMessage(reply));   port.on('message', server.onMessage)
 *     reactor:  const proxy = remoteTreeProxy((request) => port.postMessage(request));        on wake: proxy.onMessage(message)
 */
import { ConfigError } from '../util/errors.js';
import type { FileTree } from './file-tree.js';
import { isSimpleTree } from './js-tree.js';
import { RequestTree } from './request-tree.js';
import type { SimpleTree } from './simple-tree.js';
import { TreeEngine } from './tree-engine.js';
import type { TreeReply, TreeRequest } from './tree-messages.js';

/** A served tree. Thread: the tree's. */
export interface RemoteTreeServer {
  /** A message of the proxy. */
  readonly onMessage: (message: unknown) => void;
  /** The proxy is gone: closes what it had open. */
  readonly close: () => void;
}

/** A tree ready to be served to a reactor. Made by {@link remoteTree}. */
export interface RemoteTree {
  /**
   * @param post sends a message (structured clone) to the proxy
   * @param onError told of exceptions in the tree that are not errnos; default: nobody
   */
  serve(post: (message: unknown) => void, onError?: (error: unknown) => void): RemoteTreeServer;
}

/**
 * Wraps a {@link SimpleTree} for use from a reactor.
 *
 *     const pmm = await createPmm({ ..., devices: [{ type: '9p', remote: 0 }] }, { trees: [remoteTree(new MyTree())] });
 *
 * Errors: ConfigError if a method that every tree needs is missing.
 */
export function remoteTree<N extends object>(tree: SimpleTree<N>): RemoteTree {
  if (!isSimpleTree(tree))
    throw new ConfigError('a tree must have the methods root, lookup, getattr, readdir');
  return {
    serve(post, onError = () => undefined) {
      const engine = new TreeEngine(tree, onError);
      return {
        onMessage: (message) => {
          const request = message as TreeRequest;
          const reply = engine.handle(request);
          if (request.operation === 'forget') return;
          if (reply instanceof Promise) void reply.then(post);
          else post(reply);
        },
        close: () => engine.closeAll(),
      };
    },
  };
}

/** The reactor's end of a remote tree. Thread: reactor. */
export interface RemoteTreeProxy {
  /** Give it to the server. */
  readonly tree: FileTree;
  /** A message of the tree's thread: an answer. */
  readonly onMessage: (message: unknown) => void;
}

/** @param post sends a message (structured clone) to the thread of the tree */
export function remoteTreeProxy(post: (message: unknown) => void): RemoteTreeProxy {
  const tree = new RequestTree({
    send: (request) => {
      post(request);
      return undefined;
    },
    close: () => undefined,
  });
  return { tree, onMessage: (message) => tree.onReply(message as TreeReply) };
}

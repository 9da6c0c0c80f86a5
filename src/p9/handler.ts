/** One 9P message: how it starts and how it is answered. */
import type { ServerState } from './server-state.js';
import type { TreeCall } from './tree-call.js';
import type { WireWriter } from './wire.js';

/**
 * There is one constant of this type per T-message; its comment shows the wire layout, fields in order after
 * size[4] type[1] tag[2]. The server refuses the message without starting it when the tree is read-only and the message
 * changes something, or when the reply would have no room.
 */
export interface Handler {
  /** Least room for the R-message, in bytes. */
  readonly replyBytes: number;
  /** True if it changes the tree. */
  readonly mutates: boolean;
  /** Decodes and does it. @returns status >= 0, -errno, or PENDING */
  start(state: ServerState, call: TreeCall): number;
  /**
   * Encodes the reply's fields after the status was >= 0.
   * @param w stands behind the header
   * @returns 0, or -errno if it fails now after all
   */
  reply(state: ServerState, call: TreeCall, status: number, w: WireWriter): number;
}

/** For replies without fields. */
export function emptyReply(): number {
  return 0;
}

/** Tlock, Tgetlock. See `../locks.ts` for what they mean here. */
import { EBADF, EINVAL, EOVERFLOW } from '../../abi/errno.js';
import { P9_LOCK_BLOCKED, P9_LOCK_SUCCESS, P9_LOCK_TYPE_UNLCK, P9_MAX_NAME_BYTES } from '../../abi/p9.js';
import { FID_OPEN, type Fid } from '../fids.js';
import type { Handler } from '../handler.js';
import type { LockRange } from '../locks.js';
import type { ServerState } from '../server-state.js';

const textEncoder = new TextEncoder();

/** Decodes the last fields of both messages: start[8] length[8] proc_id[4] client_id[s]. @returns the range or -errno */
function takeRange(s: ServerState, type: number): LockRange | number {
  const r = s.reader;
  const start = r.u64();
  const length = r.u64();
  const procId = r.u32();
  const client = s.takeName();
  const bad = s.endRequest();
  if (bad < 0) return bad;
  if (type > P9_LOCK_TYPE_UNLCK || client.length > P9_MAX_NAME_BYTES) return -EINVAL;
  if (!Number.isSafeInteger(start + length)) return -EOVERFLOW;
  const end = length === 0 ? Number.POSITIVE_INFINITY : start + length;
  return { type, start, end, procId, clientId: client.text() ?? '' };
}

/**
 * Tlock fid[4] type[1] flags[4] start[8] length[8] proc_id[4] client_id[s] -> Rlock status[1].
 * A lock held by somebody else is answered with BLOCKED at once; a client that wants to wait asks again.
 */
export const lock: Handler = {
  replyBytes: 8,
  mutates: false,
  start(s, call) {
    const id = s.reader.u32();
    const type = s.reader.u8();
    s.reader.skip(4);
    const range = takeRange(s, type);
    if (typeof range === 'number') return range;
    if (!s.useFid(call, id)) return -EBADF;
    const fid = call.fid as Fid;
    if (fid.state !== FID_OPEN) return -EBADF;
    if (type !== P9_LOCK_TYPE_UNLCK && s.locks.conflict(fid, range) !== undefined) return P9_LOCK_BLOCKED;
    const failed = s.locks.set(fid, range);
    return failed < 0 ? failed : P9_LOCK_SUCCESS;
  },
  reply(_s, _call, status, w) {
    w.u8(status);
    return 0;
  },
};

/**
 * Tgetlock fid[4] type[1] start[8] length[8] proc_id[4] client_id[s]
 * -> Rgetlock type[1] start[8] length[8] proc_id[4] client_id[s]: a lock in the way, or what was asked with type UNLCK.
 */
export const getlock: Handler = {
  replyBytes: 30,
  mutates: false,
  start(s, call) {
    const id = s.reader.u32();
    const type = s.reader.u8();
    const range = takeRange(s, type);
    if (typeof range === 'number') return range;
    if (!s.useFid(call, id)) return -EBADF;
    const fid = call.fid as Fid;
    if (fid.state !== FID_OPEN) return -EBADF;
    s.lockAnswer = s.locks.conflict(fid, range) ?? { ...range, type: P9_LOCK_TYPE_UNLCK };
    return 0;
  },
  reply(s, _call, _status, w) {
    const answer = s.lockAnswer;
    const client = textEncoder.encode(answer.clientId);
    w.u8(answer.type);
    w.u64(answer.start);
    w.u64(answer.end === Number.POSITIVE_INFINITY ? 0 : answer.end - answer.start);
    w.u32(answer.procId);
    w.string(client, 0, client.length);
    return 0;
  },
};

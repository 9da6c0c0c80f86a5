/**
 * The client's half of the 9P2000.L codec: encodes T-messages, decodes R-messages. Bytes in and out, no I/O and no
 * state: fids, tags and retries belong to the caller.
 *
 * Encoders write the message at offset 0 of `buf` and return its length in bytes, or 0 if it does not fit. Data is not
 * copied: {@link P9Encoder.twrite} writes the header only, the caller puts the data behind it (or in the next buffer of
 * the chain); for Rread and Rreaddir the decoder says where the data lies.
 *
 * Thread: any. Hot path: {@link P9Encoder} and {@link P9Reply} are made once and reused, nothing is allocated per message
 * except the strings of `version`.
 */
export {
  P9_DIR_START,
  type P9AttributeChange,
  type P9CreateOptions,
  type P9DirCookie,
  P9Encoder,
  type P9Place,
  type P9Text,
} from './client-encoder.js';
export { P9Reply } from './client-reply.js';

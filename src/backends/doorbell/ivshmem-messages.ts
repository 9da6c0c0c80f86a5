/** What an ivshmem server sends, message by message. Spec: QEMU docs/specs/ivshmem-spec. Thread: any one. */
import { EAGAIN, EINTR } from '../../abi/errno.js';
import { IVSHMEM_MESSAGE_BYTES } from '../../abi/ivshmem.js';
import { close } from '../../sys/fd.js';
import { recvWithFds } from '../../sys/socket.js';

/** {@link IvshmemMessages.next}: a message is there. */
export const MESSAGE_READY = 1;
/** {@link IvshmemMessages.next}: nothing more for now. */
export const MESSAGE_NONE = 0;
/** {@link IvshmemMessages.next}: the server has closed the connection, or it broke. */
export const MESSAGE_END = -1;

/** Reads messages from a connection, exactly one at a time, so that somebody else can go on after any of them. */
export class IvshmemMessages {
  /** The message's number: a version, an id, or -1. NaN if it is none of these. */
  value = Number.NaN;
  /** The descriptor that came with it, or -1; it belongs to the caller. */
  fd = -1;
  readonly #connection: number;
  readonly #bytes = new Uint8Array(IVSHMEM_MESSAGE_BYTES);
  readonly #view = new DataView(this.#bytes.buffer);
  #have = 0;
  #fds: number[] = [];

  /** @param connection non-blocking; stays open when this goes */
  constructor(connection: number) {
    this.#connection = connection;
  }

  /** Reads one message into {@link value} and {@link fd}. Never waits. @returns MESSAGE_... */
  next(): number {
    while (this.#have < IVSHMEM_MESSAGE_BYTES) {
      const n = recvWithFds(this.#connection, this.#bytes.subarray(this.#have), this.#fds);
      if (n === -EAGAIN || n === -EINTR) return MESSAGE_NONE;
      if (n <= 0) {
        this.discard();
        return MESSAGE_END;
      }
      this.#have += n;
    }
    this.#have = 0;
    const [fd = -1, ...more] = this.#fds;
    for (const surplus of more) close(surplus); // one message has one
    this.#fds = [];
    const value = this.#view.getBigInt64(0, true);
    this.value = value >= -1n && value <= 0xffff_ffffn ? Number(value) : Number.NaN;
    this.fd = fd;
    return MESSAGE_READY;
  }

  /** Closes descriptors of a message that has not come completely. */
  discard(): void {
    for (const fd of this.#fds) close(fd);
    this.#fds = [];
  }
}

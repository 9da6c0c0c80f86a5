/** What the network device needs from the host. Thread: reactor. */
import type { IovArray } from '../../../memory/iov-array.js';

/** Told when there is something to do. Implemented by the device; safe to call when no driver runs. */
export interface NetListener {
  /**
   * Frames for the driver can be taken.
   * @returns true if there is more to do than one call may: call again soon, after other work
   */
  receiveReady(): boolean;
  /** Frames can be sent again after -EAGAIN. @returns as {@link receiveReady} */
  sendReady(): boolean;
}

/** A network: frames in, frames out. */
export interface NetBackend {
  /** Offloads offered to a driver: a mask with bit VIRTIO_NET_F_CSUM, GUEST_..., HOST_... set. */
  readonly offloads: number;
  /** Offloads it can do when a predefined feature list asks for them; a superset of `offloads`. */
  readonly possibleOffloads: number;
  /** A frame can be taken now, without waiting for an event. */
  readonly pending: boolean;
  /** After {@link receive} returned more than its limit: the bytes beyond it. Valid until the next call. */
  readonly overflow: Uint8Array;

  /** Who is told. Called once. */
  setListener(listener: NetListener): void;
  /**
   * A driver starts.
   * @param headerBytes bytes of the packet header, 10 or 12
   * @param features bits 0 ... 31 of what was negotiated
   */
  start(headerBytes: number, features: number): void;
  /** The driver is gone: no call of the listener until the next {@link start}. */
  stop(): void;
  /**
   * Sends one frame. Hot path; never waits.
   * @param header checked copy of the packet header, at least `headerBytes` long
   * @param iov the packet; the frame begins at byte `headerBytes`
   * @returns >= 0, or -EAGAIN: not now, the listener is called; another -errno: the frame was not sent and never will be
   */
  send(header: Uint8Array, iov: IovArray): number;
  /**
   * Takes the next frame. Hot path; never waits. What it writes into the first `headerBytes` bytes is a valid packet
   * header if offloads were negotiated, and of no meaning otherwise.
   * @param iov the list; header and frame go to its bytes from entry `first` on
   * @param limit most bytes, header included
   * @returns bytes of header and frame, more than `limit` if it did not fit; 0 = there is none
   */
  receive(iov: IovArray, first: number, limit: number): number;
  /** Whether the listener is to be called when a frame arrives. Off at the start. Cheap when nothing changes. */
  watch(on: boolean): void;
  /** Frees host resources. */
  close(): void;
}

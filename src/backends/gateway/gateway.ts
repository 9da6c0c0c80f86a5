/**
 * A network of one host: a gateway that answers by itself, needs no privileges and no system call. Replies wait in a
 * small ring of frames until the driver has posted buffers; when that is full, further frames go unanswered.
 */
import { ENOBUFS, EOPNOTSUPP } from '../../abi/errno.js';
import type { IovArray } from '../../memory/iov-array.js';
import { ConfigError } from '../../util/errors.js';
import type { NetBackend, NetListener } from '../../virtio/devices/net/backend.js';
import { FrameQueue } from '../frame-queue.js';
import { parseIp } from './bytes.js';
import { FRAME_BYTES, Responder } from './responder.js';

/** Replies that may wait. */
const RING_FRAMES = 64;

export interface GatewayOptions {
  /** The gateway's address; default 192.168.33.1. */
  readonly hostIp?: string;
  /** The address DHCP gives to the driver; default 192.168.33.15, in the same /24. */
  readonly guestIp?: string;
  /** The gateway's MAC address; default 02:01:01:01:01:01. */
  readonly hostMac?: readonly number[];
  /** Name servers announced by DHCP, at most 4; default the gateway (which refuses, so that nobody waits). */
  readonly dns?: readonly string[];
  /** Default one day. */
  readonly leaseSeconds?: number;
}

/** Thread: reactor. */
export class GatewayBackend implements NetBackend {
  readonly offloads = 0;
  readonly possibleOffloads = 0;
  /** A reply waits. */
  pending = false;
  readonly #responder: Responder;
  readonly #frame = new Uint8Array(FRAME_BYTES);
  readonly #replies = new FrameQueue(RING_FRAMES, FRAME_BYTES);
  readonly overflow = this.#replies.overflow;
  #headerBytes = 0;

  /** Errors: ConfigError for an address that is none. */
  constructor(options: GatewayOptions = {}) {
    const serverIp = address('host_ip', options.hostIp ?? '192.168.33.1');
    const clientIp = address('guest_ip', options.guestIp ?? '192.168.33.15');
    if (serverIp >>> 8 !== clientIp >>> 8 || serverIp === clientIp) {
      throw new ConfigError('host_ip and guest_ip must be two addresses of one network a.b.c.0/24');
    }
    this.#responder = new Responder({
      mac: options.hostMac ?? [0x02, 0x01, 0x01, 0x01, 0x01, 0x01],
      serverIp,
      clientIp,
      netmask: 0xffff_ff00,
      router: serverIp,
      dns: (options.dns?.slice(0, 4) ?? [])
        .map((text) => address('dns', text))
        .concat(options.dns ? [] : [serverIp]),
      leaseSeconds: options.leaseSeconds ?? 86_400,
    });
  }

  setListener(_listener: NetListener): void {
    // Replies are made while the driver's frame is handled; there is nobody to call later.
  }

  start(headerBytes: number): void {
    this.#headerBytes = headerBytes;
    this.#clear();
  }

  stop(): void {
    this.#clear();
  }

  send(_header: Uint8Array, iov: IovArray): number {
    const bytes = iov.bytes - this.#headerBytes;
    if (bytes > FRAME_BYTES) return -EOPNOTSUPP;
    if (this.#replies.full) return -ENOBUFS;
    iov.gather(this.#frame, 0, this.#headerBytes, bytes);
    const n = this.#responder.answer(this.#frame, bytes, this.#replies.next());
    if (n < 0) return -EOPNOTSUPP;
    if (n > 0) {
      this.#replies.commit(n);
      this.pending = true;
    }
    return 0;
  }

  receive(iov: IovArray, first: number, limit: number): number {
    const bytes = this.#replies.receive(this.#headerBytes, iov, first, limit);
    this.pending = !this.#replies.empty;
    return bytes;
  }

  watch(_on: boolean): void {
    // see setListener
  }

  close(): void {
    this.#clear();
  }

  #clear(): void {
    this.#replies.clear();
    this.pending = false;
  }
}

function address(option: string, text: string): number {
  const ip = parseIp(text);
  if (ip <= 0) throw new ConfigError(`${option}=${text} is not an IPv4 address; give one like 192.168.33.1`);
  return ip;
}

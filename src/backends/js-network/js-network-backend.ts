/**
 * The host side of a network card whose network is JavaScript: in the reactor, where a frame costs a copy and a call, or on
 * another thread, where it is a message each way. Thread: reactor.
 */
import { EAGAIN, EOPNOTSUPP } from '../../abi/errno.js';
import type { IovArray } from '../../memory/iov-array.js';
import { ConfigError } from '../../util/errors.js';
import type { Log } from '../../util/ports.js';
import type { NetBackend, NetListener } from '../../virtio/devices/net/backend.js';
import { FrameQueue } from '../frame-queue.js';
import { isNetwork, type JsNetwork, type NetworkMessage, type NetworkPort } from './network.js';

/** An Ethernet header, and with it a payload of 1500 bytes. */
const MIN_FRAME_BYTES = 14;
const MAX_FRAME_BYTES = 1514;
/** Frames for the driver that may wait. */
const WAITING = 256;
/** Frames under way to another thread; more wait in the driver's queue. */
const UNDER_WAY = 64;

/** See the file's head. */
export class JsNetworkBackend implements NetBackend {
  readonly offloads = 0;
  readonly possibleOffloads = 0;
  pending = false;
  readonly #network: JsNetwork;
  readonly #log: Log;
  readonly #port: NetworkPort = { send: (frame) => this.#deliver(frame) };
  readonly #incoming = new FrameQueue(WAITING, MAX_FRAME_BYTES);
  readonly overflow = this.#incoming.overflow;
  readonly #frame = new Uint8Array(MAX_FRAME_BYTES);
  #listener: NetListener | undefined;
  #headerBytes = 0;
  #running = false;
  #watching = false;
  /** Frames given to a network that has not taken them yet. */
  #underWay = 0;
  #blocked = false;

  /** @param network its exceptions go to the log and cost the frame */
  constructor(network: JsNetwork, log: Log) {
    this.#network = network;
    this.#log = log;
  }

  setListener(listener: NetListener): void {
    this.#listener = listener;
  }

  start(headerBytes: number): void {
    this.#headerBytes = headerBytes;
    this.#running = true;
    this.#guarded(() => this.#network.start?.(this.#port));
  }

  stop(): void {
    if (this.#running) this.#guarded(() => this.#network.stop?.());
    this.#running = false;
    this.#watching = false;
    this.#incoming.clear();
    this.pending = false;
  }

  send(_header: Uint8Array, iov: IovArray): number {
    const bytes = iov.bytes - this.#headerBytes;
    if (bytes < MIN_FRAME_BYTES || bytes > MAX_FRAME_BYTES) return -EOPNOTSUPP;
    if (this.#underWay >= UNDER_WAY) {
      this.#blocked = true;
      return -EAGAIN;
    }
    iov.gather(this.#frame, 0, this.#headerBytes, bytes);
    try {
      this.#network.frame(this.#frame.subarray(0, bytes), this.#port);
    } catch (error) {
      this.#complain(error);
    }
    return 0;
  }

  receive(iov: IovArray, first: number, limit: number): number {
    const bytes = this.#incoming.receive(this.#headerBytes, iov, first, limit);
    this.pending = !this.#incoming.empty;
    return bytes;
  }

  watch(on: boolean): void {
    this.#watching = on;
  }

  close(): void {
    this.stop();
  }

  /** One more frame is under way to another thread. */
  given(): void {
    this.#underWay++;
  }

  /** One less. */
  taken(): void {
    this.#underWay--;
    if (!this.#blocked || this.#underWay > UNDER_WAY / 2) return;
    this.#blocked = false;
    this.#listener?.sendReady();
  }

  /** A frame for the driver. @returns see `NetworkPort.send` */
  #deliver(frame: Uint8Array): boolean {
    const { length } = frame;
    const good = length >= MIN_FRAME_BYTES && length <= MAX_FRAME_BYTES;
    if (!this.#running || !good || this.#incoming.full) return false;
    this.#incoming.next().set(frame);
    this.#incoming.commit(length);
    this.pending = true;
    if (this.#watching) this.#listener?.receiveReady();
    return true;
  }

  #guarded(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#complain(error);
    }
  }

  #complain(error: unknown): void {
    this.#log.warn(
      `network card: its network has thrown ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

/** A network on another thread, and the way of its messages. */
export interface RemoteNetworkProxy {
  readonly backend: NetBackend;
  /** A message of the network's thread. */
  readonly onMessage: (message: unknown) => void;
}

/** @param post sends a message (structured clone) to the network's thread */
export function remoteNetworkProxy(post: (message: NetworkMessage) => void, log: Log): RemoteNetworkProxy {
  let port: NetworkPort | undefined;
  const backend = new JsNetworkBackend(
    {
      start: (given) => {
        port = given;
        post({ kind: 'start' });
      },
      frame: (frame) => {
        backend.given();
        post({ kind: 'frame', frame: frame.slice() });
      },
      stop: () => post({ kind: 'stop' }),
    },
    log,
  );
  return {
    backend,
    onMessage: (message) => {
      const { kind, frame } = message as { kind: NetworkMessage['kind']; frame: Uint8Array };
      if (kind === 'taken') backend.taken();
      else if (kind === 'frame') port?.send(frame);
    },
  };
}

/** The network that a module's export made. @param what names it in messages Errors: ConfigError if it is none. */
export function networkFromExport(value: unknown, what: string): JsNetwork {
  if (isNetwork(value)) return value;
  throw new ConfigError(`network ${what}: it must have the method frame (a JsNetwork)`);
}

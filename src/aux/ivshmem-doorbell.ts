/**
 * The doorbell of an ivshmem server, from the peer's side, with the memory: joins, and again when the server has ended. The server is
 * usually the PMM itself; of one that is not, the PMM is a peer like us, and everybody is rung.
 *
 * Spec: QEMU docs/specs/ivshmem-spec, "The ivshmem Client-Server Protocol".
 */
import { IVSHMEM_MAX_ID, IVSHMEM_MEMORY, IVSHMEM_PROTOCOL_VERSION } from '../abi/ivshmem.js';
import { EPOLLIN } from '../abi/linux.js';
import type { Doorbell, DoorbellHandler } from '../backends/doorbell/doorbell.js';
import { IvshmemMessages, MESSAGE_NONE, MESSAGE_READY } from '../backends/doorbell/ivshmem-messages.js';
import { ivshmemPeerDoorbell } from '../backends/doorbell/ivshmem-peer.js';
import { close, seekEnd } from '../sys/fd.js';
import { connectUnix } from '../sys/socket.js';
import type { EventLoop, FdHandler, Log, TimerHandler, Watch } from '../util/ports.js';
import { connectTrouble, type Trouble } from './connect-trouble.js';
import type { AuxDoorbell } from './doorbell.js';
import type { HandedPool } from './pool.js';

const RETRY_US = 20_000;
/** After something that is no such server. */
const LONG_RETRY_US = 1_000_000;

/** See the file's head. */
export class IvshmemDoorbell implements AuxDoorbell, FdHandler, TimerHandler {
  readonly #path: string;
  readonly #loop: EventLoop;
  readonly #log: Log;
  #handler: DoorbellHandler | undefined;
  #connection = -1;
  /** While we join: the first three messages. */
  #joining: { readonly messages: IvshmemMessages; readonly watch: Watch } | undefined;
  #received: number[] = [];
  #handed: HandedPool | undefined;
  #line: Doorbell | undefined;
  #peers = 0;
  /** Of the last attempt to connect, or 0. */
  #errno = 0;

  constructor(path: string, loop: EventLoop, log: Log) {
    this.#path = path;
    this.#loop = loop;
    this.#log = log;
  }

  get up(): boolean {
    return this.#peers > 0;
  }

  get handed(): HandedPool | undefined {
    return this.#handed;
  }

  get trouble(): Trouble | undefined {
    if (this.#errno !== 0) return connectTrouble(this.#path, this.#errno);
    if (this.#handed === undefined) return undefined;
    return { what: 'the ivshmem server is there, but no other peer', advice: undefined };
  }

  open(handler: DoorbellHandler): void {
    this.#handler = handler;
    this.onTimer();
  }

  /** Time to connect. */
  onTimer(): void {
    if (this.#handler === undefined || this.#connection >= 0) return;
    const fd = connectUnix(this.#path);
    this.#errno = Math.max(0, -fd);
    if (fd < 0) {
      this.#loop.after(RETRY_US, this);
      return;
    }
    this.#connection = fd;
    this.#received = [];
    this.#joining = { messages: new IvshmemMessages(fd), watch: this.#loop.watch(fd, EPOLLIN, this) };
  }

  /** The server has sent something, or has ended, while we join. */
  onReady(): void {
    for (let joining = this.#joining; joining !== undefined; joining = this.#joining) {
      const { messages } = joining;
      const result = messages.next();
      if (result === MESSAGE_NONE) return;
      if (result === MESSAGE_READY) this.#take(messages.value, messages.fd);
      else this.#lost(RETRY_US);
    }
  }

  signal(): void {
    this.#line?.signal();
  }

  close(): void {
    this.#handler = undefined;
    this.#release();
  }

  /** One of the first three messages: version, our id, the memory. */
  #take(value: number, fd: number): void {
    const [version, id] = this.#received;
    if (version !== undefined && id !== undefined && value === IVSHMEM_MEMORY && fd >= 0) {
      this.#join(id, fd);
      return;
    }
    if (fd >= 0) close(fd);
    const expected =
      version === undefined ? value === IVSHMEM_PROTOCOL_VERSION : id === undefined && isId(value);
    if (expected) {
      this.#received.push(value);
      return;
    }
    this.#log.warn(`${this.#path} is no ivshmem server as we know them: it has sent ${value}`);
    this.#lost(LONG_RETRY_US);
  }

  #join(id: number, memoryFd: number): void {
    this.#joining?.watch.close();
    this.#joining = undefined;
    this.#handed = { address: undefined, bytes: Math.max(seekEnd(memoryFd), 0), fd: memoryFd };
    const place = { connection: this.#connection, id, memoryFd };
    this.#line = ivshmemPeerDoorbell(place, this.#loop, this.#log, () => this.#lost(RETRY_US));
    this.#line.open({
      onDoorbell: () => this.#handler?.onDoorbell(),
      onPeer: (up) => this.#count(up),
    });
  }

  #count(up: boolean): void {
    this.#peers += up ? 1 : -1;
    if (this.#peers === (up ? 1 : 0)) this.#handler?.onPeer(up);
  }

  #lost(retryUs: number): void {
    const wasUp = this.up;
    this.#release();
    if (wasUp) this.#handler?.onPeer(false);
    this.#loop.after(retryUs, this);
  }

  #release(): void {
    this.#joining?.watch.close();
    this.#joining?.messages.discard();
    this.#joining = undefined;
    this.#line?.close();
    this.#line = undefined;
    this.#peers = 0;
    for (const fd of [this.#connection, this.#handed?.fd ?? -1]) if (fd >= 0) close(fd);
    this.#connection = -1;
    this.#handed = undefined;
  }
}

function isId(value: number): boolean {
  return value >= 0 && value <= IVSHMEM_MAX_ID;
}

/**
 * A peer of an ivshmem server that was there before: it gives us an id, the shared memory, an eventfd to be rung with,
 * and one for every other peer. The PMM rings vector 0 of all others, and takes a ring on any of its own vectors.
 *
 * Joining is done by main ({@link joinIvshmem}), since the memory has to be there before anything else; the connection
 * then goes to the reactor, which hears of peers that come and go. When the server ends, the peers that are there stay
 * reachable, as the specification wants it.
 *
 * Spec: QEMU docs/specs/ivshmem-spec, "The ivshmem Client-Server Protocol".
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { IVSHMEM_MAX_ID, IVSHMEM_MEMORY, IVSHMEM_PROTOCOL_VERSION } from '../../abi/ivshmem.js';
import { EPOLLET, EPOLLIN, F_SETFL } from '../../abi/linux.js';
import { O_NONBLOCK, O_RDWR } from '../../sys/arch.js';
import { eventfdSignal } from '../../sys/eventfd.js';
import { close, fcntl } from '../../sys/fd.js';
import { errnoName } from '../../sys/libc.js';
import { connectUnix } from '../../sys/socket.js';
import { StartError } from '../../util/errors.js';
import type { EventLoop, FdHandler, Log, Watch } from '../../util/ports.js';
import type { Doorbell, DoorbellHandler } from './doorbell.js';
import { IvshmemMessages, MESSAGE_END, MESSAGE_NONE, MESSAGE_READY } from './ivshmem-messages.js';

/** How long a server may take until it has sent the memory, in milliseconds. */
const PATIENCE_MS = 5000;
const LOOK_MS = 2;
/** Other peers that are rung; more are ignored. */
const MAX_PEERS = 64;
/** Our own eventfds that are watched. */
const MAX_VECTORS = 64;
/** Messages handled per readiness, so that a server that never stops does not starve the rest. */
const BUDGET = 64;

/** A peer's place at a server; plain data. */
export interface IvshmemPlace {
  /** Connected to the server; the next message on it is the first after the memory. */
  readonly connection: number;
  /** Our id: what others ring. */
  readonly id: number;
  /** The shared memory. */
  readonly memoryFd: number;
}

/**
 * Joins a server and takes the memory from it. The caller closes both descriptors.
 * Errors: StartError (nobody listens, another protocol, no memory in time). Thread: main.
 */
export async function joinIvshmem(path: string, patienceMs = PATIENCE_MS): Promise<IvshmemPlace> {
  const connection = connectUnix(path);
  if (connection < 0) {
    throw new StartError(
      `no ivshmem server at ${path}: ${errnoName(-connection)}; start it first, or be one: ivshmem-server:${path}`,
    );
  }
  const messages = new IvshmemMessages(connection);
  const deadline = performance.now() + patienceMs;
  try {
    const version = await expect(messages, path, deadline);
    if (version !== IVSHMEM_PROTOCOL_VERSION) throw foreign(path, `protocol version ${version}, not 0`);
    const id = await expect(messages, path, deadline);
    if (!(id >= 0 && id <= IVSHMEM_MAX_ID)) throw foreign(path, `peer id ${id}, not 0 ... ${IVSHMEM_MAX_ID}`);
    const tag = await expect(messages, path, deadline);
    const memoryFd = messages.fd;
    messages.fd = -1;
    if (tag === IVSHMEM_MEMORY && memoryFd >= 0) return { connection, id, memoryFd };
    if (memoryFd >= 0) close(memoryFd);
    throw foreign(path, 'something else instead of the memory');
  } catch (error) {
    messages.discard();
    close(connection);
    throw error;
  }
}

/** The next message's value; a descriptor stays in `messages.fd` if it is the memory, others are closed. */
async function expect(messages: IvshmemMessages, path: string, deadline: number): Promise<number> {
  for (;;) {
    const result = messages.next();
    if (result === MESSAGE_READY) {
      if (messages.value !== IVSHMEM_MEMORY && messages.fd >= 0) {
        close(messages.fd);
        messages.fd = -1;
      }
      return messages.value;
    }
    if (result === MESSAGE_END) throw foreign(path, 'the end of the connection');
    if (performance.now() > deadline) throw foreign(path, 'nothing in time');
    await sleep(LOOK_MS);
  }
}

function foreign(path: string, what: string): StartError {
  return new StartError(`${path} is no ivshmem server as this PMM knows them: it has sent ${what}`);
}

/** See the file's head. Thread: reactor. */
class IvshmemPeer implements Doorbell, FdHandler {
  readonly #place: IvshmemPlace;
  readonly #loop: EventLoop;
  readonly #log: Log;
  readonly #messages: IvshmemMessages;
  readonly #onServerEnd: (() => void) | undefined;
  /** Vector 0 of every other peer. */
  readonly #lines = new Map<number, number>();
  /** The same, for signals. */
  #targets: number[] = [];
  readonly #ours: { readonly fd: number; readonly watch: Watch }[] = [];
  #handler: DoorbellHandler | undefined;
  #watch: Watch | undefined;

  constructor(place: IvshmemPlace, loop: EventLoop, log: Log, onServerEnd: (() => void) | undefined) {
    this.#onServerEnd = onServerEnd;
    this.#place = place;
    this.#loop = loop;
    this.#log = log;
    this.#messages = new IvshmemMessages(place.connection);
  }

  open(handler: DoorbellHandler): void {
    this.#handler = handler;
    this.#watch = this.#loop.watch(this.#place.connection, EPOLLIN, this);
  }

  onReady(): void {
    for (let budget = BUDGET; budget > 0; budget--) {
      const result = this.#messages.next();
      if (result === MESSAGE_NONE) return;
      if (result === MESSAGE_END) {
        this.#leave('has ended; peers that are there stay, others cannot come');
        return;
      }
      const { fd, value } = this.#messages;
      if (!(value >= 0 && value <= IVSHMEM_MAX_ID)) {
        if (fd >= 0) close(fd);
        this.#leave(`has sent ${value}, which is no peer's id; it is not listened to any more`);
        return;
      }
      if (fd < 0) this.#gone(value);
      else if (value === this.#place.id) this.#addOurs(fd);
      else this.#addLine(value, fd);
    }
  }

  signal(): void {
    const targets = this.#targets;
    for (let i = 0; i < targets.length; i++) eventfdSignal(targets[i] as number);
  }

  close(): void {
    this.#handler = undefined;
    this.#watch?.close();
    this.#watch = undefined;
    this.#messages.discard();
    for (const { fd, watch } of this.#ours.splice(0)) {
      watch.close();
      close(fd);
    }
    for (const fd of this.#lines.values()) close(fd);
    this.#lines.clear();
    this.#targets = [];
  }

  /** An eventfd to be rung with. It is never read: every write is an edge (see `EventfdPair`). */
  #addOurs(fd: number): void {
    if (this.#ours.length === MAX_VECTORS) {
      close(fd);
      return;
    }
    try {
      const onReady = () => this.#handler?.onDoorbell();
      this.#ours.push({ fd, watch: this.#loop.watch(fd, EPOLLIN | EPOLLET, { onReady }) });
    } catch {
      this.#log.warn('ivshmem: the server has sent a file instead of an eventfd to be rung with');
      close(fd);
    }
  }

  /** Another peer's eventfd: its vector 0 the first time, then vectors that we do not ring. */
  #addLine(id: number, fd: number): void {
    if (this.#lines.has(id) || this.#lines.size === MAX_PEERS) {
      close(fd);
      return;
    }
    fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK); // a signal must not wait, whatever the peer does with its end
    this.#lines.set(id, fd);
    this.#targets = [...this.#lines.values()];
    this.#log.debug?.(`ivshmem: peer ${id} has come`);
    this.#handler?.onPeer(true);
  }

  #gone(id: number): void {
    const fd = this.#lines.get(id);
    if (fd === undefined) return;
    this.#lines.delete(id);
    this.#targets = [...this.#lines.values()];
    close(fd);
    this.#log.debug?.(`ivshmem: peer ${id} has gone`);
    this.#handler?.onPeer(false);
  }

  #leave(why: string): void {
    this.#watch?.close();
    this.#watch = undefined;
    if (this.#onServerEnd === undefined) this.#log.warn(`ivshmem: the server ${why}`);
    else this.#onServerEnd();
  }
}

/**
 * `ivshmem:PATH`: see the file's head.
 * @param place from {@link joinIvshmem}; its descriptors stay open
 * @param onServerEnd who wants to join again instead of going on with the peers that are there; this doorbell is to be closed then
 */
export function ivshmemPeerDoorbell(
  place: IvshmemPlace,
  loop: EventLoop,
  log: Log,
  onServerEnd?: () => void,
): Doorbell {
  return new IvshmemPeer(place, loop, log, onServerEnd);
}

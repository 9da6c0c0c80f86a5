/**
 * The reactor's end of a serial port (or of a debug port): output from its ring to the host, input from the host to its ring.
 *
 * Output is written some time after its first byte, so that a boot log costs a thread switch per millisecond and not per byte:
 * the first byte into an empty ring rings a doorbell; the pump then looks at the ring by timer until it finds it empty, and
 * only then asks for a doorbell again. A ring that is half full rings at once.
 *
 * Thread: reactor.
 */
import { EPOLLIN } from '../../abi/linux.js';
import { GuestMemory } from '../../memory/guest-memory.js';
import { IovArray } from '../../memory/iov-array.js';
import type { OutputRing } from '../../platform/output-ring.js';
import { eventfdDrain } from '../../sys/eventfd.js';
import { type Mapping, mapPrivate, unmap } from '../../sys/map.js';
import type { EventLoop, FdHandler, TimerHandler, Watch } from '../../util/ports.js';
import type { ConsoleBackend, ConsoleListener } from '../../virtio/devices/console/backend.js';

/** Where output comes from: `Serial8250`, `DebugOutput`. */
export interface OutputSource {
  readonly output: OutputRing;
  /** Some of it has been taken. */
  outputTaken(): void;
}

/** Where input goes: `Serial8250`. */
export interface InputSink {
  /** Bytes it takes now; 0 = the doorbell will be rung when to ask again. */
  inputRoom(): number;
  /** @param bytes at most what {@link inputRoom} said */
  receive(from: Uint8Array, bytes: number): number;
}

/** From the first byte of output to its writing, microseconds. Also how long a line's end may wait for its echo. */
const DELAY_US = 1000;
const OUT_BYTES = 0x4000;
const IN_BYTES = 0x1000;
/** Blocks moved before other work gets its turn. */
const BUDGET = 16;

/** One port's. Reads from the host as long as the port takes it; nothing is lost in either direction. */
export class SerialPump implements ConsoleListener, TimerHandler {
  readonly #loop: EventLoop;
  readonly #source: OutputSource;
  readonly #sink: InputSink | undefined;
  readonly #backend: ConsoleBackend;
  readonly #mapping: Mapping;
  readonly #memory: GuestMemory;
  /** What was taken out of the ring and is being written. */
  readonly #out: IovArray;
  readonly #in: IovArray;
  /** Bytes of `#out` already written. */
  #written = 0;
  #timer = 0;
  readonly #moreInput: TimerHandler = {
    onTimer: () => {
      this.#inputTimer = 0;
      this.#goOn();
    },
  };
  #inputTimer = 0;
  /** The host takes nothing now, and says when it does. */
  #blocked = false;
  /** The port takes nothing now, and rings when it does. */
  #full = false;
  #closed = false;

  /**
   * @param sink undefined = the host's input is not read
   * @param backend closed by {@link close}
   * Errors: SysError (no memory).
   */
  constructor(loop: EventLoop, source: OutputSource, sink: InputSink | undefined, backend: ConsoleBackend) {
    this.#loop = loop;
    this.#source = source;
    this.#sink = sink;
    this.#backend = backend;
    this.#mapping = mapPrivate(OUT_BYTES + IN_BYTES);
    this.#memory = new GuestMemory([{ gpa: 0, hva: this.#mapping.address, bytes: this.#mapping.bytes }]);
    this.#out = new IovArray(this.#memory, 1, 0);
    this.#in = new IovArray(this.#memory, 1, 0);
    this.#memory.translate(OUT_BYTES, IN_BYTES);
    this.#in.add(this.#memory.chunkIndex, this.#memory.offset, IN_BYTES, false);
    backend.setListener(this);
    this.inputReady();
  }

  /** Bytes of output that the host has not taken yet. */
  get pending(): number {
    return this.#out.bytes - this.#written + this.#source.output.used();
  }

  /** The doorbell was rung, for this port or another one. */
  kicked(): void {
    if (this.#full) this.#goOn();
    const { output } = this.#source;
    if (this.#closed || this.#blocked || output.used() === 0) return;
    if (output.halfFull()) this.#drain();
    else this.#look();
  }

  /** The delay is over. */
  onTimer(): void {
    this.#timer = 0;
    this.#drain();
  }

  inputReady(): boolean {
    const sink = this.#sink;
    if (sink === undefined || this.#closed) return false;
    for (let budget = BUDGET; budget > 0; budget--) {
      const room = sink.inputRoom();
      this.#full = room === 0;
      if (room === 0) return false;
      const n = this.#backend.read(this.#in, 0, Math.min(room, IN_BYTES));
      if (n === 0) return false;
      sink.receive(this.#memory.chunk.u8.subarray(OUT_BYTES, OUT_BYTES + n), n);
    }
    return true;
  }

  outputReady(): boolean {
    this.#blocked = false;
    this.#drain();
    return false; // a timer is running if there is more
  }

  /** Writes what there is without delay, as far as the host takes it. */
  flush(): void {
    if (!this.#blocked) this.#drain();
  }

  /** Ends it, with what was not written yet lost: {@link finishPumps} comes before. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#timer !== 0) this.#loop.cancel(this.#timer);
    this.#timer = 0;
    if (this.#inputTimer !== 0) this.#loop.cancel(this.#inputTimer);
    this.#inputTimer = 0;
    this.#backend.close();
    unmap(this.#mapping);
  }

  /** Moves input without being told that there is some. What the back end has read already it does not report again. */
  #goOn(): void {
    if (this.inputReady() && this.#inputTimer === 0) this.#inputTimer = this.#loop.after(0, this.#moreInput);
  }

  #drain(): void {
    const { output } = this.#source;
    if (this.#closed) return;
    let found = false;
    for (let budget = BUDGET; budget > 0; budget--) {
      if (!this.#write()) {
        this.#blocked = true;
        return;
      }
      if (!this.#take()) break;
      found = true;
    }
    if (!found && output.sleep()) return;
    this.#look();
  }

  /** Looks again in a while. */
  #look(): void {
    if (this.#timer === 0) this.#timer = this.#loop.after(DELAY_US, this);
  }

  /** @returns false if the ring is empty */
  #take(): boolean {
    const n = this.#source.output.take(this.#memory.chunk.u8, 0, OUT_BYTES);
    if (n === 0) return false;
    this.#source.outputTaken();
    this.#memory.translate(0, n);
    this.#out.reset();
    this.#out.add(this.#memory.chunkIndex, this.#memory.offset, n, true);
    this.#written = 0;
    return true;
  }

  /** @returns false if the host did not take all of `#out` */
  #write(): boolean {
    while (this.#written < this.#out.bytes) {
      const n = this.#backend.write(this.#out, this.#written);
      if (n === 0) return false;
      this.#written += Math.abs(n); // negative: thrown away, since nobody takes it any more
    }
    return true;
  }
}

/** The doorbell of all ports of a machine. */
export class PumpBell implements FdHandler {
  readonly #fd: number;
  readonly #pumps: readonly SerialPump[];
  readonly #watch: Watch;

  /** @param fd an eventfd, which stays open */
  constructor(loop: EventLoop, fd: number, pumps: readonly SerialPump[]) {
    this.#fd = fd;
    this.#pumps = pumps;
    this.#watch = loop.watch(fd, EPOLLIN, this);
  }

  onReady(): void {
    eventfdDrain(this.#fd);
    for (const pump of this.#pumps) pump.kicked();
  }

  close(): void {
    this.#watch.close();
  }
}

/**
 * Writes all output that is left, when no vCPU runs any more: the last line before a power-off must not get lost. Gives up
 * when the host has taken nothing for a while (a stopped terminal, a full pipe).
 * @param round makes one round of the event loop of at most so many microseconds: `Reactor.round`
 * @param patienceMs without progress
 * @returns true if everything was written
 */
export function finishPumps(
  pumps: readonly SerialPump[],
  loop: EventLoop,
  round: (maxWaitUs: number) => void,
  patienceMs: number,
): boolean {
  let left = unwritten(pumps);
  let progress = loop.nowUs();
  for (;;) {
    for (const pump of pumps) pump.flush();
    const now = loop.nowUs();
    const rest = unwritten(pumps);
    if (rest === 0) return true;
    if (rest < left) progress = now;
    else if (now - progress > patienceMs * 1000) return false;
    left = rest;
    round(10_000);
  }
}

function unwritten(pumps: readonly SerialPump[]): number {
  return pumps.reduce((sum, pump) => sum + pump.pending, 0);
}

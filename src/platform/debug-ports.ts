/** Ports for people who debug guests: output, exit, and marks of how far the start has come. */
import { DEBUG_PORT_READBACK } from '../abi/pc.js';
import type { BusDevice } from '../bus/bus.js';
import { SharedLock } from '../util/shared-lock.js';
import { OutputRing, outputRingBytes, PUSH_FULL, PUSHED_RING } from './output-ring.js';
import type { Clock, MachineEnd } from './ports.js';

const LOCK_BYTES = 16;
const RING_BYTES = 0x1000;

/** Memory of one debug output. Thread: main, once. */
export function createDebugOutput(): SharedArrayBuffer {
  return new SharedArrayBuffer(LOCK_BYTES + outputRingBytes(RING_BYTES));
}

/**
 * Ports 0xe9 and 0x402: every byte written is output; reading says that the port is there. Never full for long: a vCPU
 * waits for room a little, then the byte is lost.
 *
 * Thread: any; one object per thread over the same memory.
 */
export class DebugOutput implements BusDevice {
  /** For the reactor. */
  readonly output: OutputRing;
  readonly #lock: SharedLock;
  readonly #doorbell: () => void;

  /** @param shared from {@link createDebugOutput} @param doorbell see `PlatformPorts` */
  constructor(shared: SharedArrayBuffer, doorbell: () => void) {
    this.output = new OutputRing(shared, LOCK_BYTES, RING_BYTES);
    this.#lock = new SharedLock(new Int32Array(shared, 0, 1), 0);
    this.#doorbell = doorbell;
  }

  read(): number {
    return DEBUG_PORT_READBACK;
  }

  write(_offset: number, bytes: number, value: number): void {
    for (let i = 0; i < bytes; i++) this.#put((value >>> (8 * i)) & 0xff);
  }

  /** See `OutputSource` of the pump. Nobody waits for an interrupt. */
  outputTaken(): void {}

  #put(byte: number): void {
    let pushed = this.#push(byte);
    while (pushed === PUSH_FULL && this.output.waitForRoom()) pushed = this.#push(byte);
    if (pushed === PUSHED_RING) this.#doorbell();
  }

  #push(byte: number): number {
    this.#lock.lock();
    const pushed = this.output.push(byte);
    this.#lock.unlock();
    return pushed;
  }
}

/**
 * isa-debug-exit: the value written ends the machine. Spec: QEMU, hw/misc/debugexit.c; used by kvm-unit-tests.
 * Thread: vCPU.
 */
export class DebugExit implements BusDevice {
  readonly #end: MachineEnd;

  constructor(end: MachineEnd) {
    this.#end = end;
  }

  read(): number {
    return 0;
  }

  write(_offset: number, _bytes: number, value: number): void {
    this.#end.debugExit(value >>> 0);
  }
}

/** Ports of {@link DebugExit}. */
export const DEBUG_EXIT_PORTS = 4;

/** Exit code of the process for a value written to the debug-exit port: never 0. */
export function debugExitStatus(code: number): number {
  return ((code << 1) | 1) & 0xff;
}

const CODES = 256;

/** Memory of the phases. Thread: main, once. */
export function createPhases(): SharedArrayBuffer {
  return new SharedArrayBuffer(CODES * 8);
}

/** A mark that the guest has set. */
export interface Phase {
  /** 0 ... 255. By the convention of Cloud Hypervisor: 0x20 firmware, 0x40 boot loader, 0x60 kernel, 0x80 user space. */
  readonly code: number;
  /** When it was written first, on the clock of `Clock.monotonicUs`. */
  readonly us: number;
}

/**
 * The marks set so far, in order of time. Linux writes 0x00 and 0xff on its own here, and what is in AL whenever it wants to
 * wait for a microsecond: a caller picks the codes it knows. Thread: any.
 */
export function phases(shared: SharedArrayBuffer): Phase[] {
  const times = new Float64Array(shared);
  const list = Array.from(times, (us, code) => ({ code, us }));
  return list.filter(({ us }) => us !== 0).sort((a, b) => a.us - b.us);
}

/**
 * Port 0x80: remembers when each code was written first. Reads all ones. Thread: any; one object per thread over the same
 * memory. Two vCPUs that write the same code at the same moment may leave either time.
 */
export class PhaseMarks implements BusDevice {
  readonly #times: Float64Array;
  readonly #clock: Clock;

  /** @param shared from {@link createPhases} */
  constructor(shared: SharedArrayBuffer, clock: Clock) {
    this.#times = new Float64Array(shared);
    this.#clock = clock;
  }

  read(): number {
    return 0xff;
  }

  write(_offset: number, _bytes: number, value: number): void {
    const code = value & 0xff;
    if (this.#times[code] === 0) this.#times[code] = this.#clock.monotonicUs();
  }
}

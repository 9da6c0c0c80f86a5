/**
 * Trapped virtio devices in one thread: registers of virtio-mmio, the transport behind them, and a driver written from
 * virtio 1.2 section 4.2.3 over test memory. Calls of the register half go straight to the transport.
 */
import { PENDING } from '#lkvm/util/pending.js';
import type { VirtioDevice } from '#lkvm/virtio/core/device.js';
import { MmioInterrupts } from '#lkvm/virtio/transport/mmio/interrupts.js';
import { MmioRegisters } from '#lkvm/virtio/transport/mmio/registers.js';
import { createDeviceRegisters, DeviceRegisters } from '#lkvm/virtio/transport/trapped/registers.js';
import { TrappedTransport } from '#lkvm/virtio/transport/trapped/transport.js';
import { type DriverBuffer, DriverQueue } from './driver-sim.js';
import { TestMemory } from './driver-sim-memory.js';

// Offsets of section 4.2.2, on purpose not those of src/.
export const MAGIC = 0x00;
export const VERSION = 0x04;
export const DEVICE_ID = 0x08;
export const VENDOR_ID = 0x0c;
export const DEVICE_FEATURES = 0x10;
export const DEVICE_FEATURES_SEL = 0x14;
export const DRIVER_FEATURES = 0x20;
export const DRIVER_FEATURES_SEL = 0x24;
export const QUEUE_SEL = 0x30;
export const QUEUE_NUM_MAX = 0x34;
export const QUEUE_NUM = 0x38;
export const QUEUE_READY = 0x44;
export const QUEUE_NOTIFY = 0x50;
export const INTERRUPT_STATUS = 0x60;
export const INTERRUPT_ACK = 0x64;
export const STATUS = 0x70;
export const QUEUE_DESC = 0x80;
export const QUEUE_DRIVER = 0x90;
export const QUEUE_DEVICE = 0xa0;
export const SHM_SEL = 0xac;
export const SHM_LEN = 0xb0;
export const QUEUE_RESET = 0xc0;
export const CONFIG_GENERATION = 0xfc;
export const CONFIG = 0x100;

export const ACKNOWLEDGE = 1;
export const DRIVER = 2;
export const DRIVER_OK = 4;
export const FEATURES_OK = 8;
export const NEEDS_RESET = 0x40;
export const RUNNING = ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK;

/** Bits 0 ... 31. */
export const INDIRECT_DESC = 1 << 28;
export const EVENT_IDX = 1 << 29;
/** Bits 32 ... 63. */
export const VERSION_1 = 1;
export const RING_RESET = 1 << 8;

export interface StartOptions {
  /** Accepted features, bits 0 ... 31; default none. */
  readonly low?: number;
  /** Bits 32 ... 63; default VERSION_1. */
  readonly high?: number;
  /** Sizes of the rings; default 16 each. undefined = the queue is left alone. */
  readonly sizes?: readonly (number | undefined)[];
}

/** One device from its driver's side. */
export class TrappedDriver {
  readonly registers: MmioRegisters;
  /** Edges sent so far. */
  edges = 0;
  queues: DriverQueue[] = [];
  readonly #memory: TestMemory;
  readonly #count: number;
  #eventIdx = false;

  constructor(registers: MmioRegisters, memory: TestMemory, queues: number) {
    this.registers = registers;
    this.#memory = memory;
    this.#count = queues;
  }

  read(offset: number, bytes = 4): number {
    return this.registers.read(offset, bytes) >>> 0;
  }

  write(offset: number, value: number, bytes = 4): void {
    this.registers.write(offset, bytes, value >>> 0);
  }

  /** Section 3.1.1. Queues may be filled between {@link negotiate}, {@link setUpQueue} and DRIVER_OK. */
  start(options: StartOptions = {}): void {
    this.negotiate(options);
    for (let q = 0; q < this.#count; q++) {
      const size = options.sizes === undefined ? 16 : options.sizes[q];
      if (size !== undefined) this.setUpQueue(q, size);
    }
    this.write(STATUS, RUNNING);
  }

  negotiate({ low = 0, high = VERSION_1 }: StartOptions = {}): void {
    this.write(STATUS, 0);
    this.write(STATUS, ACKNOWLEDGE);
    this.write(STATUS, ACKNOWLEDGE | DRIVER);
    for (const [word, bits] of [low, high].entries()) {
      this.write(DRIVER_FEATURES_SEL, word);
      this.write(DRIVER_FEATURES, bits);
    }
    this.#eventIdx = (low & EVENT_IDX) !== 0;
    this.write(STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK);
  }

  setUpQueue(index: number, size: number): DriverQueue {
    const memory = this.#memory;
    const desc = memory.alloc(16 * size, 16);
    const avail = memory.alloc(6 + 2 * size, 2);
    const used = memory.alloc(6 + 8 * size, 4);
    memory.u8.fill(0, desc - memory.gpa, used + 6 + 8 * size - memory.gpa);
    const queue = new DriverQueue({
      memory: memory.u8,
      base: memory.gpa,
      size,
      parts: { desc, avail, used },
      eventIdx: this.#eventIdx,
    });
    this.queues[index] = queue;
    this.write(QUEUE_SEL, index);
    this.write(QUEUE_NUM, size);
    this.writeAddress(QUEUE_DESC, desc);
    this.writeAddress(QUEUE_DRIVER, avail);
    this.writeAddress(QUEUE_DEVICE, used);
    this.write(QUEUE_READY, 1);
    return queue;
  }

  writeAddress(register: number, address: number): void {
    this.write(register, address % 2 ** 32);
    this.write(register + 4, Math.floor(address / 2 ** 32));
  }

  queue(index: number): DriverQueue {
    return this.queues[index] as DriverQueue;
  }

  /** Adds a chain of one buffer to fill, without a kick. @returns its address */
  offer(index: number, len: number): number {
    const addr = this.#memory.alloc(len);
    this.add(index, [{ addr, len, writable: true }]);
    return addr;
  }

  /** Adds a chain of one buffer with these bytes, without a kick. */
  send(index: number, bytes: Uint8Array | string): void {
    const data = Buffer.from(bytes);
    const addr = this.#memory.alloc(data.length);
    this.queue(index).write(addr, data);
    this.add(index, [{ addr, len: data.length }]);
  }

  add(index: number, buffers: readonly DriverBuffer[], indirectAt?: number): void {
    this.queue(index).addChain(buffers, indirectAt);
    this.queue(index).publish();
  }
}

/** See the file's head. */
export class TrappedRig {
  readonly memory: TestMemory;
  readonly drivers: readonly TrappedDriver[];
  readonly transport: TrappedTransport;
  /** Warnings. */
  readonly log: string[] = [];
  /** "started 0", "reset 0", "fault 0". */
  readonly events: string[] = [];
  /** Turns a call has waited for a device to become quiet. */
  waited = 0;
  #answered = false;

  constructor(devices: readonly VirtioDevice[], memory = new TestMemory({ bytes: 0x10_0000 })) {
    this.memory = memory;
    const shared = devices.map(() => createDeviceRegisters());
    this.drivers = devices.map((device, index) => {
      const registers = new DeviceRegisters(shared[index] as SharedArrayBuffer, {
        device: index,
        calls: { call: (number, what) => this.#call(number, what) },
      });
      return new TrappedDriver(new MmioRegisters(registers), this.memory, device.queueMaxSizes.length);
    });
    this.transport = new TrappedTransport({
      devices: devices.map((device, index) => {
        const registers = shared[index] as SharedArrayBuffer;
        const signal = { raise: () => void this.driver(index).edges++ };
        return { device, registers, interrupts: new MmioInterrupts(registers, signal) };
      }),
      memory: this.memory.memory,
      log: { info: () => {}, warn: (text) => this.log.push(text) },
      answer: () => {
        this.#answered = true;
      },
      observer: {
        deviceStarted: (device) => this.events.push(`started ${device}`),
        deviceReset: (device) => this.events.push(`reset ${device}`),
        deviceFault: (device) => this.events.push(`fault ${device}`),
      },
    });
  }

  driver(device: number): TrappedDriver {
    return this.drivers[device] as TrappedDriver;
  }

  /** A kick, and the rest of the round. */
  kick(device: number, queue: number): void {
    this.transport.kicked(device, queue);
    this.transport.flush();
  }

  /** Rounds of an event loop until nothing is left to do. */
  turn(): void {
    for (let rounds = 0; rounds < 10_000; rounds++) {
      const busy = this.transport.poll();
      this.transport.flush();
      if (!busy) return;
    }
    throw new Error('TrappedRig: the devices never finish');
  }

  #call(device: number, what: number): number {
    const result = this.transport.onCall(device, what);
    if (result !== PENDING) return result;
    this.#answered = false;
    for (let turns = 0; !this.#answered; turns++) {
      if (turns > 1000) throw new Error('TrappedRig: the call is never answered');
      this.waited++;
      this.transport.flush();
    }
    return 0;
  }
}

/**
 * A pool in real shared memory with the real transport on one side and test drivers on the other, both in this process
 * and in lock step: a doorbell is a flag, and nothing happens behind the test's back. Time is a number.
 */
import { HVL_DEVICE_TYPES } from '#lkvm/abi/hvl.js';
import { ACCESS_DIRECT, GuestMemory } from '#lkvm/memory/guest-memory.js';
import { close } from '#lkvm/sys/fd.js';
import { viewOf } from '#lkvm/sys/libc.js';
import { createMemfd, type Mapping, mapShared } from '#lkvm/sys/map.js';
import type { EventLoop, TimerHandler, Watch } from '#lkvm/util/ports.js';
import type { VirtioDevice } from '#lkvm/virtio/core/device.js';
import { hvlDeviceTree } from '#lkvm/virtio/transport/hvl/device-tree.js';
import { type HvlOptions, HvlTransport } from '#lkvm/virtio/transport/hvl/hvl-transport.js';
import { type HvlLayout, type HvlSlot, planLayout } from '#lkvm/virtio/transport/hvl/layout.js';
import { type Generation, HvlDriver, type HvlDriverOptions, type RingPlan } from './hvl-driver.js';

export const POOL_BASE = 0x3700_0000;

/** A device in the bench. */
export interface BenchDevice {
  readonly device: VirtioDevice;
  /** Region size; default: the protocol's. */
  readonly regionBytes?: number;
  readonly static?: boolean;
  /** Offer EVENT_IDX beside the device's features. */
  readonly eventIdx?: boolean;
}

export interface BenchOptions {
  readonly devices: readonly BenchDevice[];
  readonly withDtb?: boolean;
  /** Default 1 MiB. */
  readonly bytes?: number;
  readonly access?: number;
  readonly options?: Partial<HvlOptions>;
  /** Default true. */
  readonly publish?: boolean;
}

/** Time and timers under the test's control; no file descriptors. */
export class FakeLoop implements EventLoop {
  us = 1_000_000;
  #timers: { id: number; due: number; handler: TimerHandler }[] = [];
  #next = 1;

  watch(): Watch {
    throw new Error('FakeLoop has no file descriptors');
  }

  after(us: number, handler: TimerHandler): number {
    this.#timers.push({ id: this.#next, due: this.us + us, handler });
    return this.#next++;
  }

  cancel(timer: number): void {
    this.#timers = this.#timers.filter((each) => each.id !== timer);
  }

  nowUs(): number {
    return this.us;
  }

  /** Lets time pass and runs what is due. */
  advance(us: number): void {
    this.us += us;
    const due = this.#timers.filter((each) => each.due <= this.us);
    this.#timers = this.#timers.filter((each) => each.due > this.us);
    for (const each of due) each.handler.onTimer();
  }
}

const GUARD = 4096;
const CANARY = 0xa5;

// Mappings are kept until the process ends, because views of them are; benches take them from here.
const spare = new Map<number, Mapping[]>();

export class HvlBench {
  readonly layout: HvlLayout;
  readonly memory: GuestMemory;
  readonly transport: HvlTransport;
  readonly loop = new FakeLoop();
  /** The pool's bytes, as the driver sees them. */
  readonly pool: Uint8Array;
  readonly fdt: Uint8Array | undefined;
  readonly events: string[] = [];
  readonly warnings: string[] = [];
  readonly drivers: HvlDriver[] = [];
  /** Signals from the device side. */
  interrupts = 0;
  /** Doorbells from the driver side. */
  doorbells = 0;
  /** The device side answers each doorbell at once; false: only in {@link run}. */
  eager = true;
  /** The device side looks after every single register write, too. */
  nervous = false;
  /** Called for each signal. */
  onSignal: () => void = () => {};
  /** Buffers of all views the device side has of the pool, those made for rings included once a device runs. */
  readonly viewBuffers: ArrayBufferLike[] = [];
  #doorbell = false;
  #interrupt = false;
  readonly #mapping: Mapping;
  readonly #whole: Uint8Array;

  constructor(options: BenchOptions) {
    const bytes = options.bytes ?? 0x10_0000;
    const withDtb = options.withDtb ?? false;
    this.#mapping = takeMapping(bytes);
    const start = this.#mapping.address + GUARD;
    this.#whole = new Uint8Array(viewOf(this.#mapping.address, this.#mapping.bytes));
    this.#whole.fill(CANARY);
    this.pool = new Uint8Array(viewOf(start, bytes));
    this.pool.fill(0);
    this.layout = planLayout({
      base: POOL_BASE,
      bytes,
      withDtb,
      devices: options.devices.map(({ device, regionBytes, static: fixed, eventIdx }) => ({
        name: device.name,
        deviceId: device.deviceId,
        label: '',
        queueMaxSizes: device.queueMaxSizes,
        configBytes: device.config.length,
        regionBytes: regionBytes ?? regionOf(device.name),
        static: fixed ?? false,
        eventIdx: eventIdx ?? false,
      })),
    });
    const region = { gpa: POOL_BASE, hva: start, bytes };
    this.memory = new GuestMemory([region], options.access ?? ACCESS_DIRECT);
    this.#collectViews(this.memory);
    for (const { device } of options.devices) {
      const activate = device.activate.bind(device);
      device.activate = (active) => {
        this.#collectViews(active.memory);
        activate(active);
      };
    }
    const log = (text: string) => this.warnings.push(text);
    this.transport = new HvlTransport({
      layout: this.layout,
      memory: this.memory,
      devices: options.devices.map((each) => each.device),
      doorbell: { signal: () => this.#signalled() },
      log: { info: log, warn: log },
      options: {
        restartDetector: true,
        confine: false,
        features: [],
        loop: this.loop,
        observer: {
          deviceStarted: (slot) => this.events.push(`started ${slot}`),
          deviceReset: (slot) => this.events.push(`reset ${slot}`),
          deviceFault: (slot) => this.events.push(`fault ${slot}`),
        },
        ...options.options,
      },
    });
    this.fdt = withDtb ? hvlDeviceTree(this.layout) : undefined;
    if (options.publish !== false) this.transport.publish(this.fdt);
  }

  slot(index: number): HvlSlot {
    return this.layout.slots[index] as HvlSlot;
  }

  /** A driver for a slot. The drivers made last are those whose interrupt handlers run. */
  driver(
    slot: number,
    generation: Generation,
    rings: readonly RingPlan[],
    more: Partial<HvlDriverOptions> = {},
  ): HvlDriver {
    const driver = new HvlDriver({
      pool: this.pool,
      base: POOL_BASE,
      block: this.slot(slot).block,
      generation,
      rings,
      doorbell: () => this.ring(),
      wait: () => this.wait(),
      onWrite: () => {
        if (this.nervous) this.look();
      },
      ...more,
    });
    this.drivers[slot] = driver;
    return driver;
  }

  /** The driver side rings the doorbell. */
  ring(): void {
    this.doorbells++;
    this.#doorbell = true;
    if (this.eager) this.pass();
  }

  /** One doorbell arrives at the device side. */
  pass(): void {
    this.#doorbell = false;
    this.transport.pass();
    this.transport.flush();
  }

  /** The device side looks without a doorbell, as a polling loop does. */
  look(): boolean {
    const busy = this.transport.poll();
    this.transport.flush();
    return busy;
  }

  /** Delivers doorbells and interrupts until both lines are quiet. */
  run(): void {
    for (let turn = 0; turn < 10_000; turn++) {
      if (this.#doorbell) this.pass();
      else if (this.#interrupt) {
        this.#interrupt = false;
        for (const driver of this.drivers) driver?.interrupt();
      } else return;
    }
    throw new Error('HvlBench: the two sides keep each other busy');
  }

  /** As {@link run}, then half a second passes. */
  wait(): void {
    this.run();
    for (let i = 0; i < 5; i++) {
      this.loop.advance(100_000);
      this.look(); // the safety scan
      this.run();
    }
  }

  /** Throws pending signals in both directions away. */
  dropSignals(): void {
    this.#doorbell = false;
    this.#interrupt = false;
  }

  /** Copies of bytes of the pool, by driver-visible address. */
  bytesAt(gpa: number, bytes: number): Uint8Array {
    return this.pool.slice(gpa - POOL_BASE, gpa - POOL_BASE + bytes);
  }

  /**
   * The pool can be used by the next bench of the same size. Call at the end of each test.
   * Errors: Error if a byte before or behind the pool was changed.
   */
  close(): void {
    this.transport.stop();
    const behind = this.#whole.subarray(GUARD + this.pool.length);
    const guards = [...this.#whole.subarray(0, GUARD), ...behind];
    spare.set(this.#mapping.bytes, [...(spare.get(this.#mapping.bytes) ?? []), this.#mapping]);
    if (guards.some((byte) => byte !== CANARY))
      throw new Error('HvlBench: memory outside the pool was written');
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #collectViews(memory: GuestMemory): void {
    for (const chunk of memory.chunks) this.viewBuffers.push(chunk.u8.buffer);
  }

  #signalled(): void {
    this.interrupts++;
    this.#interrupt = true;
    this.onSignal();
  }
}

function regionOf(name: string): number {
  return HVL_DEVICE_TYPES.find((type) => type.name === name)?.regionBytes ?? 0x6000;
}

/** With a guard page at either end. */
function takeMapping(poolBytes: number): Mapping {
  const bytes = poolBytes + 2 * GUARD;
  const ready = spare.get(bytes)?.pop();
  if (ready !== undefined) return ready;
  const fd = createMemfd('hvl-bench', bytes);
  const mapping = mapShared(fd, bytes);
  close(fd);
  return mapping;
}

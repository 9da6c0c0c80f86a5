/** A console device over the real terminal back end, a real event loop, and a driver that posts and collects. */
import type { TestContext } from 'node:test';
import type { EscapeMode } from '#lkvm/backends/terminal/escape.js';
import { TerminalBackend } from '#lkvm/backends/terminal/terminal.js';
import { Reactor } from '#lkvm/reactor/reactor.js';
import { COUNTER_COUNT } from '#lkvm/util/counters.js';
import { ConsoleDevice } from '#lkvm/virtio/devices/console/device.js';
import { DeviceRig } from './device-rig.js';
import { runUntil } from './rounds.js';

const RX = 0;
const TX = 1;
const BUFFER_BYTES = 64;

export class ConsoleRig {
  readonly loop = new Reactor();
  readonly counters = new Float64Array(COUNTER_COUNT);
  readonly backend: TerminalBackend;
  readonly rig: DeviceRig;
  escapes = 0;
  /** What the driver has received. */
  received = '';
  readonly #addresses = new Map<number, number>();
  #free: number[] = [];

  constructor(t: TestContext, inputFd: number, outputFd: number, mode: EscapeMode = 'none') {
    const onEscape = () => this.escapes++;
    this.backend = new TerminalBackend(this.loop, { inputFd, outputFd, escape: mode, onEscape });
    const options = { backend: this.backend, counters: this.counters, queueSizes: [128, 128] };
    this.rig = new DeviceRig(new ConsoleDevice(options), { sizes: [128, 128], bytes: 0x80_0000 });
    t.after(() => {
      this.rig.device.reset();
      this.rig.device.close();
      this.loop.close();
    });
    this.rig.start();
  }

  /** Posts `n` receive buffers of 64 bytes. */
  post(n: number): void {
    const driver = this.rig.driver(RX);
    for (let i = 0; i < n; i++) {
      const addr = this.#free.pop() ?? this.rig.memory.alloc(BUFFER_BYTES);
      this.#addresses.set(driver.addChain([{ addr, len: BUFFER_BYTES, writable: true }]), addr);
    }
    driver.publish();
    this.rig.kick();
  }

  /** Takes what has arrived. @returns chains completed */
  collect(): number {
    const all = this.rig.driver(RX).takeAllUsed();
    for (const { head, written } of all) {
      const addr = this.#addresses.get(head) ?? 0;
      this.received += Buffer.from(this.rig.driver(RX).read(addr, written)).toString('latin1');
      this.#free.push(addr);
    }
    return all.length;
  }

  /** Runs the loop, keeping 16 buffers posted, until `text` bytes in total have arrived. */
  receive(bytes: number): string {
    this.post(16 - this.rig.driver(RX).inFlight);
    runUntil(this.loop, () => {
      this.post(this.collect());
      return this.received.length >= bytes;
    });
    return this.received;
  }

  /** Sends text; it may have to wait. */
  send(text: string | Uint8Array): void {
    this.rig.send(TX, text);
    this.rig.kick();
  }

  /** True when the device has completed everything that was sent. */
  sent(): boolean {
    this.rig.driver(TX).takeAllUsed();
    return this.rig.driver(TX).inFlight === 0;
  }
}

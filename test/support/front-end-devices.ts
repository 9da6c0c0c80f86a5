/** The real devices with real back ends, for tests of the driver side in one process. */
import { GatewayBackend } from '#lkvm/backends/gateway/gateway.js';
import { HostTree } from '#lkvm/backends/hostfs/host-tree.js';
import { GetrandomSource } from '#lkvm/backends/random/getrandom.js';
import type { IovArray } from '#lkvm/memory/iov-array.js';
import { O_NONBLOCK } from '#lkvm/sys/arch.js';
import { close, pipe, read, readv, write, writev } from '#lkvm/sys/fd.js';
import { COUNTER_COUNT } from '#lkvm/util/counters.js';
import type { VirtioDevice } from '#lkvm/virtio/core/device.js';
import type { ConsoleBackend, ConsoleListener } from '#lkvm/virtio/devices/console/backend.js';
import { ConsoleDevice } from '#lkvm/virtio/devices/console/device.js';
import { NetDevice } from '#lkvm/virtio/devices/net/device.js';
import { P9Device } from '#lkvm/virtio/devices/p9/device.js';
import { RngDevice } from '#lkvm/virtio/devices/rng/device.js';
import { FakeLoop } from './hvl-bench.js';
import { ManualBlocking } from './p9-rig.js';

export const MAC = [0x02, 0x15, 0x15, 0x15, 0x15, 0x15];

function newPipe(): [number, number] {
  const fds = pipe(O_NONBLOCK);
  if (typeof fds === 'number') throw new Error(`pipe: ${fds}`);
  return fds;
}

/** A console whose host end is two pipes in the test's hands. */
export class PipeConsole implements ConsoleBackend {
  /** False: the terminal is stopped, output waits. */
  open = true;
  readonly #input = newPipe();
  readonly #output = newPipe();
  #listener: ConsoleListener | undefined;

  /** Types text. */
  type(text: string): void {
    write(this.#input[1], Buffer.from(text));
    this.#listener?.inputReady();
  }

  /** What was printed since the last call. */
  printed(): string {
    const buffer = new Uint8Array(0x10000);
    const n = read(this.#output[0], buffer);
    return n <= 0 ? '' : Buffer.from(buffer.subarray(0, n)).toString();
  }

  /** The terminal takes output again. */
  resume(): void {
    this.open = true;
    this.#listener?.outputReady();
  }

  setListener(listener: ConsoleListener): void {
    this.#listener = listener;
  }

  read(iov: IovArray, first: number, limit: number): number {
    iov.window(0, limit, first);
    return Math.max(0, readv(this.#input[0], iov.windowAddress, iov.windowCount));
  }

  write(iov: IovArray, skip: number): number {
    if (!this.open) return 0;
    iov.window(skip, iov.bytes - skip);
    return Math.max(0, writev(this.#output[1], iov.windowAddress, iov.windowCount));
  }

  stop(): void {}

  close(): void {
    for (const fd of [...this.#input, ...this.#output]) close(fd);
  }
}

const counters = () => new Float64Array(COUNTER_COUNT);

export function rngDevice(): VirtioDevice {
  return new RngDevice({
    source: new GetrandomSource(new FakeLoop()),
    counters: counters(),
    queueSizes: [128],
  });
}

export function consoleDevice(backend: ConsoleBackend): VirtioDevice {
  return new ConsoleDevice({ backend, counters: counters(), queueSizes: [128, 128] });
}

/** A network card with the built-in gateway, 192.168.33.1. */
export function netDevice(): VirtioDevice {
  return new NetDevice({
    backend: new GatewayBackend(),
    counters: counters(),
    queueSizes: [256, 256],
    mac: MAC,
  });
}

/** A host directory, writable unless `readOnly`. */
export function p9Device(path: string, readOnly = false): VirtioDevice {
  return new P9Device({
    tree: new HostTree({ path, readOnly, blocking: new ManualBlocking() }),
    tag: 'share',
    counters: counters(),
    queueSizes: [128],
  });
}

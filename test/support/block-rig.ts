/** A block device over a real file or device, with a driver's side. */
import { type TestContext, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { FileDisk } from '#lkvm/backends/block/disk.js';
import { type DiskEngine, openDisk } from '#lkvm/backends/block/open-disk.js';
import { Reactor } from '#lkvm/reactor/reactor.js';
import { IoUring } from '#lkvm/sys/io-uring.js';
import { errnoName } from '#lkvm/sys/libc.js';
import { COUNTER_COUNT } from '#lkvm/util/counters.js';
import { BlkDevice } from '#lkvm/virtio/devices/blk/device.js';
import { ShutdownGuard } from '#lkvm/workers/guard.js';
import { IoClient } from '#lkvm/workers/io/client.js';
import { IoService } from '#lkvm/workers/io/service.js';
import { type Answer, BlkDriver, type BlkDriverOptions, type RequestOptions } from './blk-driver.js';
import { undo } from './undo.js';

const LIMIT_MS = 60_000;
/** One for all: each has hooks on the process. */
const guard = new ShutdownGuard();

/** Who makes the system calls. */
export type Engine = DiskEngine;

export interface BlockRigOptions extends BlkDriverOptions {
  readonly path: string;
  readonly readOnly?: boolean;
  readonly direct?: boolean;
  /** Default io_uring. */
  readonly engine?: Engine | undefined;
}

/** Why io_uring cannot be tested here, or false. */
export function noIoUring(): string | false {
  const ring = IoUring.create(1);
  if (typeof ring === 'number') return `io_uring: ${errnoName(-ring)}`;
  ring.close();
  return false;
}

/** Registers a test once for each engine. */
export function engineTest(title: string, body: (t: TestContext, engine: Engine) => Promise<void>): void {
  test(`${title} (io_uring)`, { skip: noIoUring() }, (t) => body(t, 'io_uring'));
  test(`${title} (worker)`, (t) => body(t, 'worker'));
  test(`${title} (memory)`, { skip: noIoUring() }, (t) => body(t, 'memory'));
}

/** See the file's head. */
export class BlockRig extends BlkDriver {
  readonly reactor: Reactor;
  readonly disk: FileDisk;

  constructor(reactor: Reactor, disk: FileDisk, options: BlockRigOptions) {
    const queueSizes = [options.size ?? 64];
    super(new BlkDevice({ backend: disk, counters: new Float64Array(COUNTER_COUNT), queueSizes }), options);
    this.reactor = reactor;
    this.disk = disk;
  }

  /** Runs the event loop until `head` is answered. */
  async answer(head: number): Promise<Answer> {
    let answer: Answer | undefined;
    await this.until(() => {
      answer = this.take(head);
      return answer !== undefined;
    });
    return answer as unknown as Answer;
  }

  /** Resets the device and waits, as a transport does, until it touches nothing any more. */
  async quiesce(): Promise<void> {
    this.device.reset();
    const deadline = performance.now() + LIMIT_MS;
    while (!this.device.quiesced()) {
      if (performance.now() > deadline) throw new Error('BlockRig: never quiet');
      this.reactor.round(1000);
      await nextTurn();
    }
  }

  async until(condition: () => boolean): Promise<void> {
    const deadline = performance.now() + LIMIT_MS;
    while (!condition()) {
      if (performance.now() > deadline) throw new Error('BlockRig: waited too long');
      this.reactor.round(1000);
      this.collect();
      await nextTurn();
    }
  }

  /** One request from beginning to end. */
  async request(type: number, options: RequestOptions = {}): Promise<Answer> {
    const head = this.add(type, options);
    this.send();
    return await this.answer(head);
  }
}

/** A device over `options.path`. */
export async function blockRig(t: TestContext, options: BlockRigOptions): Promise<BlockRig> {
  const reactor = new Reactor();
  const errors: unknown[] = [];
  const service = new IoService(guard, (error) => errors.push(error));
  const blocking = new IoClient(service.init, reactor);
  const { path, engine } = options;
  const disk = openDisk(
    {
      path,
      readOnly: options.readOnly ?? false,
      direct: options.direct ?? false,
      requests: options.size ?? 64,
      engine: engine ?? 'io_uring',
    },
    { loop: reactor, log: { info: () => {}, warn: () => {} }, blocking },
  );
  const rig = new BlockRig(reactor, disk, options);
  // The worker starts when this thread is idle, which it is not while it waits for a reset.
  if (engine === 'worker') {
    const lane = blocking.lane({ onDone: () => lane.close() });
    lane.fsync(-1, 0);
    await rig.until(() => lane.pending === 0);
  }
  undo(t, async () => {
    rig.device.reset();
    rig.device.close();
    blocking.close();
    reactor.close();
    await service.stop();
    if (errors.length > 0) throw new Error(`I/O worker: ${String(errors[0])}`);
  });
  return rig;
}

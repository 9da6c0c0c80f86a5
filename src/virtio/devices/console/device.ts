/**
 * Console device with one port. Spec: virtio 1.2 section 5.3.
 *
 * Receive queue: chains are taken as the driver posts them and filled as input comes, several per read. Transmit queue:
 * chains are gathered and written when the host takes them; until then they stay uncompleted, and the driver waits.
 */
import { VIRTIO_CONSOLE_F_SIZE, VIRTIO_ID_CONSOLE } from '../../../abi/virtio.js';
import {
  COUNTER_BYTES,
  COUNTER_DROPPED,
  COUNTER_REQUESTS,
  type Counters,
  count,
} from '../../../util/counters.js';
import { at } from '../../../util/typed.js';
import type { ActiveDevice, VirtioDevice } from '../../core/device.js';
import { type Features, hasFeature, NO_FEATURES } from '../../core/features.js';
import { CHAIN_EMPTY, type VirtQueue } from '../../queue/virt-queue.js';
import { checkFeatures } from '../feature-check.js';
import { IovCache } from '../iov-cache.js';
import { QueueEnd } from '../queue-end.js';
import { RxBuffers } from '../rx-buffers.js';
import type { ConsoleBackend, ConsoleListener } from './backend.js';
import { TX_BATCH_BYTES, TxBatch } from './tx-batch.js';
import { consoleConfig, setConsoleSize } from './wire.js';

const RX = 0;
const TX = 1;
/** Batches or reads per round. */
const BUDGET = 16;
/** A receive buffer beyond this is not used up by one line of input anyway. */
const RX_CHAIN_BYTES = 0x1000;
/** Entries of a list: enough for a full queue, and below the kernel's limit of 1024 with room for more. */
const MAX_ENTRIES = 512;

export interface ConsoleOptions {
  readonly backend: ConsoleBackend;
  readonly counters: Counters;
  /** Largest sizes of the receive and the transmit queue. */
  readonly queueSizes: readonly number[];
  /** Size of the terminal in characters; default 80 x 24. */
  readonly cols?: number | undefined;
  readonly rows?: number | undefined;
  /** Features offered instead of none. Possible: SIZE, and ring features. */
  readonly features?: Features | undefined;
}

class ConsoleRun {
  readonly active: ActiveDevice;
  rx: QueueEnd | undefined = undefined;
  buffers: RxBuffers | undefined = undefined;
  tx: QueueEnd | undefined = undefined;
  batch: TxBatch | undefined = undefined;
  /** The size is to be told once more, with the first input. */
  repeatSize: boolean;

  constructor(active: ActiveDevice) {
    this.active = active;
    this.repeatSize = this.takesSize;
  }

  /** The driver negotiated SIZE. */
  get takesSize(): boolean {
    return hasFeature(this.active.features, VIRTIO_CONSOLE_F_SIZE);
  }

  setReceive(rx: QueueEnd | undefined): void {
    this.rx = rx;
    this.buffers = rx === undefined ? undefined : new RxBuffers(rx, RX_CHAIN_BYTES);
  }

  setTransmit(tx: QueueEnd | undefined): void {
    this.tx = tx;
    this.batch = tx === undefined ? undefined : new TxBatch(tx);
  }
}

/** See the file's head. Thread: reactor. */
export class ConsoleDevice implements VirtioDevice, ConsoleListener {
  readonly deviceId = VIRTIO_ID_CONSOLE;
  readonly name = 'console';
  readonly features: Features;
  readonly queueMaxSizes: readonly number[];
  readonly config: Uint8Array;
  readonly counters: Counters;
  readonly #backend: ConsoleBackend;
  readonly #rxIov: IovCache;
  readonly #txIov: IovCache;
  #run: ConsoleRun | undefined;
  /** The driver can see an older size than `config` has. */
  #sizeIsNew = false;

  /** Errors: ConfigError if `features` has something this device cannot do. */
  constructor(options: ConsoleOptions) {
    this.features = options.features ?? NO_FEATURES;
    checkFeatures(this.name, this.features, 1 << VIRTIO_CONSOLE_F_SIZE);
    this.queueMaxSizes = options.queueSizes;
    this.config = consoleConfig(options.cols ?? 80, options.rows ?? 24);
    this.counters = options.counters;
    this.#backend = options.backend;
    const rxEntries = Math.min(MAX_ENTRIES, 2 * at(options.queueSizes, RX));
    this.#rxIov = new IovCache(rxEntries, rxEntries * RX_CHAIN_BYTES);
    this.#txIov = new IovCache(Math.min(MAX_ENTRIES, at(options.queueSizes, TX)), TX_BATCH_BYTES);
    this.#backend.setListener(this);
  }

  activate(active: ActiveDevice): void {
    this.#run = new ConsoleRun(active);
    const rx = active.queues[RX];
    const tx = active.queues[TX];
    if (rx !== undefined) this.enableQueue(RX, rx);
    if (tx !== undefined) this.enableQueue(TX, tx);
    if (this.#sizeIsNew) this.#tellSize();
  }

  reset(): void {
    this.#run = undefined;
    this.#backend.stop();
  }

  resetQueue(queueIndex: number): void {
    if (queueIndex === RX) this.#run?.setReceive(undefined);
    if (queueIndex !== TX) return;
    this.#run?.setTransmit(undefined);
    this.#backend.stop();
  }

  enableQueue(queueIndex: number, queue: VirtQueue): void {
    const run = this.#run;
    if (run === undefined) return;
    const { active } = run;
    const iov = (queueIndex === RX ? this.#rxIov : this.#txIov).take(active.memory);
    const end = new QueueEnd(active, queue, iov, this.counters);
    if (queueIndex === RX) run.setReceive(end);
    else run.setTransmit(end);
  }

  close(): void {
    this.#backend.close();
  }

  /** The host's window may have a new size. Told to the driver if it negotiated SIZE; if there is none yet, when it starts. */
  resize(cols: number, rows: number): void {
    if (!setConsoleSize(this.config, cols, rows)) return;
    this.#sizeIsNew = true;
    this.#tellSize();
  }

  #tellSize(): void {
    const run = this.#run;
    if (run?.takesSize !== true) return;
    this.#sizeIsNew = false;
    run.active.notifier.configChanged();
  }

  processQueue(queueIndex: number): boolean {
    if (queueIndex === RX) return this.#receive();
    if (queueIndex === TX) return this.#transmit();
    return false;
  }

  inputReady(): boolean {
    return this.#receive();
  }

  outputReady(): boolean {
    return this.#transmit();
  }

  /** @returns true if the budget ran out */
  #receive(): boolean {
    const end = this.#run?.rx;
    const buffers = this.#run?.buffers;
    if (end === undefined || buffers === undefined) return false;
    const { queue } = end;
    for (let budget = BUDGET; budget > 0; budget--) {
      queue.disableKicks();
      const status = buffers.take();
      if (status < 0) {
        end.fault(status);
        return false;
      }
      if (buffers.chains > 0) {
        if (this.#readInto(end, buffers)) continue;
        // No input. With buffers in hand no kick is wanted: more are looked for when input comes.
        end.settle();
        return false;
      }
      queue.publish();
      if (status === CHAIN_EMPTY && !queue.enableKicks()) {
        end.settle();
        return false;
      }
    }
    end.settle();
    return true;
  }

  /** @returns false if there is no input */
  #readInto(end: QueueEnd, buffers: RxBuffers): boolean {
    const n = this.#backend.read(end.iov, buffers.first, buffers.bytes);
    if (n === 0) return false;
    this.#repeatSize();
    end.iov.commit(n, buffers.first);
    count(this.counters, COUNTER_REQUESTS, buffers.chainsFor(n));
    count(this.counters, COUNTER_BYTES, n);
    buffers.deliver(n);
    return true;
  }

  /**
   * Linux's driver reads the size only when it hears of a change, and forgets it if it hears too early: while it starts,
   * its port is not there yet. It is there when somebody types.
   */
  #repeatSize(): void {
    const run = this.#run;
    if (run?.repeatSize !== true) return;
    run.repeatSize = false;
    this.#tellSize();
  }

  /** @returns true if the budget ran out */
  #transmit(): boolean {
    const end = this.#run?.tx;
    const batch = this.#run?.batch;
    if (end === undefined || batch === undefined) return false;
    const { queue } = end;
    for (let budget = BUDGET; budget > 0; budget--) {
      // What the host did not take last time; then it calls again when it does.
      if (!this.#writeBatch(end, batch)) return false;
      queue.disableKicks();
      const status = batch.fill();
      const taken = this.#writeBatch(end, batch);
      if (status < 0) {
        end.fault(status);
        return false;
      }
      if (!taken) return false;
      queue.publish();
      if (status === CHAIN_EMPTY && !queue.enableKicks()) {
        end.settle();
        return false;
      }
    }
    end.settle();
    return true;
  }

  /** Writes what the batch still holds. @returns false if the host does not take it now; settled then */
  #writeBatch(end: QueueEnd, batch: TxBatch): boolean {
    while (batch.pending > 0) {
      const n = this.#backend.write(end.iov, batch.written);
      if (n === 0) {
        end.settle();
        return false;
      }
      if (n > 0) count(this.counters, COUNTER_BYTES, n);
      else count(this.counters, COUNTER_DROPPED, -n);
      count(this.counters, COUNTER_REQUESTS, batch.advance(Math.abs(n)));
    }
    count(this.counters, COUNTER_REQUESTS, batch.advance(0)); // chains without any byte
    return true;
  }
}

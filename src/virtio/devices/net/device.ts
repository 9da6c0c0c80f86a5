/** Network device with one queue pair and no control queue. Spec: virtio 1.2 section 5.1. */
import {
  VIRTIO_ID_NET,
  VIRTIO_NET_F_MAC,
  VIRTIO_NET_F_MRG_RXBUF,
  VIRTIO_NET_F_STATUS,
} from '../../../abi/virtio.js';
import type { Counters } from '../../../util/counters.js';
import type { EventLoop } from '../../../util/ports.js';
import { at } from '../../../util/typed.js';
import type { ActiveDevice, VirtioDevice } from '../../core/device.js';
import { type Features, featureSet } from '../../core/features.js';
import type { VirtQueue } from '../../queue/virt-queue.js';
import { checkFeatures } from '../feature-check.js';
import { IovCache } from '../iov-cache.js';
import { QueueEnd } from '../queue-end.js';
import type { NetBackend, NetListener } from './backend.js';
import { MAX_PACKET_BYTES, Receiver } from './receiver.js';
import { Sender } from './sender.js';
import { netConfig, netHeaderBytes } from './wire.js';

const RX = 0;
const TX = 1;
/** Entries of a list: what one `readv` takes, with room for a frame around it. */
const MAX_ENTRIES = 1000;
/** Staging memory for receive buffers, in a *word* pool; pages not touched cost nothing. */
const RX_STAGING_BYTES = 16 * 0x10_0000;

const OWN_FEATURES = featureSet(VIRTIO_NET_F_MAC, VIRTIO_NET_F_MRG_RXBUF);
/** What a predefined feature list may ask for besides. */
const POSSIBLE_FEATURES = featureSet(VIRTIO_NET_F_STATUS);

export interface NetOptions {
  readonly backend: NetBackend;
  readonly counters: Counters;
  /** Largest sizes of the receive and the transmit queue. */
  readonly queueSizes: readonly number[];
  /** Six bytes. */
  readonly mac: readonly number[];
  /** Features offered instead of MAC, MRG_RXBUF and the back end's offloads. */
  readonly features?: Features | undefined;
  /** For timers: looks while a driver sends in bulk, and interrupts that wait. */
  readonly loop?: EventLoop | undefined;
}

class NetRun {
  readonly active: ActiveDevice;
  receiver: Receiver | undefined = undefined;
  sender: Sender | undefined = undefined;

  constructor(active: ActiveDevice) {
    this.active = active;
  }
}

/** See the file's head. Thread: reactor. */
export class NetDevice implements VirtioDevice, NetListener {
  readonly deviceId = VIRTIO_ID_NET;
  readonly name = 'net';
  readonly features: Features;
  readonly queueMaxSizes: readonly number[];
  readonly config: Uint8Array;
  readonly counters: Counters;
  readonly #backend: NetBackend;
  readonly #loop: EventLoop | undefined;
  readonly #rxIov: IovCache;
  readonly #txIov: IovCache;
  #run: NetRun | undefined;

  /** Errors: ConfigError if `features` has something this device and its back end cannot do. */
  constructor(options: NetOptions) {
    const { backend, queueSizes } = options;
    this.features = options.features ?? {
      low: (OWN_FEATURES.low | backend.offloads) >>> 0,
      high: 0,
    };
    const possible = OWN_FEATURES.low | POSSIBLE_FEATURES.low | backend.possibleOffloads;
    checkFeatures(this.name, this.features, possible);
    this.queueMaxSizes = queueSizes;
    this.config = netConfig(options.mac);
    this.counters = options.counters;
    this.#backend = backend;
    this.#loop = options.loop;
    this.#rxIov = new IovCache(Math.min(MAX_ENTRIES, 2 * at(queueSizes, RX)), RX_STAGING_BYTES);
    this.#txIov = new IovCache(Math.min(MAX_ENTRIES, at(queueSizes, TX)), MAX_PACKET_BYTES);
    backend.setListener(this);
  }

  activate(active: ActiveDevice): void {
    const { features, queues } = active;
    this.#run = new NetRun(active);
    const rx = queues[RX];
    const tx = queues[TX];
    if (rx !== undefined) this.enableQueue(RX, rx);
    if (tx !== undefined) this.enableQueue(TX, tx);
    this.#backend.start(netHeaderBytes(features), features.low);
  }

  reset(): void {
    this.#run?.sender?.stop();
    this.#run = undefined;
    this.#backend.stop();
  }

  resetQueue(queueIndex: number): void {
    const run = this.#run;
    if (run === undefined) return;
    if (queueIndex === TX) {
      run.sender?.stop();
      run.sender = undefined;
    }
    if (queueIndex !== RX) return;
    run.receiver = undefined;
    this.#backend.watch(false); // frames wait where there is a limit for them
  }

  enableQueue(queueIndex: number, queue: VirtQueue): void {
    const run = this.#run;
    if (run === undefined) return;
    const { active } = run;
    const { features, memory } = active;
    const iov = (queueIndex === RX ? this.#rxIov : this.#txIov).take(memory);
    const end = new QueueEnd(active, queue, iov, this.counters);
    if (queueIndex === RX) run.receiver = new Receiver(end, this.#backend, features, this.counters);
    else run.sender = new Sender(end, this.#backend, features, this.counters, this.#loop);
  }

  close(): void {
    this.#backend.close();
  }

  processQueue(queueIndex: number): boolean {
    const run = this.#run;
    if (run === undefined) return false;
    if (queueIndex === RX) return run.receiver?.run(false) ?? false;
    if (queueIndex !== TX) return false;
    return this.#transmit(run);
  }

  receiveReady(): boolean {
    return this.#run?.receiver?.run(true) ?? false;
  }

  sendReady(): boolean {
    const run = this.#run;
    return run === undefined ? false : this.#transmit(run);
  }

  #transmit(run: NetRun): boolean {
    const more = run.sender?.run() ?? false;
    // A back end that answers by itself has answered now. Unless the driver just turned out to be broken.
    if (!this.#backend.pending || run !== this.#run) return more;
    return (run.receiver?.run(false) ?? false) || more;
  }
}

/**
 * The reactor's view of a device's registers: what the device offers goes in, what the driver chose comes out.
 *
 * Thread: reactor, one object per device.
 */
import {
  VIRTIO_CONFIG_S_DRIVER_OK,
  VIRTIO_CONFIG_S_NEEDS_RESET,
  VIRTIO_F_EVENT_IDX,
  VIRTIO_F_INDIRECT_DESC,
  VIRTIO_F_RING_RESET,
  VIRTIO_F_VERSION_1,
} from '../../../abi/virtio.js';
import { invariant } from '../../../util/errors.js';
import { SharedLock } from '../../../util/shared-lock.js';
import { i32At } from '../../../util/typed.js';
import type { VirtioDevice } from '../../core/device.js';
import { type Features, featureSet } from '../../core/features.js';
import type { QueueConfig } from '../../queue/queue-config.js';
import {
  CONFIG_OFFSET,
  MAX_CONFIG_BYTES,
  MAX_QUEUES,
  PART_AVAIL,
  PART_DESC,
  PART_USED,
  QUEUE_ADDRESSES,
  QUEUE_IS_ON,
  QUEUE_MAX_SIZE,
  QUEUE_SIZE,
  QUEUE_STATE,
  queueWord,
  REG_ACCEPTED,
  REG_CONFIG_BYTES,
  REG_DEVICE_ID,
  REG_GENERATION,
  REG_LOCK,
  REG_OFFERED,
  REG_QUEUE_COUNT,
  REG_STATUS,
} from './words.js';

const TWO_32 = 0x1_0000_0000;

/** What a trapped transport offers on top of a device's own features. @param ringReset the device can reset one queue */
export function offeredFeatures(own: Features, ringReset: boolean): Features {
  const ring = featureSet(VIRTIO_F_INDIRECT_DESC, VIRTIO_F_EVENT_IDX, VIRTIO_F_VERSION_1);
  const reset = ringReset ? featureSet(VIRTIO_F_RING_RESET) : featureSet();
  return { low: (own.low | ring.low) >>> 0, high: (own.high | ring.high | reset.high) >>> 0 };
}

/** See the file's head. */
export class PublishedRegisters {
  readonly #words: Int32Array;
  readonly #config: Uint8Array;
  readonly #lock: SharedLock;

  /** @param shared from `createDeviceRegisters` */
  constructor(shared: SharedArrayBuffer) {
    this.#words = new Int32Array(shared);
    this.#config = new Uint8Array(shared, CONFIG_OFFSET, MAX_CONFIG_BYTES);
    this.#lock = new SharedLock(this.#words, REG_LOCK);
  }

  /** Shows the device to its driver. Before any vCPU runs. Errors: InvariantError if it does not fit. */
  publish(device: VirtioDevice, offered: Features): void {
    const { config, deviceId, queueMaxSizes } = device;
    invariant(queueMaxSizes.length <= MAX_QUEUES, `a device has at most ${MAX_QUEUES} queues`);
    invariant(config.length <= MAX_CONFIG_BYTES, `a config space has at most ${MAX_CONFIG_BYTES} bytes`);
    const words = this.#words;
    this.#lock.lock();
    words[REG_DEVICE_ID] = deviceId;
    words[REG_OFFERED] = offered.low;
    words[REG_OFFERED + 1] = offered.high;
    words[REG_CONFIG_BYTES] = config.length;
    this.#config.set(config);
    for (const [index, size] of queueMaxSizes.entries()) {
      words[queueWord(index) + QUEUE_MAX_SIZE] = size;
      words[queueWord(index) + QUEUE_SIZE] = size;
    }
    Atomics.store(words, REG_QUEUE_COUNT, queueMaxSizes.length);
    this.#lock.unlock();
  }

  /** The config space has changed. @param config as long as it was */
  changeConfig(config: Uint8Array): void {
    this.#lock.lock();
    this.#config.set(config);
    Atomics.add(this.#words, REG_GENERATION, 1);
    this.#lock.unlock();
  }

  /** What the driver accepted: a subset of what was offered, once FEATURES_OK is set. */
  accepted(): Features {
    this.#lock.lock();
    const low = i32At(this.#words, REG_ACCEPTED) >>> 0;
    const high = i32At(this.#words, REG_ACCEPTED + 1) >>> 0;
    this.#lock.unlock();
    return { low, high };
  }

  /** A queue's registers, unchecked. @returns undefined if the driver did not enable it */
  queue(index: number): QueueConfig | undefined {
    const words = this.#words;
    const first = queueWord(index);
    this.#lock.lock();
    const on = i32At(words, first + QUEUE_STATE) === QUEUE_IS_ON;
    const copy = words.slice(first, first + QUEUE_ADDRESSES + 6);
    this.#lock.unlock();
    if (!on) return undefined;
    const address = (part: number): number =>
      (i32At(copy, QUEUE_ADDRESSES + 2 * part + 1) >>> 0) * TWO_32 +
      (i32At(copy, QUEUE_ADDRESSES + 2 * part) >>> 0);
    return {
      index,
      maxSize: i32At(copy, QUEUE_MAX_SIZE),
      size: i32At(copy, QUEUE_SIZE),
      layout: { desc: address(PART_DESC), avail: address(PART_AVAIL), used: address(PART_USED) },
    };
  }

  /** Sets NEEDS_RESET. @returns true if DRIVER_OK is set, so that the driver has to be told */
  needReset(): boolean {
    this.#lock.lock();
    const status = i32At(this.#words, REG_STATUS);
    Atomics.store(this.#words, REG_STATUS, status | VIRTIO_CONFIG_S_NEEDS_RESET);
    this.#lock.unlock();
    return (status & VIRTIO_CONFIG_S_DRIVER_OK) !== 0;
  }
}

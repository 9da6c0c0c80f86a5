/** Who is waiting for what, from the words of one register block. */
import {
  HVL_QUEUE_ACK,
  HVL_SENTINEL,
  VIRTIO_MMIO_INTERRUPT_ACK,
  VIRTIO_MMIO_INTERRUPT_STATUS,
  VIRTIO_MMIO_MAGIC,
  VIRTIO_MMIO_MAGIC_VALUE,
  VIRTIO_MMIO_QUEUE_NUM,
  VIRTIO_MMIO_QUEUE_PFN,
  VIRTIO_MMIO_QUEUE_SEL,
  VIRTIO_MMIO_STATUS,
} from '../../../abi/hvl.js';
import {
  VIRTIO_CONFIG_S_DRIVER,
  VIRTIO_CONFIG_S_DRIVER_OK,
  VIRTIO_CONFIG_S_FAILED,
} from '../../../abi/virtio.js';
import type { StaticReport } from './inspect.js';

/** One sentence per side, without a full stop. */
export interface Waiting {
  readonly device: string;
  readonly driver: string;
}

/** @param block a copy of the block */
export function waitingFor(block: DataView, fixed: StaticReport | undefined): Waiting {
  const value = (offset: number): number => block.getUint32(offset, true);
  if (value(VIRTIO_MMIO_MAGIC_VALUE) !== VIRTIO_MMIO_MAGIC) {
    return { device: 'not published: MAGIC is wrong', driver: 'gives up if it starts now' };
  }
  const status = value(VIRTIO_MMIO_STATUS) & 0xff;
  if ((status & VIRTIO_CONFIG_S_FAILED) !== 0) {
    return { device: 'waits for the driver to start again', driver: 'has given up: STATUS is FAILED' };
  }
  if ((status & VIRTIO_CONFIG_S_DRIVER_OK) !== 0) return running(block);
  if (fixed !== undefined) {
    const wantsFresh = !fixed.fresh && fixed.attach !== fixed.epoch && fixed.attach !== 0;
    if (wantsFresh) {
      return { device: 'has to make the static rings fresh', driver: 'waits for FRESH' };
    }
  }
  if (status === 0) {
    const how = fixed === undefined ? 'STATUS is 0' : 'STATUS is 0, static descriptor ready to attach';
    return { device: `waits for a driver: ${how}`, driver: 'has not started' };
  }
  return handshake(block, status);
}

function handshake(block: DataView, status: number): Waiting {
  const pfn = block.getUint32(VIRTIO_MMIO_QUEUE_PFN, true);
  const sel = block.getUint32(VIRTIO_MMIO_QUEUE_SEL, true);
  const num = block.getUint32(VIRTIO_MMIO_QUEUE_NUM, true);
  if ((status & VIRTIO_CONFIG_S_DRIVER) === 0) {
    return { device: 'waits for the driver to continue', driver: 'has acknowledged the device' };
  }
  if (pfn === 0) return { device: 'waits for a queue or DRIVER_OK', driver: 'negotiates' };
  if (pfn === HVL_QUEUE_ACK) {
    return { device: 'has accepted a queue; waits for the next, or DRIVER_OK', driver: 'has to continue' };
  }
  if (sel === HVL_SENTINEL) {
    return { device: 'waits for the next queue, or DRIVER_OK', driver: 'has seen its queue accepted' };
  }
  if (num === HVL_SENTINEL) {
    return { device: `waits for the rest of queue ${sel}`, driver: `sets up queue ${sel}` };
  }
  return {
    device: `has not accepted queue ${sel}: not seen yet (lost doorbell?), refused, or still being written`,
    driver: `waits for the ACK of queue ${sel}`,
  };
}

function running(block: DataView): Waiting {
  const status = block.getUint32(VIRTIO_MMIO_INTERRUPT_STATUS, true);
  const ack = block.getUint32(VIRTIO_MMIO_INTERRUPT_ACK, true);
  if (ack !== 0) {
    return { device: 'has to take an INTERRUPT_ACK (lost doorbell?)', driver: 'runs' };
  }
  if (status !== 0) {
    return {
      device: 'runs; its last interrupt is not acknowledged',
      driver: 'has to serve an interrupt (lost?)',
    };
  }
  return { device: 'runs; waits for buffers', driver: 'runs; nothing is signalled to it' };
}

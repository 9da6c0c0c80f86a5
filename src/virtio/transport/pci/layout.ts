/**
 * What a virtio device looks like as a PCI function: ids, one memory BAR with all its structures, capabilities.
 *
 *     BAR 0, 16 KiB                     configuration space
 *     0x0000  common configuration      0x40  MSI-X
 *     0x0200  ISR                       0x4c  common configuration
 *     0x0400  device configuration      0x5c  notify, multiplier 4
 *     0x1000  notify, 4 bytes a queue   0x70  ISR
 *     0x2000  MSI-X table               0x80  device configuration
 *     0x2800  MSI-X pending bits        0x90  PCI configuration access
 *
 * Notify registers and MSI-X have pages of their own, so that neither shares one with anything else.
 * Spec: virtio 1.2 section 4.1; PCI Local Bus 3.0 section 6.8.2 (MSI-X).
 */
import {
  PCI_CAP_ID_MSIX,
  PCI_CAP_ID_VNDR,
  PCI_CAP_LIST_ID,
  PCI_CAP_MSIX_SIZEOF,
  PCI_MSIX_FLAGS,
  PCI_MSIX_FLAGS_ENABLE,
  PCI_MSIX_FLAGS_MASKALL,
  PCI_MSIX_PBA,
  PCI_MSIX_TABLE,
  PCI_STD_HEADER_SIZEOF,
} from '../../../abi/pci.js';
import { VIRTIO_ID_BLOCK, VIRTIO_ID_CONSOLE, VIRTIO_ID_NET } from '../../../abi/virtio.js';
import {
  VIRTIO_PCI_CAP_BAR,
  VIRTIO_PCI_CAP_BYTES,
  VIRTIO_PCI_CAP_CFG_TYPE,
  VIRTIO_PCI_CAP_COMMON_CFG,
  VIRTIO_PCI_CAP_DEVICE_CFG,
  VIRTIO_PCI_CAP_ISR_CFG,
  VIRTIO_PCI_CAP_LEN,
  VIRTIO_PCI_CAP_LENGTH,
  VIRTIO_PCI_CAP_NOTIFY_CFG,
  VIRTIO_PCI_CAP_OFFSET,
  VIRTIO_PCI_CAP_PCI_CFG,
  VIRTIO_PCI_CFG_CAP_BYTES,
  VIRTIO_PCI_CFG_CAP_PCI_CFG_DATA_OFF,
  VIRTIO_PCI_COMMON_BYTES,
  VIRTIO_PCI_DEVICE_BASE,
  VIRTIO_PCI_NOTIFY_CAP_BYTES,
  VIRTIO_PCI_NOTIFY_CAP_MULT,
  VIRTIO_PCI_REVISION,
  VIRTIO_PCI_SUBSYSTEM_BASE,
  VIRTIO_PCI_VENDOR,
} from '../../../abi/virtio-pci.js';
import type { PciCapabilitySpec, PciFunctionSpec } from '../../../bus/pci/function.js';
import { MAX_CONFIG_BYTES, MAX_QUEUES } from '../trapped/words.js';

/** The BAR that everything is in, and its size in bytes. */
export const VIRTIO_BAR = 0;
export const VIRTIO_BAR_BYTES = 0x4000;

// Offsets in the BAR.
export const COMMON_OFFSET = 0;
export const ISR_OFFSET = 0x200;
export const CONFIG_OFFSET = 0x400;
export const NOTIFY_OFFSET = 0x1000;
export const TABLE_OFFSET = 0x2000;
export const PENDING_OFFSET = 0x2800;
/** Bytes from one queue's notify register to the next one's. */
export const NOTIFY_STRIDE = 4;
const ISR_BYTES = 4;

// Offsets in configuration space.
export const MSIX_CAPABILITY = PCI_STD_HEADER_SIZEOF;
/** The capability for accesses to the BAR by configuration space: behind MSI-X and four others. */
export const ACCESS_CAPABILITY =
  MSIX_CAPABILITY + PCI_CAP_MSIX_SIZEOF + 3 * VIRTIO_PCI_CAP_BYTES + VIRTIO_PCI_NOTIFY_CAP_BYTES;

/** Base class and sub-class of device kinds that have one; all others are of no class. */
const CLASSES: Readonly<Record<number, number>> = {
  [VIRTIO_ID_NET]: 0x02_0000,
  [VIRTIO_ID_BLOCK]: 0x01_8000,
  [VIRTIO_ID_CONSOLE]: 0x07_8000,
};
const NO_CLASS = 0xff_0000;

/** Interrupt vectors of a device: one for each queue, and one for configuration changes. */
export function vectorCount(queues: number): number {
  return queues + 1;
}

function capability(type: number, offset: number, length: number, bytes = VIRTIO_PCI_CAP_BYTES): Uint8Array {
  const view = new DataView(new ArrayBuffer(bytes));
  view.setUint8(PCI_CAP_LIST_ID, PCI_CAP_ID_VNDR);
  view.setUint8(VIRTIO_PCI_CAP_LEN, bytes);
  view.setUint8(VIRTIO_PCI_CAP_CFG_TYPE, type);
  view.setUint8(VIRTIO_PCI_CAP_BAR, VIRTIO_BAR);
  view.setUint32(VIRTIO_PCI_CAP_OFFSET, offset, true);
  view.setUint32(VIRTIO_PCI_CAP_LENGTH, length, true);
  return new Uint8Array(view.buffer);
}

const READ_ONLY = new Uint8Array(0);

function msix(vectors: number): PciCapabilitySpec {
  const view = new DataView(new ArrayBuffer(PCI_CAP_MSIX_SIZEOF));
  const writable = new DataView(new ArrayBuffer(PCI_CAP_MSIX_SIZEOF));
  view.setUint8(PCI_CAP_LIST_ID, PCI_CAP_ID_MSIX);
  view.setUint16(PCI_MSIX_FLAGS, vectors - 1, true);
  view.setUint32(PCI_MSIX_TABLE, TABLE_OFFSET | VIRTIO_BAR, true);
  view.setUint32(PCI_MSIX_PBA, PENDING_OFFSET | VIRTIO_BAR, true);
  writable.setUint16(PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL, true);
  return { bytes: new Uint8Array(view.buffer), writable: new Uint8Array(writable.buffer) };
}

function notify(): PciCapabilitySpec {
  const bytes = capability(
    VIRTIO_PCI_CAP_NOTIFY_CFG,
    NOTIFY_OFFSET,
    MAX_QUEUES * NOTIFY_STRIDE,
    VIRTIO_PCI_NOTIFY_CAP_BYTES,
  );
  new DataView(bytes.buffer).setUint32(VIRTIO_PCI_NOTIFY_CAP_MULT, NOTIFY_STRIDE, true);
  return { bytes, writable: READ_ONLY };
}

/** BAR, offset, length and data are the driver's. */
function access(): PciCapabilitySpec {
  const writable = new Uint8Array(VIRTIO_PCI_CFG_CAP_BYTES);
  writable[VIRTIO_PCI_CAP_BAR] = 0xff;
  writable.fill(0xff, VIRTIO_PCI_CAP_OFFSET);
  return { bytes: capability(VIRTIO_PCI_CAP_PCI_CFG, 0, 0, VIRTIO_PCI_CFG_CAP_BYTES), writable };
}

/** What the machine's table of devices says of one. */
export interface VirtioPciSpec {
  /** VIRTIO_ID_ */
  readonly deviceId: number;
  /** Number of queues, 1 ... MAX_QUEUES. */
  readonly queues: number;
  /** GSI of INTA#. */
  readonly interruptLine: number;
}

/** The function of a virtio device, for `createPci`. */
export function virtioPciFunction({ deviceId, queues, interruptLine }: VirtioPciSpec): PciFunctionSpec {
  return {
    vendor: VIRTIO_PCI_VENDOR,
    device: VIRTIO_PCI_DEVICE_BASE + deviceId,
    subsystemVendor: VIRTIO_PCI_VENDOR,
    subsystem: VIRTIO_PCI_SUBSYSTEM_BASE + deviceId,
    revision: VIRTIO_PCI_REVISION,
    classCode: CLASSES[deviceId] ?? NO_CLASS,
    interruptPin: 1,
    interruptLine,
    bars: [{ index: VIRTIO_BAR, bytes: VIRTIO_BAR_BYTES }],
    capabilities: [
      msix(vectorCount(queues)),
      {
        bytes: capability(VIRTIO_PCI_CAP_COMMON_CFG, COMMON_OFFSET, VIRTIO_PCI_COMMON_BYTES),
        writable: READ_ONLY,
      },
      notify(),
      { bytes: capability(VIRTIO_PCI_CAP_ISR_CFG, ISR_OFFSET, ISR_BYTES), writable: READ_ONLY },
      { bytes: capability(VIRTIO_PCI_CAP_DEVICE_CFG, CONFIG_OFFSET, MAX_CONFIG_BYTES), writable: READ_ONLY },
      access(),
    ],
    scratch: [],
  };
}

/** Data register of {@link ACCESS_CAPABILITY}. */
export const ACCESS_DATA = ACCESS_CAPABILITY + VIRTIO_PCI_CFG_CAP_PCI_CFG_DATA_OFF;

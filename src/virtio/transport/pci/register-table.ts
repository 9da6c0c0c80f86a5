/**
 * The common configuration structure of virtio-pci, declared once: for tests and documentation. Access is the driver's.
 * Spec: virtio 1.2 section 4.1.4.3.
 */
import * as abi from '../../../abi/virtio-pci.js';

/** One field. */
export interface CommonRegister {
  readonly offset: number;
  /** 1, 2 or 4: the width of writes. 64-bit fields are two. */
  readonly bytes: number;
  readonly access: 'r' | 'rw';
  /** As the specification calls it. */
  readonly name: string;
  /** One line for a reader of the documentation. */
  readonly about: string;
}

const field = (
  offset: number,
  bytes: number,
  access: CommonRegister['access'],
  name: string,
  about: string,
): CommonRegister => ({ offset, bytes, access, name, about });

/** In order of offset, without gaps. What is behind reads 0 and ignores writes. */
export const COMMON_REGISTERS: readonly CommonRegister[] = [
  field(abi.VIRTIO_PCI_COMMON_DFSELECT, 4, 'rw', 'device_feature_select', 'word of device_feature'),
  field(abi.VIRTIO_PCI_COMMON_DF, 4, 'r', 'device_feature', 'offered bits of that word; 0 from word 2 on'),
  field(abi.VIRTIO_PCI_COMMON_GFSELECT, 4, 'rw', 'driver_feature_select', 'word of driver_feature'),
  field(abi.VIRTIO_PCI_COMMON_GF, 4, 'rw', 'driver_feature', 'accepted bits; fixed from FEATURES_OK on'),
  field(abi.VIRTIO_PCI_COMMON_MSIX, 2, 'rw', 'config_msix_vector', '0xffff = none'),
  field(abi.VIRTIO_PCI_COMMON_NUMQ, 2, 'r', 'num_queues', 'number of queues'),
  field(
    abi.VIRTIO_PCI_COMMON_STATUS,
    1,
    'rw',
    'device_status',
    '0 resets, and reads 0 once the device is quiet',
  ),
  field(abi.VIRTIO_PCI_COMMON_CFGGENERATION, 1, 'r', 'config_generation', 'changes with the config space'),
  field(abi.VIRTIO_PCI_COMMON_Q_SELECT, 2, 'rw', 'queue_select', 'queue of the fields below'),
  field(
    abi.VIRTIO_PCI_COMMON_Q_SIZE,
    2,
    'rw',
    'queue_size',
    'largest size, until the driver chooses another; 0 = no queue',
  ),
  field(abi.VIRTIO_PCI_COMMON_Q_MSIX, 2, 'rw', 'queue_msix_vector', '0xffff = none'),
  field(abi.VIRTIO_PCI_COMMON_Q_ENABLE, 2, 'rw', 'queue_enable', '1 enables; 0 is ignored'),
  field(abi.VIRTIO_PCI_COMMON_Q_NOFF, 2, 'r', 'queue_notify_off', 'the index of the queue'),
  field(abi.VIRTIO_PCI_COMMON_Q_DESCLO, 4, 'rw', 'queue_desc', 'descriptor table, low half'),
  field(abi.VIRTIO_PCI_COMMON_Q_DESCHI, 4, 'rw', 'queue_desc', 'high half'),
  field(abi.VIRTIO_PCI_COMMON_Q_AVAILLO, 4, 'rw', 'queue_driver', 'available ring, low half'),
  field(abi.VIRTIO_PCI_COMMON_Q_AVAILHI, 4, 'rw', 'queue_driver', 'high half'),
  field(abi.VIRTIO_PCI_COMMON_Q_USEDLO, 4, 'rw', 'queue_device', 'used ring, low half'),
  field(abi.VIRTIO_PCI_COMMON_Q_USEDHI, 4, 'rw', 'queue_device', 'high half'),
  field(abi.VIRTIO_PCI_COMMON_Q_NDATA, 2, 'r', 'queue_notify_data', '0: not offered'),
  field(
    abi.VIRTIO_PCI_COMMON_Q_RESET,
    2,
    'rw',
    'queue_reset',
    '1 resets a running queue; over when the write ends',
  ),
];

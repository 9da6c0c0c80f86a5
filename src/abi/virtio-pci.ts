// virtio over PCI: <linux/virtio_pci.h>, <linux/virtio_ids.h>, virtio 1.2 section 4.1.
// Device numbers, section 4.1.2
export const VIRTIO_PCI_VENDOR = 0x1af4;
/** PCI device id of virtio device id 0. */
export const VIRTIO_PCI_DEVICE_BASE = 0x1040;
/** PCI subsystem id of virtio device id 0. */
export const VIRTIO_PCI_SUBSYSTEM_BASE = 0x40;
export const VIRTIO_PCI_REVISION = 1;

/** No vector: of a queue, or of configuration changes. */
export const VIRTIO_MSI_NO_VECTOR = 0xffff;

// Capabilities, section 4.1.4: types, and offsets in struct virtio_pci_cap
export const VIRTIO_PCI_CAP_COMMON_CFG = 1;
export const VIRTIO_PCI_CAP_NOTIFY_CFG = 2;
export const VIRTIO_PCI_CAP_ISR_CFG = 3;
export const VIRTIO_PCI_CAP_DEVICE_CFG = 4;
export const VIRTIO_PCI_CAP_PCI_CFG = 5;
export const VIRTIO_PCI_CAP_LEN = 2;
export const VIRTIO_PCI_CAP_CFG_TYPE = 3;
export const VIRTIO_PCI_CAP_BAR = 4;
export const VIRTIO_PCI_CAP_OFFSET = 8;
export const VIRTIO_PCI_CAP_LENGTH = 12;
export const VIRTIO_PCI_CAP_BYTES = 16;
export const VIRTIO_PCI_NOTIFY_CAP_MULT = 16;
export const VIRTIO_PCI_NOTIFY_CAP_BYTES = 20;
export const VIRTIO_PCI_CFG_CAP_PCI_CFG_DATA_OFF = 16;
export const VIRTIO_PCI_CFG_CAP_BYTES = 20;

// Common configuration, section 4.1.4.3: offsets in struct virtio_pci_common_cfg (Linux calls the driver "guest")
export const VIRTIO_PCI_COMMON_DFSELECT = 0;
export const VIRTIO_PCI_COMMON_DF = 4;
export const VIRTIO_PCI_COMMON_GFSELECT = 8;
export const VIRTIO_PCI_COMMON_GF = 12;
export const VIRTIO_PCI_COMMON_MSIX = 16;
export const VIRTIO_PCI_COMMON_NUMQ = 18;
export const VIRTIO_PCI_COMMON_STATUS = 20;
export const VIRTIO_PCI_COMMON_CFGGENERATION = 21;
export const VIRTIO_PCI_COMMON_Q_SELECT = 22;
export const VIRTIO_PCI_COMMON_Q_SIZE = 24;
export const VIRTIO_PCI_COMMON_Q_MSIX = 26;
export const VIRTIO_PCI_COMMON_Q_ENABLE = 28;
export const VIRTIO_PCI_COMMON_Q_NOFF = 30;
export const VIRTIO_PCI_COMMON_Q_DESCLO = 32;
export const VIRTIO_PCI_COMMON_Q_DESCHI = 36;
export const VIRTIO_PCI_COMMON_Q_AVAILLO = 40;
export const VIRTIO_PCI_COMMON_Q_AVAILHI = 44;
export const VIRTIO_PCI_COMMON_Q_USEDLO = 48;
export const VIRTIO_PCI_COMMON_Q_USEDHI = 52;
export const VIRTIO_PCI_COMMON_Q_NDATA = 56;
export const VIRTIO_PCI_COMMON_Q_RESET = 58;
/** What we show: with queue_reset, a multiple of 4. */
export const VIRTIO_PCI_COMMON_BYTES = 60;

// PCI configuration space: <linux/pci_regs.h>, PCI Local Bus Specification 3.0, sections 6.1, 6.2 and 6.8. Offsets in bytes.
export const PCI_VENDOR_ID = 0x00;
export const PCI_DEVICE_ID = 0x02;
export const PCI_COMMAND = 0x04;
export const PCI_COMMAND_IO = 0x1;
export const PCI_COMMAND_MEMORY = 0x2;
export const PCI_COMMAND_MASTER = 0x4;
export const PCI_COMMAND_PARITY = 0x40;
export const PCI_COMMAND_SERR = 0x100;
export const PCI_COMMAND_INTX_DISABLE = 0x400;
export const PCI_STATUS = 0x06;
export const PCI_STATUS_INTERRUPT = 0x08;
export const PCI_STATUS_CAP_LIST = 0x10;
export const PCI_CLASS_REVISION = 0x08;
export const PCI_CACHE_LINE_SIZE = 0x0c;
export const PCI_HEADER_TYPE = 0x0e;
export const PCI_BASE_ADDRESS_0 = 0x10;
export const PCI_SUBSYSTEM_VENDOR_ID = 0x2c;
export const PCI_SUBSYSTEM_ID = 0x2e;
export const PCI_CAPABILITY_LIST = 0x34;
export const PCI_INTERRUPT_LINE = 0x3c;
export const PCI_INTERRUPT_PIN = 0x3d;
export const PCI_STD_HEADER_SIZEOF = 64;
export const PCI_STD_NUM_BARS = 6;
export const PCI_CFG_SPACE_SIZE = 256;

// Capabilities
export const PCI_CAP_LIST_ID = 0;
export const PCI_CAP_LIST_NEXT = 1;
export const PCI_CAP_ID_VNDR = 0x09;
export const PCI_CAP_ID_MSIX = 0x11;

// MSI-X capability and table
export const PCI_MSIX_FLAGS = 2;
export const PCI_MSIX_FLAGS_QSIZE = 0x07ff;
export const PCI_MSIX_FLAGS_MASKALL = 0x4000;
export const PCI_MSIX_FLAGS_ENABLE = 0x8000;
export const PCI_MSIX_TABLE = 4;
export const PCI_MSIX_PBA = 8;
export const PCI_CAP_MSIX_SIZEOF = 12;
export const PCI_MSIX_ENTRY_SIZE = 16;
export const PCI_MSIX_ENTRY_LOWER_ADDR = 0;
export const PCI_MSIX_ENTRY_UPPER_ADDR = 4;
export const PCI_MSIX_ENTRY_DATA = 8;
export const PCI_MSIX_ENTRY_VECTOR_CTRL = 12;
export const PCI_MSIX_ENTRY_CTRL_MASKBIT = 1;

// Configuration mechanism #1, PCI Local Bus Specification 3.0 section 3.2.2.3.2: offsets in the eight ports, and the address.
export const PCI_CONFIG_PORT = 0xcf8;
export const PCI_CONFIG_PORTS = 8;
export const PCI_CONFIG_DATA_OFF = 4;
export const PCI_CONFIG_ENABLE = 0x8000_0000;
export const PCI_CONFIG_BUS_SHIFT = 16;
export const PCI_CONFIG_SLOT_SHIFT = 11;
export const PCI_CONFIG_FUNCTION_SHIFT = 8;
/** Bits of the address register that can be written; the two lowest are always 0. */
export const PCI_CONFIG_ADDRESS_MASK = 0x80ff_fffc;

// Enhanced configuration access, PCI Express Base Specification section 7.2.2: address bits.
export const PCI_ECAM_BUS_SHIFT = 20;
export const PCI_ECAM_SLOT_SHIFT = 15;
export const PCI_ECAM_FUNCTION_SHIFT = 12;
export const PCI_ECAM_REGISTER_MASK = 0xfff;

// Host bridge: the north bridge of the 440FX, as QEMU shows it. Programmable attribute map: 82441FX data sheet.
export const PCI_VENDOR_ID_INTEL = 0x8086;
export const PCI_DEVICE_ID_INTEL_82441 = 0x1237;
export const PCI_SUBVENDOR_ID_REDHAT_QUMRANET = 0x1af4;
export const PCI_SUBDEVICE_ID_QEMU = 0x1100;
export const I440FX_REVISION = 2;
export const I440FX_PAM = 0x58;
export const I440FX_PAM_BYTES = 8;
export const PCI_CLASS_BRIDGE_HOST = 0x06_0000;

/**
 * Where things are in a guest: the one table that loaders, firmware tables, devices and documentation agree on.
 * Addresses are guest-physical, in bytes.
 */
import type { RegionRecord } from '../../memory/guest-memory.js';

// Low memory.
/** Zero page (struct boot_params) of the 64-bit and 32-bit boot protocols; PVH start info; multiboot info. */
export const ZERO_PAGE = 0x7000;
/** Page tables and GDT for entries in long mode: 0x8000 ... 0xefff. */
export const BOOT_TABLES = 0x8000;
/** Flat binaries, in real mode 0x1000:0. */
export const FLAT_IMAGE = 0x1_0000;
/** Kernel command line, at most 64 KiB. */
export const COMMAND_LINE = 0x2_0000;
export const COMMAND_LINE_BYTES = 0x1_0000;
/** End of RAM that a guest may use below 640 KiB; the extended BIOS data area begins. */
export const EBDA = 0x9_fc00;
export const VGA_HOLE = 0xa_0000;
/** Tables of our own firmware (RSDP, ACPI, MP): reserved in E820. */
export const FIRMWARE_TABLES = 0xe_0000;
export const FIRMWARE_TABLES_BYTES = 0x2_0000;
/** Protected-mode kernels. */
export const HIGH_MEMORY = 0x10_0000;
/** VxWorks as the C tool loads it: boot line (at most 256 bytes with its NUL), end of the stack, image. */
export const VXWORKS_BOOT_LINE = 0x10_1200;
export const VXWORKS_BOOT_LINE_BYTES = 0x100;
export const VXWORKS_STACK = 0x30_0000;
export const VXWORKS_IMAGE = 0x40_8000;

// The hole below 4 GiB.
/** First address that is never RAM below 4 GiB. */
export const HOLE_START = 0xd000_0000;
/** virtio-mmio register blocks, one after the other. */
export const VIRTIO_MMIO_BASE = 0xd300_0000;
export const VIRTIO_MMIO_STRIDE = 0x200;
/** Where pools of hypervisorless devices may lie, with their doorbell behind: outside the PCI windows. */
export const HVL_POOL_START = 0xd400_0000;
/** A store of any width and value rings for all hypervisorless devices. */
export const HVL_DOORBELL = 0xe000_0000;
/** So does one at this offset of the window at VIRTIO_MMIO_BASE + index x VIRTIO_MMIO_STRIDE that belongs to the device. */
export const HVL_DEVICE_DOORBELL = 0x1f0;
/** PCI configuration space as memory (ECAM), bus 0 only: 1 MiB. */
export const PCI_ECAM = 0xe800_0000;
export const PCI_ECAM_BYTES = 0x10_0000;
/** Window of the PCI host bridge for memory BARs. SeaBIOS lays them from its end downwards, which for it is the IOAPIC. */
export const PCI_MEMORY = 0xf000_0000;
export const PCI_MEMORY_BYTES = 0x0ec0_0000;
export const IOAPIC_ADDRESS = 0xfec0_0000;
export const LAPIC_ADDRESS = 0xfee0_0000;
/** One page KVM uses on Intel; right behind it three more. A firmware image of up to 256 KiB fits above. */
export const IDENTITY_MAP = 0xfffb_c000;
export const TSS = 0xfffb_d000;
export const FOUR_GIB = 0x1_0000_0000;

// Ports.
/** ACPI power management: PM1 event block (4 bytes), PM1 control (2), timer (4). */
export const PM_EVENT_PORT = 0x600;
export const PM_CONTROL_PORT = 0x604;
export const PM_TIMER_PORT = 0x608;
/** Reset control register of PCI hosts; also FADT's reset register, value 6. */
export const RESET_PORT = 0xcf9;
export const RESET_VALUE = 6;
/** SLP_TYP that means power off (\_S5). */
export const SLEEP_TYPE_OFF = 5;
export const SERIAL_PORTS: readonly number[] = [0x3f8, 0x2f8, 0x3e8, 0x2e8];
export const SERIAL_GSIS: readonly number[] = [4, 3, 4, 3];
export const KEYBOARD_GSI = 1;
export const RTC_GSI = 8;
/** ACPI's interrupt. */
export const SCI_GSI = 9;
/** Lines of PCI's INTA#, shared: slot n has the n-th, round and round. Below 16, so that they work without IOAPIC. */
export const PCI_INTX_GSIS: readonly number[] = [10, 11];
/** Edges of virtio-mmio devices, one each, those below 16 first. 12 stays free for hypervisorless guests. */
export const VIRTIO_MMIO_GSIS: readonly number[] = [5, 6, 7, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23];

/** The line of hypervisorless devices unless told otherwise. */
export const HVL_GSI = 12;

/** Level-triggered lines; the firmware (that is us) sets the PICs to that, too. */
export const LEVEL_GSIS: readonly number[] = [SCI_GSI, ...PCI_INTX_GSIS];

/** The line of INTA# of a function in PCI slot `slot`, 0 ... 31. */
export function pciIntxGsi(slot: number): number {
  return PCI_INTX_GSIS[slot % PCI_INTX_GSIS.length] as number;
}

/** A run of guest RAM. */
export interface RamRange {
  readonly gpa: number;
  readonly bytes: number;
}

/** RAM of a guest: below the hole, and what does not fit from 4 GiB on. @param bytes multiple of 4096 */
export function ramRanges(bytes: number): RamRange[] {
  if (bytes <= HOLE_START) return [{ gpa: 0, bytes }];
  return [
    { gpa: 0, bytes: HOLE_START },
    { gpa: FOUR_GIB, bytes: bytes - HOLE_START },
  ];
}

/** The same ranges with their host addresses, from one mapping of `bytes` at `hva`. */
export function ramRegions(bytes: number, hva: number): RegionRecord[] {
  let at = hva;
  return ramRanges(bytes).map((range) => {
    const region = { ...range, hva: at };
    at += range.bytes;
    return region;
  });
}

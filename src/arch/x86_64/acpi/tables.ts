/**
 * ACPI tables except the contents of the DSDT, each as bytes.
 *
 * There is no SMI: SMI_CMD is 0, which says that the machine is always in ACPI mode. The power button is a fixed feature,
 * the reset register the one of PCI hosts. There is one sleep state, S5.
 *
 * Spec: ACPI 6.3 section 5.2; MCFG: PCI Firmware 3.0 section 4.1.2. Thread: any.
 */
import * as abi from '../../../abi/acpi.js';
import { setU64 } from '../../../util/u64.js';
import * as map from '../memory-map.js';
import { ascii, bytesOf, checksum, concat, u16, u32, u64 } from './bytes.js';
import { type FirmwareDescription, ioapicId } from './description.js';

const OEM_ID = 'LKVM';
const OEM_ID_BYTES = 6;
const OEM_TABLE_ID = 'GUEST';
const OEM_TABLE_ID_BYTES = 8;
const CREATOR_ID = 'LKVM';
const OEM_REVISION = 1;
const PM_EVENT_BYTES = 4;
const PM_CONTROL_BYTES = 2;
const PM_TIMER_BYTES = 4;
/** CMOS register of the century. */
const CMOS_CENTURY = 0x32;
const LINT1 = 1;

const IAPC_BOOT_ARCH =
  (1 << abi.ACPI_FADT_LEGACY_DEVICES) |
  (1 << abi.ACPI_FADT_8042) |
  (1 << abi.ACPI_FADT_NO_VGA) |
  (1 << abi.ACPI_FADT_NO_ASPM);
/** No bit for the power button: it is a fixed feature. The sleep button's says that there is none. */
const FADT_FLAGS =
  (1 << abi.ACPI_FADT_WBINVD) |
  (1 << abi.ACPI_FADT_PROC_C1) |
  (1 << abi.ACPI_FADT_SLP_BUTTON) |
  (1 << abi.ACPI_FADT_FIX_RTC) |
  (1 << abi.ACPI_FADT_TMR_VAL_EXT) |
  (1 << abi.ACPI_FADT_RESET_REG_SUP);

/** A table with its header and checksum. @param body what follows the header */
export function systemTable(signature: string, revision: number, body: Uint8Array): Uint8Array {
  const table = new Uint8Array(abi.ACPI_HEADER_BYTES + body.length);
  const view = new DataView(table.buffer);
  table.set(ascii(signature), abi.ACPI_HEADER_SIGNATURE_OFF);
  view.setUint32(abi.ACPI_HEADER_LENGTH_OFF, table.length, true);
  table[abi.ACPI_HEADER_REVISION_OFF] = revision;
  table.set(ascii(OEM_ID, OEM_ID_BYTES), abi.ACPI_HEADER_OEM_ID_OFF);
  table.set(ascii(OEM_TABLE_ID, OEM_TABLE_ID_BYTES), abi.ACPI_HEADER_OEM_TABLE_ID_OFF);
  view.setUint32(abi.ACPI_HEADER_OEM_REVISION_OFF, OEM_REVISION, true);
  table.set(ascii(CREATOR_ID), abi.ACPI_HEADER_CREATOR_ID_OFF);
  view.setUint32(abi.ACPI_HEADER_CREATOR_REVISION_OFF, OEM_REVISION, true);
  table.set(body, abi.ACPI_HEADER_BYTES);
  table[abi.ACPI_HEADER_CHECKSUM_OFF] = checksum(table);
  return table;
}

/** Revision 2, with both root tables. Addresses are below 4 GiB. */
export function rsdp(rsdt: number, xsdt: number): Uint8Array {
  const bytes = new Uint8Array(abi.ACPI_RSDP_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(ascii(abi.ACPI_SIG_RSDP));
  bytes.set(ascii(OEM_ID, OEM_ID_BYTES), abi.ACPI_RSDP_OEM_ID_OFF);
  bytes[abi.ACPI_RSDP_REVISION_OFF] = abi.ACPI_RSDP_REVISION;
  view.setUint32(abi.ACPI_RSDP_RSDT_OFF, rsdt, true);
  view.setUint32(abi.ACPI_RSDP_LENGTH_OFF, bytes.length, true);
  setU64(view, abi.ACPI_RSDP_XSDT_OFF, xsdt);
  bytes[abi.ACPI_RSDP_CHECKSUM_OFF] = checksum(bytes.subarray(0, abi.ACPI_RSDP_V1_BYTES));
  bytes[abi.ACPI_RSDP_EXTENDED_CHECKSUM_OFF] = checksum(bytes);
  return bytes;
}

/** Root table with 32-bit addresses, for systems that know ACPI 1.0 only. */
export function rsdt(tables: readonly number[]): Uint8Array {
  return systemTable(abi.ACPI_SIG_RSDT, abi.ACPI_RSDT_REVISION, concat(tables.map(u32)));
}

/** Root table with 64-bit addresses. */
export function xsdt(tables: readonly number[]): Uint8Array {
  return systemTable(abi.ACPI_SIG_XSDT, abi.ACPI_XSDT_REVISION, concat(tables.map(u64)));
}

/** Words shared with the firmware: the waking vector and the global lock, which nobody takes. */
export function facs(): Uint8Array {
  const bytes = new Uint8Array(abi.ACPI_FACS_BYTES);
  bytes.set(ascii(abi.ACPI_SIG_FACS));
  new DataView(bytes.buffer).setUint32(abi.ACPI_FACS_LENGTH_OFF, bytes.length, true);
  bytes[abi.ACPI_FACS_VERSION_OFF] = abi.ACPI_FACS_VERSION;
  return bytes;
}

/** Fixed hardware. @param facsAt, dsdtAt addresses below 4 GiB */
export function fadt(facsAt: number, dsdtAt: number): Uint8Array {
  // Offsets of the specification count from the header.
  const table = new Uint8Array(abi.ACPI_FADT_BYTES);
  const view = new DataView(table.buffer);
  const word = (offset: number, value: number) => view.setUint16(offset, value, true);
  const dword = (offset: number, value: number) => view.setUint32(offset, value, true);
  // One address of the FACS only: the other is for places above 4 GiB.
  dword(abi.ACPI_FADT_FIRMWARE_CTRL_OFF, facsAt);
  dword(abi.ACPI_FADT_DSDT_OFF, dsdtAt);
  setU64(view, abi.ACPI_FADT_X_DSDT_OFF, dsdtAt);
  word(abi.ACPI_FADT_SCI_INT_OFF, map.SCI_GSI);
  dword(abi.ACPI_FADT_PM1A_EVT_BLK_OFF, map.PM_EVENT_PORT);
  dword(abi.ACPI_FADT_PM1A_CNT_BLK_OFF, map.PM_CONTROL_PORT);
  dword(abi.ACPI_FADT_PM_TMR_BLK_OFF, map.PM_TIMER_PORT);
  table[abi.ACPI_FADT_PM1_EVT_LEN_OFF] = PM_EVENT_BYTES;
  table[abi.ACPI_FADT_PM1_CNT_LEN_OFF] = PM_CONTROL_BYTES;
  table[abi.ACPI_FADT_PM_TMR_LEN_OFF] = PM_TIMER_BYTES;
  word(abi.ACPI_FADT_P_LVL2_LAT_OFF, abi.ACPI_FADT_NO_C2_LATENCY);
  word(abi.ACPI_FADT_P_LVL3_LAT_OFF, abi.ACPI_FADT_NO_C3_LATENCY);
  table[abi.ACPI_FADT_CENTURY_OFF] = CMOS_CENTURY;
  word(abi.ACPI_FADT_IAPC_BOOT_ARCH_OFF, IAPC_BOOT_ARCH);
  dword(abi.ACPI_FADT_FLAGS_OFF, FADT_FLAGS);
  table.set(portRegister(map.RESET_PORT, 1, abi.ACPI_GAS_ACCESS_BYTE), abi.ACPI_FADT_RESET_REG_OFF);
  table[abi.ACPI_FADT_RESET_VALUE_OFF] = map.RESET_VALUE;
  table[abi.ACPI_FADT_MINOR_REVISION_OFF] = abi.ACPI_FADT_MINOR_REVISION;
  const event = portRegister(map.PM_EVENT_PORT, PM_EVENT_BYTES, abi.ACPI_GAS_ACCESS_WORD);
  const control = portRegister(map.PM_CONTROL_PORT, PM_CONTROL_BYTES, abi.ACPI_GAS_ACCESS_WORD);
  const timer = portRegister(map.PM_TIMER_PORT, PM_TIMER_BYTES, abi.ACPI_GAS_ACCESS_DWORD);
  table.set(event, abi.ACPI_FADT_X_PM1A_EVT_BLK_OFF);
  table.set(control, abi.ACPI_FADT_X_PM1A_CNT_BLK_OFF);
  table.set(timer, abi.ACPI_FADT_X_PM_TMR_BLK_OFF);
  table.set(ascii(CREATOR_ID), abi.ACPI_FADT_HYPERVISOR_ID_OFF);
  const body = table.subarray(abi.ACPI_HEADER_BYTES);
  return systemTable(abi.ACPI_SIG_FADT, abi.ACPI_FADT_REVISION, body);
}

/** Generic Address Structure of a port. @param access width of one access, ACPI_GAS_ACCESS_... */
function portRegister(port: number, bytes: number, access: number): Uint8Array {
  return concat([bytesOf(abi.ACPI_GAS_SYSTEM_IO, 8 * bytes, 0, access), u64(port)]);
}

/** Interrupt controllers. */
export function madt({ cpus }: FirmwareDescription): Uint8Array {
  const level = abi.MPS_INTI_ACTIVE_HIGH | abi.MPS_INTI_LEVEL;
  const body = concat([
    u32(map.LAPIC_ADDRESS),
    u32(1 << abi.ACPI_MADT_PCAT_COMPAT),
    ...Array.from({ length: cpus }, (_, cpu) => localApic(cpu)),
    concat([
      bytesOf(abi.ACPI_MADT_IO_APIC, abi.ACPI_MADT_IO_APIC_BYTES, ioapicId(cpus), 0),
      u32(map.IOAPIC_ADDRESS),
      u32(0),
    ]),
    // The timer's line of the 8259 is the cascade's on the IOAPIC.
    override(0, 2, abi.MPS_INTI_CONFORMS),
    ...map.LEVEL_GSIS.map((gsi) => override(gsi, gsi, level)),
    concat([
      bytesOf(abi.ACPI_MADT_LOCAL_APIC_NMI, abi.ACPI_MADT_LOCAL_APIC_NMI_BYTES),
      bytesOf(abi.ACPI_MADT_ALL_PROCESSORS),
      u16(abi.MPS_INTI_CONFORMS),
      bytesOf(LINT1),
    ]),
  ]);
  return systemTable(abi.ACPI_SIG_MADT, abi.ACPI_MADT_REVISION, body);
}

function localApic(cpu: number): Uint8Array {
  const head = bytesOf(abi.ACPI_MADT_LOCAL_APIC, abi.ACPI_MADT_LOCAL_APIC_BYTES, cpu, cpu);
  return concat([head, u32(1 << abi.ACPI_MADT_ENABLED)]);
}

function override(irq: number, gsi: number, flags: number): Uint8Array {
  const head = bytesOf(abi.ACPI_MADT_OVERRIDE, abi.ACPI_MADT_OVERRIDE_BYTES, abi.ACPI_MADT_BUS_ISA, irq);
  return concat([head, u32(gsi), u16(flags)]);
}

/** PCI configuration space as memory: bus 0 of segment 0. */
export function mcfg(): Uint8Array {
  const reserved = new Uint8Array(abi.ACPI_MCFG_ENTRIES_OFF - abi.ACPI_HEADER_BYTES);
  const entry = new Uint8Array(abi.ACPI_MCFG_ENTRY_BYTES);
  setU64(new DataView(entry.buffer), abi.ACPI_MCFG_ENTRY_ADDRESS_OFF, map.PCI_ECAM);
  return systemTable(abi.ACPI_SIG_MCFG, abi.ACPI_MCFG_REVISION, concat([reserved, entry]));
}

/**
 * The MP table: processors and interrupt lines for kernels that do not use ACPI (`acpi=off`, or built without).
 *
 * Interrupts start in virtual wire mode: the 8259's output is LINT0 of the first processor, and the IOAPIC is there.
 * ISA lines are IOAPIC pins of the same number except the timer's, which is pin 2. Lines of PCI belong to PCI alone:
 * level-triggered, active low as the bus says; KVM ignores the polarity.
 *
 * Spec: MultiProcessor Specification 1.4, chapter 4. Thread: any.
 */
import { MPS_INTI_CONFORMS } from '../../abi/acpi.js';
import * as abi from '../../abi/mp-table.js';
import { ascii, bytesOf, checksum, concat, u16, u32 } from './acpi/bytes.js';
import { type FirmwareDescription, ioapicId } from './acpi/description.js';
import { IOAPIC_ADDRESS, LAPIC_ADDRESS, PCI_INTX_GSIS, pciIntxGsi } from './memory-map.js';

const OEM_ID = 'LKVM';
const PRODUCT_ID = 'LKVM GUEST';
const PCI_BUS = 0;
const ISA_BUS = 1;
/** Versions that the chips' own registers show: in the local APIC, and in the IOAPIC, whose pins are 24. */
const LOCAL_APIC_VERSION = 0x14;
const IO_APIC_VERSION = 0x11;
/** Family 6, and the least that a kernel asks for: FPU and local APIC. CPUID says the rest. */
const PROCESSOR_SIGNATURE = 0x600;
const PROCESSOR_FEATURES = 0x201;
/** Lines of the two 8259 that devices can have: the third is the cascade. */
const ISA_IRQS = [0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
const TIMER_PIN = 2;
const LINT0 = 0;
const LINT1 = 1;
const BOOT_APIC_ID = 0;

/**
 * Floating pointer and table, one block.
 * @param gpa where it goes; multiple of 16, in one of the places that are scanned
 */
export function mpTable(gpa: number, description: FirmwareDescription): Uint8Array {
  const table = configurationTable(description);
  const pointer = new Uint8Array(abi.MP_FLOATING_BYTES);
  pointer.set(ascii(abi.MP_FLOATING_SIGNATURE));
  pointer.set(u32(gpa + pointer.length), abi.MP_FLOATING_ADDRESS_OFF);
  pointer[abi.MP_FLOATING_LENGTH_OFF] = pointer.length / abi.MP_FLOATING_ALIGN;
  pointer[abi.MP_FLOATING_REVISION_OFF] = abi.MP_REVISION;
  pointer[abi.MP_FLOATING_CHECKSUM_OFF] = checksum(pointer);
  return concat([pointer, table]);
}

function configurationTable(description: FirmwareDescription): Uint8Array {
  const entries = entriesOf(description);
  const header = new Uint8Array(abi.MP_TABLE_BYTES);
  header.set(ascii(abi.MP_TABLE_SIGNATURE));
  header[abi.MP_TABLE_REVISION_OFF] = abi.MP_REVISION;
  header.set(ascii(OEM_ID, abi.MP_OEM_ID_BYTES), abi.MP_TABLE_OEM_ID_OFF);
  header.set(ascii(PRODUCT_ID, abi.MP_PRODUCT_ID_BYTES), abi.MP_TABLE_PRODUCT_ID_OFF);
  header.set(u16(entries.length), abi.MP_TABLE_ENTRIES_OFF);
  header.set(u32(LAPIC_ADDRESS), abi.MP_TABLE_LOCAL_APIC_OFF);
  const table = concat([header, ...entries]);
  table.set(u16(table.length), abi.MP_TABLE_LENGTH_OFF);
  table[abi.MP_TABLE_CHECKSUM_OFF] = checksum(table);
  return table;
}

/** In the order of their types, as the specification wants. */
function entriesOf({ cpus, pciSlots }: FirmwareDescription): Uint8Array[] {
  const ioapic = ioapicId(cpus);
  const line = (bus: number, source: number, pin: number) =>
    interrupt(abi.MP_IO_INTERRUPT, abi.MP_INTERRUPT_INT, [bus, source, ioapic, pin]);
  const isaIrqs = ISA_IRQS.filter((irq) => !PCI_INTX_GSIS.includes(irq));
  return [
    ...Array.from({ length: cpus }, (_, cpu) => processor(cpu)),
    bus(PCI_BUS, abi.MP_BUS_PCI),
    bus(ISA_BUS, abi.MP_BUS_ISA),
    concat([bytesOf(abi.MP_IO_APIC, ioapic, IO_APIC_VERSION, abi.MP_IO_APIC_ENABLED), u32(IOAPIC_ADDRESS)]),
    ...isaIrqs.map((irq) => line(ISA_BUS, irq, irq === 0 ? TIMER_PIN : irq)),
    // Source of a PCI interrupt: slot, and the pin, of which INTA# is 0.
    ...pciSlots.map((slot) => line(PCI_BUS, slot << 2, pciIntxGsi(slot))),
    interrupt(abi.MP_LOCAL_INTERRUPT, abi.MP_INTERRUPT_EXTINT, [ISA_BUS, 0, BOOT_APIC_ID, LINT0]),
    interrupt(abi.MP_LOCAL_INTERRUPT, abi.MP_INTERRUPT_NMI, [ISA_BUS, 0, abi.MP_ALL_APICS, LINT1]),
  ];
}

function processor(id: number): Uint8Array {
  const entry = new Uint8Array(abi.MP_PROCESSOR_BYTES);
  const boot = id === BOOT_APIC_ID ? 1 << abi.MP_PROCESSOR_BOOT : 0;
  entry.set([abi.MP_PROCESSOR, id, LOCAL_APIC_VERSION, (1 << abi.MP_PROCESSOR_ENABLED) | boot]);
  entry.set(u32(PROCESSOR_SIGNATURE), abi.MP_PROCESSOR_SIGNATURE_OFF);
  entry.set(u32(PROCESSOR_FEATURES), abi.MP_PROCESSOR_FEATURES_OFF);
  return entry;
}

function bus(id: number, type: string): Uint8Array {
  return concat([bytesOf(abi.MP_BUS, id), ascii(type, abi.MP_BUS_TYPE_BYTES)]);
}

/** @param route source bus, source line, destination APIC, its pin */
function interrupt(entry: number, type: number, route: readonly number[]): Uint8Array {
  return concat([bytesOf(entry, type), u16(MPS_INTI_CONFORMS), bytesOf(...route)]);
}

/**
 * Resource descriptors: what a device's _CRS is made of.
 *
 * Spec: ACPI 6.3 section 6.4. Thread: any.
 */
import * as abi from '../../../abi/aml.js';
import { type Aml, amlBuffer } from './aml.js';
import { bytesOf, concat, u16, u32 } from './bytes.js';

/** Name (_CRS, ResourceTemplate () { descriptors }): the value. */
export function resourceTemplate(...descriptors: readonly Uint8Array[]): Aml {
  // A checksum of 0 in the end tag stands for "taken as correct", section 6.4.2.9.
  return amlBuffer(concat([...descriptors, bytesOf(abi.ACPI_RESOURCE_END_TAG, 0)]));
}

/** IO (Decode16, port, port, 1, count). @param count 1 ... 255 */
export function ioPorts(port: number, count: number): Uint8Array {
  const head = bytesOf(abi.ACPI_RESOURCE_IO, abi.ACPI_IO_DECODE_16);
  return concat([head, u16(port), u16(port), bytesOf(1, count)]);
}

/** IRQ (Edge, ActiveHigh, Exclusive or Shared) {irq}. @param irq 0 ... 15 */
export function isaIrq(irq: number, shared: boolean): Uint8Array {
  const flags = abi.ACPI_IRQ_EDGE | (shared ? abi.ACPI_IRQ_SHARED : 0);
  return concat([bytesOf(abi.ACPI_RESOURCE_IRQ_FLAGS), u16(1 << irq), bytesOf(flags)]);
}

function large(type: number, ...content: readonly Uint8Array[]): Uint8Array {
  const body = concat(content);
  return concat([bytesOf(type), u16(body.length), body]);
}

/** Interrupt (ResourceConsumer, Edge, ActiveHigh, Exclusive) {gsi} */
export function edgeInterrupt(gsi: number): Uint8Array {
  const flags = abi.ACPI_EXTENDED_IRQ_CONSUMER | abi.ACPI_EXTENDED_IRQ_EDGE;
  return large(abi.ACPI_RESOURCE_EXTENDED_IRQ, bytesOf(flags, 1), u32(gsi));
}

/** Memory32Fixed (ReadWrite, address, bytes) */
export function fixedMemory(address: number, bytes: number): Uint8Array {
  return large(
    abi.ACPI_RESOURCE_MEMORY32_FIXED,
    bytesOf(abi.ACPI_MEMORY_READ_WRITE),
    u32(address),
    u32(bytes),
  );
}

/** WordBusNumber (ResourceProducer, MinFixed, MaxFixed, PosDecode): buses `first` ... `last` */
export function busWindow(first: number, last: number): Uint8Array {
  return wordSpace(abi.ACPI_SPACE_BUS, 0, first, last);
}

/** WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange): ports `first` ... `last` */
export function ioWindow(first: number, last: number): Uint8Array {
  return wordSpace(abi.ACPI_SPACE_IO, abi.ACPI_SPACE_IO_ENTIRE_RANGE, first, last);
}

function wordSpace(type: number, typeFlags: number, first: number, last: number): Uint8Array {
  return large(
    abi.ACPI_RESOURCE_WORD_SPACE,
    bytesOf(type, abi.ACPI_SPACE_MIN_MAX_FIXED, typeFlags),
    ...[0, first, last, 0, last - first + 1].map(u16),
  );
}

/** DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable, ReadWrite) */
export function memoryWindow(address: number, bytes: number): Uint8Array {
  return large(
    abi.ACPI_RESOURCE_DWORD_SPACE,
    bytesOf(abi.ACPI_SPACE_MEMORY, abi.ACPI_SPACE_MIN_MAX_FIXED, abi.ACPI_MEMORY_READ_WRITE),
    ...[0, address, address + bytes - 1, 0, bytes].map(u32),
  );
}

/**
 * A device tree in memory, as both the writer and the reader see it: nodes with properties whose values are bytes.
 * The functions here make values the way the Devicetree Specification (v0.4, section 2.2.4) lays them out, and take
 * them apart again.
 *
 * Thread: any. Not for hot paths.
 */
import { LkvmError } from '../util/errors.js';

/** A tree that cannot be written, or bytes that are not a tree. `code` is "FDT". */
export class FdtError extends LkvmError {
  constructor(message: string) {
    super('FDT', message, 1);
  }
}

/** Longest name read or written, in characters. The specification says 31; trees in the field go further. */
export const FDT_MAX_NAME = 255;

/** Characters of a node's name (sections 2.2.1 and 2.2.3). */
export const FDT_NODE_NAME = /^[0-9A-Za-z,._+-][0-9A-Za-z,._+@-]*$/;
/** Characters of a property's name (section 2.2.4.1; "*" as dtc accepts it). */
export const FDT_PROPERTY_NAME = /^[0-9A-Za-z,._+*?#-]+$/;

/** One property. The value belongs to the tree: do not change it. */
export interface FdtProperty {
  readonly name: string;
  readonly value: Uint8Array;
}

/** One node. The root's name is "". Property and child names are unique within a node. */
export interface FdtNode {
  readonly name: string;
  readonly properties: readonly FdtProperty[];
  readonly children: readonly FdtNode[];
}

/** A u64 as two words, because a memory reservation may lie above 2^53. */
export interface FdtU64 {
  /** Bits 32 ... 63. */
  readonly high: number;
  /** Bits 0 ... 31. */
  readonly low: number;
}

/** One entry of the memory reservation block. */
export interface FdtReservation {
  readonly address: FdtU64;
  readonly size: FdtU64;
}

/** A whole tree. */
export interface FdtTree {
  readonly root: FdtNode;
  readonly reservations: readonly FdtReservation[];
  /** Physical id of the boot processor; 0 if it does not matter. */
  readonly bootCpu: number;
}

/** What is optional about a tree. */
export interface FdtTreeOptions {
  readonly reservations?: readonly FdtReservation[];
  readonly bootCpu?: number;
}

/** A tree around `root`. */
export function fdtTree(root: FdtNode, options: FdtTreeOptions = {}): FdtTree {
  return { root, reservations: options.reservations ?? [], bootCpu: options.bootCpu ?? 0 };
}

/** A node. @param name "name" or "name@unit-address"; "" for the root only */
export function fdtNode(
  name: string,
  properties: readonly FdtProperty[] = [],
  children: readonly FdtNode[] = [],
): FdtNode {
  return { name, properties, children };
}

/** A property without a value: its presence is the information. */
export function propEmpty(name: string): FdtProperty {
  return { name, value: new Uint8Array(0) };
}

/** A property of raw bytes; they are copied. */
export function propBytes(name: string, bytes: Uint8Array): FdtProperty {
  return { name, value: Uint8Array.from(bytes) };
}

/** A property of 32-bit cells. @param cells 0 ... 2^32 - 1 each Errors: FdtError. */
export function propU32(name: string, ...cells: readonly number[]): FdtProperty {
  const value = new Uint8Array(cells.length * 4);
  const view = new DataView(value.buffer);
  for (const [index, cell] of cells.entries()) {
    if (!Number.isInteger(cell) || cell < 0 || cell > 0xffff_ffff) {
      throw new FdtError(`property ${name}: cell ${index} is ${cell}, not a 32-bit number`);
    }
    view.setUint32(index * 4, cell);
  }
  return { name, value };
}

/** A property of 64-bit values, each two cells, high first. @param values 0 ... 2^53 - 1 each Errors: FdtError. */
export function propU64(name: string, ...values: readonly number[]): FdtProperty {
  const cells: number[] = [];
  for (const value of values) {
    const { high, low } = fdtU64(value);
    cells.push(high, low);
  }
  return propU32(name, ...cells);
}

/** A property of one or more NUL-terminated UTF-8 strings. Errors: FdtError (a string with NUL inside). */
export function propString(name: string, ...strings: readonly string[]): FdtProperty {
  if (strings.some((text) => text.includes('\0'))) {
    throw new FdtError(`property ${name}: a string holds a NUL character`);
  }
  return { name, value: new TextEncoder().encode(strings.map((text) => `${text}\0`).join('')) };
}

/** Splits a number. @param value 0 ... 2^53 - 1 Errors: FdtError. */
export function fdtU64(value: number): FdtU64 {
  if (!Number.isSafeInteger(value) || value < 0) throw new FdtError(`${value} is not a 64-bit number`);
  return { high: Math.floor(value / 0x1_0000_0000), low: value % 0x1_0000_0000 };
}

/** The property called `name`, or undefined. */
export function findProperty(node: FdtNode, name: string): FdtProperty | undefined {
  return node.properties.find((property) => property.name === name);
}

/** The value as 32-bit cells. Errors: FdtError if its length is not a multiple of 4. */
export function cellsOf(property: FdtProperty): number[] {
  const { value } = property;
  if (value.length % 4 !== 0) {
    throw new FdtError(`property ${property.name}: ${value.length} bytes are not a list of 32-bit cells`);
  }
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  return Array.from({ length: value.length / 4 }, (_, index) => view.getUint32(index * 4));
}

/** The value as 64-bit numbers. Errors: FdtError (odd number of cells, or a value of 2^53 and more). */
export function u64sOf(property: FdtProperty): number[] {
  const cells = cellsOf(property);
  if (cells.length % 2 !== 0) throw new FdtError(`property ${property.name}: odd number of cells`);
  return Array.from({ length: cells.length / 2 }, (_, index) => {
    const value = (cells[index * 2] as number) * 0x1_0000_0000 + (cells[index * 2 + 1] as number);
    if (!Number.isSafeInteger(value)) throw new FdtError(`property ${property.name}: value above 2^53`);
    return value;
  });
}

/** The value as strings. Errors: FdtError if it does not end with NUL. */
export function stringsOf(property: FdtProperty): string[] {
  const { value } = property;
  if (value.length === 0) return [];
  if (value[value.length - 1] !== 0) throw new FdtError(`property ${property.name}: not a list of strings`);
  return new TextDecoder().decode(value.subarray(0, -1)).split('\0');
}

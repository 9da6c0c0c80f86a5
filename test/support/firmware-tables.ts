// Reads ACPI and MP tables the way a kernel does: from the bytes alone, by the specifications.

/** A system description table, or the FACS. */
export interface ReadTable {
  readonly signature: string;
  readonly gpa: number;
  /** Exactly as long as its length field says. */
  readonly bytes: Uint8Array;
}

/** Bytes at guest addresses. */
export class TableReader {
  readonly #bytes: Uint8Array;
  readonly #base: number;

  /** @param base address of the first byte */
  constructor(bytes: Uint8Array, base: number) {
    this.#bytes = bytes;
    this.#base = base;
  }

  at(gpa: number, bytes: number): Uint8Array {
    const start = gpa - this.#base;
    if (start < 0 || start + bytes > this.#bytes.length) {
      throw new Error(`no bytes at 0x${gpa.toString(16)}`);
    }
    return this.#bytes.subarray(start, start + bytes);
  }

  /** The address on a boundary of 16 bytes where `signature` is; -1 if nowhere. */
  scan(signature: string, start: number, end: number): number {
    for (let gpa = start; gpa < end; gpa += 16) {
      if (text(this.at(gpa, signature.length)) === signature) return gpa;
    }
    return -1;
  }

  table(gpa: number): ReadTable {
    const bytes = this.at(gpa, u32(this.at(gpa, 8), 4));
    return { signature: text(bytes.subarray(0, 4)), gpa, bytes };
  }
}

export function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}

export function sum(bytes: Uint8Array): number {
  return bytes.reduce((total, byte) => (total + byte) & 0xff, 0);
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

export function u16(bytes: Uint8Array, offset: number): number {
  return view(bytes).getUint16(offset, true);
}

export function u32(bytes: Uint8Array, offset: number): number {
  return view(bytes).getUint32(offset, true);
}

/** A 64-bit address; those of tables are small. */
export function address(bytes: Uint8Array, offset: number): number {
  return Number(view(bytes).getBigUint64(offset, true));
}

/** Addresses in a root table. @param width 4 in the RSDT, 8 in the XSDT */
export function rootEntries(root: ReadTable, width: number): number[] {
  const count = (root.bytes.length - 36) / width;
  return Array.from({ length: count }, (_, index) =>
    width === 4 ? u32(root.bytes, 36 + 4 * index) : address(root.bytes, 36 + 8 * index),
  );
}

/** Structures of a MADT: type and length in their first two bytes. */
export function madtEntries(madt: ReadTable): Uint8Array[] {
  const entries: Uint8Array[] = [];
  for (let at = 44; at < madt.bytes.length; ) {
    const length = madt.bytes[at + 1] ?? 0;
    if (length < 2) throw new Error(`MADT structure of ${length} bytes`);
    entries.push(madt.bytes.subarray(at, at + length));
    at += length;
  }
  return entries;
}

/** Entries of an MP configuration table: processors have 20 bytes, all others 8. */
export function mpEntries(table: Uint8Array): Uint8Array[] {
  const entries: Uint8Array[] = [];
  for (let at = 44; at < table.length; ) {
    const length = table[at] === 0 ? 20 : 8;
    entries.push(table.subarray(at, at + length));
    at += length;
  }
  return entries;
}

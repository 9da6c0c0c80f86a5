/**
 * Reads a flattened device tree. The bytes may come from memory that somebody else writes, and somebody hostile at
 * that: the blob is copied first, every offset and length is checked before use, depth is bounded, and whatever is
 * wrong ends in an {@link FdtError}, never in another exception, a hang or a huge allocation.
 *
 * Spec: Devicetree Specification v0.4, chapter 5. Thread: any.
 */
import {
  FDT_BEGIN_NODE,
  FDT_BOOT_CPUID_PHYS_OFF,
  FDT_END,
  FDT_END_NODE,
  FDT_HEADER_BYTES,
  FDT_LAST_COMP_VERSION_OFF,
  FDT_MAGIC,
  FDT_MAGIC_OFF,
  FDT_NOP,
  FDT_OFF_DT_STRINGS_OFF,
  FDT_OFF_DT_STRUCT_OFF,
  FDT_OFF_MEM_RSVMAP_OFF,
  FDT_PROP,
  FDT_PROP_HEADER_BYTES,
  FDT_RESERVE_ALIGN,
  FDT_RESERVE_ENTRY_BYTES,
  FDT_SIZE_DT_STRINGS_OFF,
  FDT_SIZE_DT_STRUCT_OFF,
  FDT_TOKEN_BYTES,
  FDT_TOTALSIZE_OFF,
  FDT_VERSION,
  FDT_VERSION_OFF,
} from './format.js';
import {
  FDT_MAX_NAME,
  FDT_NODE_NAME,
  FDT_PROPERTY_NAME,
  FdtError,
  type FdtNode,
  type FdtProperty,
  type FdtReservation,
  type FdtTree,
} from './tree.js';

/** Deeper trees are refused; real ones stay below 10. */
const MAX_DEPTH = 64;
/** Larger blobs are refused; the largest of real boards are a few hundred KiB. */
export const FDT_MAX_BLOB_BYTES = 16 * 1024 * 1024;

interface OpenNode {
  readonly name: string;
  readonly properties: FdtProperty[];
  readonly children: FdtNode[];
  readonly propertyNames: Set<string>;
  readonly childNames: Set<string>;
}

interface Range {
  readonly start: number;
  readonly end: number;
}

/**
 * Size of the blob that starts at `bytes`, if its magic is there.
 *
 * @param bytes at least the first 8 bytes of the blob
 * @returns totalsize as the header says it, unchecked; 0 if there is no device tree here
 */
export function fdtTotalBytes(bytes: Uint8Array): number {
  if (bytes.length < FDT_OFF_DT_STRUCT_OFF) return 0;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return view.getUint32(FDT_MAGIC_OFF) === FDT_MAGIC ? view.getUint32(FDT_TOTALSIZE_OFF) : 0;
}

/**
 * Reads a tree.
 *
 * @param bytes starts with the blob; may be longer than it. Read once: later changes do not matter
 * Errors: FdtError.
 */
export function readFdt(bytes: Uint8Array): FdtTree {
  const total = fdtTotalBytes(bytes);
  if (total === 0) throw new FdtError('no device tree: the magic 0xd00dfeed is missing');
  if (total < FDT_HEADER_BYTES || total > bytes.length || total > FDT_MAX_BLOB_BYTES) {
    throw new FdtError(`device tree: total size ${total} is not within 40 ... ${bytes.length} bytes`);
  }
  // not bytes.slice(): a Buffer's slice is a view, not a copy
  return new Reader(new Uint8Array(bytes.subarray(0, total))).tree();
}

class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #strings: Range;
  #at = 0;
  #end = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const version = this.#view.getUint32(FDT_VERSION_OFF);
    const compatible = this.#view.getUint32(FDT_LAST_COMP_VERSION_OFF);
    if (version < FDT_VERSION || compatible > FDT_VERSION) {
      throw new FdtError(
        `device tree: version ${version} (compatible with ${compatible}), not ${FDT_VERSION}`,
      );
    }
    this.#strings = this.#range(FDT_OFF_DT_STRINGS_OFF, FDT_SIZE_DT_STRINGS_OFF, 'strings block', 1);
  }

  tree(): FdtTree {
    const reservations = this.#reservations();
    const { start, end } = this.#range(
      FDT_OFF_DT_STRUCT_OFF,
      FDT_SIZE_DT_STRUCT_OFF,
      'structure block',
      FDT_TOKEN_BYTES,
    );
    this.#at = start;
    this.#end = end;
    return { root: this.#root(), reservations, bootCpu: this.#view.getUint32(FDT_BOOT_CPUID_PHYS_OFF) };
  }

  /** A block named by two header words, inside the blob. */
  #range(startField: number, sizeField: number, what: string, align: number): Range {
    const start = this.#view.getUint32(startField);
    const size = this.#view.getUint32(sizeField);
    if (start + size > this.#bytes.length) {
      throw new FdtError(
        `device tree: ${what} ends at ${start + size}, behind the end ${this.#bytes.length}`,
      );
    }
    if (start % align !== 0)
      throw new FdtError(`device tree: ${what} at ${start} is not aligned to ${align}`);
    return { start, end: start + size };
  }

  #reservations(): FdtReservation[] {
    const list: FdtReservation[] = [];
    let at = this.#view.getUint32(FDT_OFF_MEM_RSVMAP_OFF);
    if (at % FDT_RESERVE_ALIGN !== 0)
      throw new FdtError('device tree: reservation block is not aligned to 8');
    for (; ; at += FDT_RESERVE_ENTRY_BYTES) {
      if (at + FDT_RESERVE_ENTRY_BYTES > this.#bytes.length) {
        throw new FdtError('device tree: the list of memory reservations has no end');
      }
      const address = { high: this.#view.getUint32(at), low: this.#view.getUint32(at + 4) };
      const size = { high: this.#view.getUint32(at + 8), low: this.#view.getUint32(at + 12) };
      if ((address.high | address.low | size.high | size.low) === 0) return list;
      list.push({ address, size });
    }
  }

  /** Walks the structure block with a stack of its own, so that depth cannot exhaust the engine's. */
  #root(): FdtNode {
    const open: OpenNode[] = [];
    let root: FdtNode | undefined;
    for (;;) {
      const token = this.#u32();
      if (token === FDT_NOP) continue;
      if (token === FDT_END) break;
      if (root !== undefined) throw new FdtError('device tree: something follows the root node');
      if (token === FDT_BEGIN_NODE) {
        open.push(this.#beginNode(open));
        continue;
      }
      const node = open[open.length - 1];
      if (node === undefined) throw new FdtError(`device tree: token ${token} outside the root node`);
      if (token === FDT_PROP) {
        this.#property(node);
      } else if (token === FDT_END_NODE) {
        open.pop();
        const { name, properties, children } = node;
        const parent = open[open.length - 1];
        if (parent === undefined) root = { name, properties, children };
        else parent.children.push({ name, properties, children });
      } else {
        throw new FdtError(`device tree: unknown token ${token}`);
      }
    }
    if (root === undefined) throw new FdtError('device tree: the root node is missing or has no end');
    return root;
  }

  #beginNode(open: readonly OpenNode[]): OpenNode {
    if (open.length >= MAX_DEPTH) throw new FdtError(`device tree: deeper than ${MAX_DEPTH} nodes`);
    const name = this.#text({ start: this.#at, end: this.#end }, 'node name');
    this.#advance(name.length + 1);
    const parent = open[open.length - 1];
    if (parent === undefined) {
      if (name !== '') throw new FdtError('device tree: the root node has a name');
    } else {
      this.#unique(name, FDT_NODE_NAME, parent.childNames, 'node');
    }
    return { name, properties: [], children: [], propertyNames: new Set(), childNames: new Set() };
  }

  #property(node: OpenNode): void {
    if (node.children.length > 0) throw new FdtError('device tree: a property follows a child node');
    if (this.#at + FDT_PROP_HEADER_BYTES > this.#end) throw new FdtError('device tree: truncated property');
    const length = this.#u32();
    const nameAt = this.#strings.start + this.#u32();
    if (this.#at + length > this.#end) {
      throw new FdtError(`device tree: a property of ${length} bytes does not fit the structure block`);
    }
    const name = this.#text({ start: nameAt, end: this.#strings.end }, 'property name');
    this.#unique(name, FDT_PROPERTY_NAME, node.propertyNames, 'property');
    node.properties.push({ name, value: this.#bytes.slice(this.#at, this.#at + length) });
    this.#advance(length);
  }

  #u32(): number {
    if (this.#at + FDT_TOKEN_BYTES > this.#end) throw new FdtError('device tree: structure block has no end');
    const value = this.#view.getUint32(this.#at);
    this.#at += FDT_TOKEN_BYTES;
    return value;
  }

  /** Skips `bytes` and the padding behind them. */
  #advance(bytes: number): void {
    this.#at = Math.min(this.#end, this.#at + Math.ceil(bytes / FDT_TOKEN_BYTES) * FDT_TOKEN_BYTES);
  }

  #unique(name: string, legal: RegExp, seen: Set<string>, what: string): void {
    if (!legal.test(name)) throw new FdtError(`device tree: bad ${what} name ${JSON.stringify(name)}`);
    if (seen.has(name)) throw new FdtError(`device tree: ${what} ${name} is there twice`);
    seen.add(name);
  }

  /** NUL-terminated text within a range. The bound on its length also bounds the work per token. */
  #text({ start, end }: Range, what: string): string {
    const window = this.#bytes.subarray(Math.min(start, end), Math.min(start + FDT_MAX_NAME + 1, end));
    const length = window.indexOf(0);
    if (length < 0) throw new FdtError(`device tree: ${what} has no end within ${FDT_MAX_NAME} characters`);
    return String.fromCharCode(...window.subarray(0, length));
  }
}

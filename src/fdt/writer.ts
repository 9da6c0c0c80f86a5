/**
 * Flattens a device tree: header, memory reservations, structure block, strings block, packed without gaps.
 *
 * ```text
 *   0x00 header (40 bytes) | reservations (16 bytes each, ended by zeros) | structure | strings
 * ```
 * Spec: Devicetree Specification v0.4, chapter 5. Thread: any.
 */
import {
  FDT_BEGIN_NODE,
  FDT_BOOT_CPUID_PHYS_OFF,
  FDT_END,
  FDT_END_NODE,
  FDT_HEADER_BYTES,
  FDT_LAST_COMP_VERSION_OFF,
  FDT_LAST_COMPATIBLE_VERSION,
  FDT_MAGIC,
  FDT_MAGIC_OFF,
  FDT_OFF_DT_STRINGS_OFF,
  FDT_OFF_DT_STRUCT_OFF,
  FDT_OFF_MEM_RSVMAP_OFF,
  FDT_PROP,
  FDT_RESERVE_ENTRY_BYTES,
  FDT_SIZE_DT_STRINGS_OFF,
  FDT_SIZE_DT_STRUCT_OFF,
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
  type FdtReservation,
  type FdtTree,
} from './tree.js';

/** Growing big-endian byte buffer. */
class Block {
  #bytes = new Uint8Array(1024);
  #view = new DataView(this.#bytes.buffer);
  #used = 0;

  get used(): number {
    return this.#used;
  }

  u32(value: number): void {
    this.#reserve(4);
    this.#view.setUint32(this.#used, value);
    this.#used += 4;
  }

  /** Appends `bytes` and zeros up to a multiple of `align`. */
  bytes(bytes: Uint8Array, align: number): void {
    const padded = Math.ceil(bytes.length / align) * align;
    this.#reserve(padded);
    this.#bytes.set(bytes, this.#used);
    this.#used += padded;
  }

  take(): Uint8Array {
    return this.#bytes.subarray(0, this.#used);
  }

  #reserve(bytes: number): void {
    if (this.#used + bytes <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#used + bytes));
    larger.set(this.#bytes);
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }
}

/** Property names, each stored once. */
class Strings {
  readonly block = new Block();
  readonly #offsets = new Map<string, number>();

  offsetOf(name: string): number {
    const known = this.#offsets.get(name);
    if (known !== undefined) return known;
    const offset = this.block.used;
    this.block.bytes(nulTerminated(name), 1);
    this.#offsets.set(name, offset);
    return offset;
  }
}

function nulTerminated(text: string): Uint8Array {
  return new TextEncoder().encode(`${text}\0`);
}

function checkNames(names: readonly string[], legal: RegExp, what: string, path: string): void {
  const seen = new Set<string>();
  for (const name of names) {
    if (!legal.test(name) || name.length > FDT_MAX_NAME) {
      throw new FdtError(`${path}: bad ${what} name ${JSON.stringify(name)}`);
    }
    if (seen.has(name)) throw new FdtError(`${path}: ${what} ${name} is there twice`);
    seen.add(name);
  }
}

function writeNode(node: FdtNode, path: string, out: Block, strings: Strings): void {
  checkNames(
    node.properties.map(({ name }) => name),
    FDT_PROPERTY_NAME,
    'property',
    path,
  );
  checkNames(
    node.children.map(({ name }) => name),
    FDT_NODE_NAME,
    'node',
    path,
  );
  out.u32(FDT_BEGIN_NODE);
  out.bytes(nulTerminated(node.name), 4);
  for (const property of node.properties) {
    out.u32(FDT_PROP);
    out.u32(property.value.length);
    out.u32(strings.offsetOf(property.name));
    out.bytes(property.value, 4);
  }
  for (const child of node.children) {
    writeNode(child, `${path === '/' ? '' : path}/${child.name}`, out, strings);
  }
  out.u32(FDT_END_NODE);
}

function reservationBlock(reservations: readonly FdtReservation[]): Uint8Array {
  const out = new Block();
  for (const { address, size } of reservations) {
    if ((address.high | address.low | size.high | size.low) === 0) {
      throw new FdtError('a memory reservation of address 0 and size 0 would end the list');
    }
    for (const word of [address.high, address.low, size.high, size.low]) out.u32(word);
  }
  out.bytes(new Uint8Array(FDT_RESERVE_ENTRY_BYTES), 1);
  return out.take();
}

/**
 * Flattens a tree.
 *
 * @returns a new array, exactly as long as the header's totalsize
 * Errors: FdtError: the root has a name, a name is not legal or is used twice in one node.
 */
export function writeFdt(tree: FdtTree): Uint8Array {
  if (tree.root.name !== '') throw new FdtError(`the root node is called ${JSON.stringify(tree.root.name)}`);
  const structure = new Block();
  const strings = new Strings();
  writeNode(tree.root, '/', structure, strings);
  structure.u32(FDT_END);
  const reservations = reservationBlock(tree.reservations);
  const names = strings.block.take();

  const structureAt = FDT_HEADER_BYTES + reservations.length;
  const stringsAt = structureAt + structure.used;
  const blob = new Uint8Array(stringsAt + names.length);
  blob.set(reservations, FDT_HEADER_BYTES);
  blob.set(structure.take(), structureAt);
  blob.set(names, stringsAt);

  const header = new DataView(blob.buffer);
  header.setUint32(FDT_MAGIC_OFF, FDT_MAGIC);
  header.setUint32(FDT_TOTALSIZE_OFF, blob.length);
  header.setUint32(FDT_OFF_DT_STRUCT_OFF, structureAt);
  header.setUint32(FDT_OFF_DT_STRINGS_OFF, stringsAt);
  header.setUint32(FDT_OFF_MEM_RSVMAP_OFF, FDT_HEADER_BYTES);
  header.setUint32(FDT_VERSION_OFF, FDT_VERSION);
  header.setUint32(FDT_LAST_COMP_VERSION_OFF, FDT_LAST_COMPATIBLE_VERSION);
  header.setUint32(FDT_BOOT_CPUID_PHYS_OFF, tree.bootCpu);
  header.setUint32(FDT_SIZE_DT_STRINGS_OFF, names.length);
  header.setUint32(FDT_SIZE_DT_STRUCT_OFF, structure.used);
  return blob;
}

// Tiny images in every format that lkvm boots, made field by field from the specifications, with no code or constant of src/.

/** What a made-up bzImage says of itself. */
export interface BzimageOptions {
  readonly version?: number;
  readonly setupSectors?: number;
  readonly loadflags?: number;
  readonly xloadflags?: number;
  readonly relocatable?: boolean;
  readonly alignment?: number;
  readonly preferred?: number;
  readonly initBytes?: number;
  readonly initrdMax?: number;
  readonly commandLineMax?: number;
  /** Paragraphs of protected-mode code; default: what is there. */
  readonly syssize?: number;
}

/** A bzImage: boot sector, setup code, and `code32` with `code64` at 0x200 behind it. */
export function bzimage(code32: Uint8Array, code64: Uint8Array, options: BzimageOptions = {}): Uint8Array {
  const sectors = options.setupSectors ?? 4;
  const start = (sectors + 1) * 512;
  const bytes = Buffer.alloc(start + 0x400, 0xcc);
  bytes.fill(0, 0x1ef, 0x290);
  bytes[0x1ef] = 0xff; // the sentinel
  bytes[0x1f1] = sectors;
  bytes.writeUInt32LE(options.syssize ?? 0x400 / 16, 0x1f4);
  bytes.writeUInt16LE(0xaa55, 0x1fe);
  bytes.set([0xeb, 0x6a], 0x200); // jmp behind the header, which ends at 0x26c
  bytes.write('HdrS', 0x202);
  bytes.writeUInt16LE(options.version ?? 0x20f, 0x206);
  bytes[0x211] = options.loadflags ?? 0x41; // loaded high, keep segments
  bytes.writeUInt32LE(0x10_0000, 0x214);
  bytes.writeUInt32LE(options.initrdMax ?? 0x7fff_ffff, 0x22c);
  bytes.writeUInt32LE(options.alignment ?? 0x20_0000, 0x230);
  bytes[0x234] = options.relocatable === false ? 0 : 1;
  bytes.writeUInt16LE(options.xloadflags ?? 1, 0x236);
  bytes.writeUInt32LE(options.commandLineMax ?? 2047, 0x238);
  bytes.writeBigUInt64LE(BigInt(options.preferred ?? 0x100_0000), 0x258);
  bytes.writeUInt32LE(options.initBytes ?? 0x40_0000, 0x260);
  bytes.fill(0x11, 0x26c, 0x290); // behind the header: not to be copied
  bytes.set(code32, start);
  bytes.set(code64, start + 0x200);
  return bytes;
}

/** A segment of {@link elf}. */
export interface ElfPart {
  readonly type?: number;
  readonly gpa: number;
  readonly bytes: Uint8Array;
  readonly memoryBytes?: number;
}

/** An ELF executable for x86, headers first, then the parts one after the other. */
export function elf(bits: 32 | 64, entry: number, parts: readonly ElfPart[]): Uint8Array {
  const long = bits === 64;
  const headers = (long ? 64 : 52) + parts.length * (long ? 56 : 32);
  const file = Buffer.alloc(headers + parts.reduce((sum, { bytes }) => sum + bytes.length, 0));
  file.set([0x7f, 0x45, 0x4c, 0x46, long ? 2 : 1, 1, 1]);
  file.writeUInt16LE(2, 16); // executable
  file.writeUInt16LE(long ? 62 : 3, 18);
  file.writeUInt32LE(1, 20);
  if (long) {
    file.writeBigUInt64LE(BigInt(entry), 24);
    file.writeBigUInt64LE(64n, 32);
    file.writeUInt16LE(56, 54);
    file.writeUInt16LE(parts.length, 56);
  } else {
    file.writeUInt32LE(entry, 24);
    file.writeUInt32LE(52, 28);
    file.writeUInt16LE(32, 42);
    file.writeUInt16LE(parts.length, 44);
  }
  let offset = headers;
  parts.forEach((part, i) => {
    file.set(part.bytes, offset);
    const at = long ? 64 + i * 56 : 52 + i * 32;
    file.set(programHeader(long, part, offset), at);
    offset += part.bytes.length;
  });
  return file;
}

function programHeader(long: boolean, part: ElfPart, offset: number): Uint8Array {
  const memoryBytes = part.memoryBytes ?? part.bytes.length;
  const header = Buffer.alloc(long ? 56 : 32);
  header.writeUInt32LE(part.type ?? 1, 0);
  if (long) {
    // flags, offset, virtual, physical, in the file, in memory, alignment
    header.writeUInt32LE(7, 4);
    [offset, part.gpa, part.gpa, part.bytes.length, memoryBytes, 4].forEach((value, i) => {
      header.writeBigUInt64LE(BigInt(value), 8 + i * 8);
    });
  } else {
    [offset, part.gpa, part.gpa, part.bytes.length, memoryBytes, 7, 4].forEach((value, i) => {
      header.writeUInt32LE(value, 4 + i * 4);
    });
  }
  return header;
}

/** Notes as a part of an ELF file: another vendor's first, then Xen's with the 32-bit entry. */
export function pvhNotes(entry: number, wide = false): ElfPart {
  const xen = Buffer.alloc(16 + (wide ? 8 : 4));
  xen.writeUInt32LE(4, 0);
  xen.writeUInt32LE(wide ? 8 : 4, 4);
  xen.writeUInt32LE(18, 8);
  xen.write('Xen\0', 12);
  xen.writeUInt32LE(entry, 16);
  const other = Buffer.alloc(12 + 8 + 8); // a name and a description that have to be padded
  other.writeUInt32LE(6, 0);
  other.writeUInt32LE(5, 4);
  other.writeUInt32LE(18, 8);
  other.write('Other\0', 12);
  return { type: 4, gpa: 0, bytes: Buffer.concat([other, xen]) };
}

/** A multiboot header. @param addresses header, load, load end, bss end, entry: switches the address fields on */
export function multibootHeader(flags: number, addresses?: readonly number[]): Uint8Array {
  const header = Buffer.alloc(addresses === undefined ? 12 : 32);
  const all = (flags | (addresses === undefined ? 0 : 0x1_0000)) >>> 0;
  header.writeUInt32LE(0x1bad_b002, 0);
  header.writeUInt32LE(all, 4);
  header.writeUInt32LE(-(0x1bad_b002 + all) >>> 0, 8);
  addresses?.forEach((value, i) => {
    header.writeUInt32LE(value, 12 + i * 4);
  });
  return header;
}

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

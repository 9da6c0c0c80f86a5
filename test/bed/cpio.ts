/**
 * Archives in the format Linux unpacks as an initrd ("newc"). Several of them, one behind the other, are one initrd: a
 * later one adds to what an earlier one has brought.
 */

/** One file of an archive. */
export interface CpioEntry {
  /** Relative path; the folders on the way to it are made. */
  readonly path: string;
  /** Kind and permissions, as `st_mode`. */
  readonly mode: number;
  readonly data: Uint8Array;
}

const FOLDER = 0o040755;
const LINK = 0o120777;
const ALIGNMENT = 4;

/** A regular file. */
export function file(path: string, data: Uint8Array | string, permissions = 0o644): CpioEntry {
  return { path, mode: 0o100000 | permissions, data: typeof data === 'string' ? Buffer.from(data) : data };
}

/** A folder. */
export function folder(path: string): CpioEntry {
  return { path, mode: FOLDER, data: new Uint8Array() };
}

/** A symbolic link. */
export function link(path: string, target: string): CpioEntry {
  return { path, mode: LINK, data: Buffer.from(target) };
}

function padded(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}

/** Header, name and data of one entry, padded. */
function encode(entry: CpioEntry, inode: number): Buffer {
  const name = Buffer.from(`${entry.path}\0`);
  const links = entry.mode === FOLDER ? 2 : 1;
  // inode, mode, uid, gid, links, mtime, size, device (2), rdev (2), bytes of the name, checksum (unused)
  const fields = [inode, entry.mode, 0, 0, links, 0, entry.data.length, 0, 0, 0, 0, name.length, 0];
  const header = Buffer.from(`070701${fields.map((value) => value.toString(16).padStart(8, '0')).join('')}`);
  const dataAt = padded(header.length + name.length);
  const out = Buffer.alloc(padded(dataAt + entry.data.length));
  header.copy(out);
  name.copy(out, header.length);
  out.set(entry.data, dataAt);
  return out;
}

/** The archive; folders that no entry names are added in front of what is in them. */
export function cpio(entries: readonly CpioEntry[]): Buffer {
  const known = new Set(entries.filter(({ mode }) => mode === FOLDER).map(({ path }) => path));
  const all: CpioEntry[] = [];
  for (const entry of entries) {
    const parts = entry.path.split('/');
    for (let depth = 1; depth < parts.length; depth++) {
      const parent = parts.slice(0, depth).join('/');
      if (known.has(parent) && all.every(({ path }) => path !== parent)) all.push(folder(parent));
      if (!known.has(parent)) all.push(folder(parent));
      known.add(parent);
    }
    if (entry.mode !== FOLDER || all.every(({ path }) => path !== entry.path)) all.push(entry);
  }
  const trailer: CpioEntry = { path: 'TRAILER!!!', mode: 0, data: new Uint8Array() };
  return Buffer.concat([...all.map((entry, i) => encode(entry, i + 1)), encode(trailer, 0)]);
}

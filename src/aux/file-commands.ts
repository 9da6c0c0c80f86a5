/** `ls cat write stat rm mkdir`: files of the host over virtio-9p. */
import { DT_DIR, DT_LNK, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../abi/p9.js';
import type { DirectoryEntry, FileAttributes, P9Files } from '../frontend/p9-files.js';
import { type Command, type CommandOutcome, DONE, failed, type ShellContext } from './command.js';
import { errorText } from './error-text.js';

const FILE_MODE = 0o644;
const DIRECTORY_MODE = 0o755;
/** File data on its way from the pool to the console, in pieces of this size. */
const PIECE_BYTES = 32768;

/** A share and a path in it. */
interface Target {
  readonly files: P9Files;
  readonly path: string;
}

/** "PATH" in the first share, "TAG:PATH" in another one. */
function target(context: ShellContext, word: string): Target | undefined {
  const colon = word.indexOf(':');
  if (colon > 0) {
    const named = context.shares.find((share) => share.driver.tag === word.slice(0, colon));
    if (named !== undefined) return { files: named, path: word.slice(colon + 1) };
  }
  const first = context.shares[0];
  return first === undefined ? undefined : { files: first, path: word };
}

const NO_SHARE = failed('the PMM has no 9p device');

/** Runs an operation whose only result is 0 or -errno. */
function simple(context: ShellContext, word: string, run: (target: Target) => number): CommandOutcome {
  const where = target(context, word);
  if (where === undefined) return NO_SHARE;
  const status = run(where);
  return status < 0 ? failed(`${word}: ${errorText(status)}`) : DONE;
}

function entryLine(entry: DirectoryEntry): string {
  const suffix = entry.type === DT_DIR ? '/' : entry.type === DT_LNK ? '@' : '';
  return `${entry.name}${suffix}\n`;
}

const ls: Command = {
  name: 'ls',
  usage: '[PATH]',
  text: 'list a directory (default: /)',
  words: [0, 1],
  run(context, [word = '/']) {
    const where = target(context, word);
    if (where === undefined) return NO_SHARE;
    const { files, path } = where;
    const attributes = files.stat(path);
    if (typeof attributes === 'number') return failed(`${word}: ${errorText(attributes)}`);
    if ((attributes.mode & S_IFMT) !== S_IFDIR) {
      context.output.text(`${word}\n`);
      return DONE;
    }
    const entries: DirectoryEntry[] = [];
    const status = files.list(path, entries);
    if (status < 0) return failed(`${word}: ${errorText(status)}`);
    entries.sort((a, b) => (a.name < b.name ? -1 : 1));
    context.output.text(entries.map(entryLine).join(''));
    return { status: 0, data: { entries: entries.length } };
  },
};

const cat: Command = {
  name: 'cat',
  usage: 'PATH',
  text: 'print a file',
  words: [1, 1],
  run(context, [word = '']) {
    const where = target(context, word);
    if (where === undefined) return NO_SHARE;
    const { files, path } = where;
    const fid = files.open(path);
    if (fid < 0) return failed(`${word}: ${errorText(fid)}`);
    const bytes = copyOut(context, files, fid);
    files.driver.clunk(fid);
    return bytes < 0 ? failed(`${word}: ${errorText(bytes)}`) : { status: 0, data: { bytes } };
  },
};

/** @returns bytes printed or -errno */
function copyOut(context: ShellContext, files: P9Files, fid: number): number {
  const { data, ioBytes } = files.driver;
  const piece = new Uint8Array(PIECE_BYTES);
  for (let offset = 0; ; ) {
    const got = files.read(fid, offset, data, Math.min(ioBytes, data.bytes));
    if (got <= 0) return got < 0 ? got : offset;
    for (let at = 0; at < got; at += PIECE_BYTES) {
      const bytes = Math.min(PIECE_BYTES, got - at);
      data.read(at, piece, 0, bytes);
      context.output.bytes(piece.subarray(0, bytes));
    }
    offset += got;
    if (context.input.interrupted()) return offset;
  }
}

const write: Command = {
  name: 'write',
  usage: 'PATH TEXT...',
  text: 'write words and a line end to a file',
  words: [1, 1024],
  run(context, [word = '', ...words]) {
    return simple(context, word, ({ files, path }) => {
      const fid = files.create(path, FILE_MODE);
      if (fid < 0) return fid;
      const status = files.writeAll(fid, 0, new TextEncoder().encode(`${words.join(' ')}\n`));
      files.driver.clunk(fid);
      return status;
    });
  },
};

function typeName(mode: number): string {
  switch (mode & S_IFMT) {
    case S_IFDIR:
      return 'directory';
    case S_IFREG:
      return 'file';
    case S_IFLNK:
      return 'symbolic link';
    default:
      return 'special file';
  }
}

function statLine(word: string, attributes: FileAttributes): string {
  const { mode, size, uid, gid, nlink, mtimeSec } = attributes;
  const bits = (mode & 0o7777).toString(8).padStart(4, '0');
  const date = new Date(mtimeSec * 1000);
  const when = Number.isNaN(date.getTime()) ? `${mtimeSec} s` : date.toISOString();
  return `${word}: ${typeName(mode)}, ${size} bytes, mode ${bits}, owner ${uid}:${gid}, links ${nlink}, modified ${when}\n`;
}

const stat: Command = {
  name: 'stat',
  usage: 'PATH',
  text: 'type, size, mode, owner, time',
  words: [1, 1],
  run(context, [word = '']) {
    const where = target(context, word);
    if (where === undefined) return NO_SHARE;
    const attributes = where.files.stat(where.path, false);
    if (typeof attributes === 'number') return failed(`${word}: ${errorText(attributes)}`);
    context.output.text(statLine(word, attributes));
    return { status: 0, data: { size: attributes.size, mode: attributes.mode } };
  },
};

const rm: Command = {
  name: 'rm',
  usage: 'PATH',
  text: 'remove a file or an empty directory',
  words: [1, 1],
  run: (context, [word = '']) => simple(context, word, ({ files, path }) => files.remove(path)),
};

const mkdir: Command = {
  name: 'mkdir',
  usage: 'PATH',
  text: 'make a directory',
  words: [1, 1],
  run: (context, [word = '']) =>
    simple(context, word, ({ files, path }) => files.mkdir(path, DIRECTORY_MODE)),
};

/** In the order of `help`. */
export const FILE_COMMANDS: readonly Command[] = [ls, cat, write, stat, rm, mkdir];

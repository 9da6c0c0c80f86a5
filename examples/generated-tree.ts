/**
 * A read-only tree whose files are made when somebody looks: the time, facts about this process, and a directory with
 * one file for every number. It is loaded in the reactor, so its methods answer at once.
 *
 *     const pmm = await createPmm({
 *       ...,
 *       devices: [{ type: '9p', tag: 'facts', module: { module: import.meta.resolve('./generated-tree.js'), export: 'tree' } }],
 *     });
 *
 * On the other side: `cat /time`, `cat /squares/12`.
 */
import type { SimpleTree } from 'lkvm';

/** A file is a function that makes its text; a directory names what is in it. */
interface Entry {
  readonly text?: () => string;
  readonly names?: () => string[];
  readonly child?: (name: string) => Entry | undefined;
}

const encoder = new TextEncoder();

function file(text: () => string): Entry {
  return { text };
}

function directory(children: Record<string, Entry>): Entry {
  return { names: () => Object.keys(children), child: (name) => children[name] };
}

/** A directory that is not written down anywhere: 1, 2, ... `count`. Its files are made once each. */
function squares(count: number): Entry {
  const made = new Map<number, Entry>();
  return {
    names: () => Array.from({ length: count }, (_, i) => String(i + 1)),
    child: (name) => {
      const n = /^[1-9]\d*$/.test(name) ? Number(name) : 0;
      if (n < 1 || n > count) return undefined;
      const entry = made.get(n) ?? file(() => `${n * n}\n`);
      made.set(n, entry);
      return entry;
    },
  };
}

/** The export named in the device's options; gets `options` from there. */
export function tree(options: { readonly count?: number } = {}): SimpleTree<Entry> {
  const top = directory({
    time: file(() => `${new Date().toISOString()}\n`),
    process: directory({
      uptime: file(() => `${Math.floor(process.uptime())}\n`),
      memory: file(() => `${process.memoryUsage().rss}\n`),
    }),
    squares: squares(options.count ?? 100),
  });
  const bytes = (entry: Entry): Uint8Array => encoder.encode(entry.text?.() ?? '');
  return {
    root: () => top,
    lookup: (dir, name) => dir.child?.(name),
    readdir: (dir) => dir.names?.() ?? [],
    getattr: (entry) =>
      entry.text === undefined
        ? { kind: 'directory' }
        : { kind: 'file', size: bytes(entry).length, mtime: Date.now() },
    read: (entry, offset, count) => bytes(entry).subarray(offset, offset + count),
  };
}

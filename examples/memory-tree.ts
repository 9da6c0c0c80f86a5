/**
 * A read-write tree in memory, living on the main thread. Its methods could just as well return promises and keep the
 * files in a database; here they watch what is written.
 *
 *     const files = new MemoryTree({ 'hello.txt': 'hello\n' });
 *     files.onWrite = (file) => console.log(`${file.data.length} bytes now`);
 *     const pmm = await createPmm({ ..., devices: [{ type: '9p', tag: 'scratch', remote: 0 }] }, { trees: [remoteTree(files)] });
 */
import type { SimpleTree, TreeAttributes, TreeChange } from 'lkvm';

/** The other side decides how much it writes, so there has to be a limit. */
const LARGEST_FILE = 64 * 1024 * 1024;

/** A file or a directory. */
export interface MemoryNode {
  /** Directories only. */
  readonly children?: Map<string, MemoryNode>;
  /** Links only. */
  readonly target?: string;
  /** Files only. */
  data: Uint8Array;
  mode: number;
  mtime: number;
}

/** Throws an error that arrives on the other side as this errno. */
function fail(code: 'ENOENT' | 'ENOTEMPTY' | 'ENOTDIR' | 'EFBIG'): never {
  throw Object.assign(new Error(code), { code });
}

export class MemoryTree implements SimpleTree<MemoryNode> {
  readonly #top: MemoryNode = this.#node(0o755, { children: new Map() });
  /** Called after each write. */
  onWrite: ((file: MemoryNode) => void) | undefined;

  /** @param files names and texts of files in the top directory */
  constructor(files: Record<string, string> = {}) {
    for (const [name, text] of Object.entries(files)) {
      this.create(this.#top, name, 0o644).data = new TextEncoder().encode(text);
    }
  }

  root(): MemoryNode {
    return this.#top;
  }

  lookup(directory: MemoryNode, name: string): MemoryNode | undefined {
    return directory.children?.get(name);
  }

  readdir(directory: MemoryNode): Iterable<string> {
    return directory.children?.keys() ?? fail('ENOTDIR');
  }

  getattr({ children, target, data, mode, mtime }: MemoryNode): TreeAttributes {
    if (children !== undefined) return { kind: 'directory', mode, mtime };
    if (target !== undefined) return { kind: 'symlink', size: target.length, mtime };
    return { kind: 'file', size: data.length, mode, mtime };
  }

  read(file: MemoryNode, offset: number, count: number): Uint8Array {
    return file.data.subarray(offset, offset + count);
  }

  readlink(link: MemoryNode): string {
    return link.target ?? '';
  }

  write(file: MemoryNode, offset: number, data: Uint8Array): undefined {
    this.#resize(file, Math.max(file.data.length, offset + data.length));
    file.data.set(data, offset);
    file.mtime = Date.now();
    this.onWrite?.(file);
  }

  create(directory: MemoryNode, name: string, mode: number): MemoryNode {
    return this.#add(directory, name, this.#node(mode, {}));
  }

  mkdir(directory: MemoryNode, name: string, mode: number): MemoryNode {
    return this.#add(directory, name, this.#node(mode, { children: new Map() }));
  }

  symlink(directory: MemoryNode, name: string, target: string): MemoryNode {
    return this.#add(directory, name, this.#node(0o777, { target }));
  }

  link(directory: MemoryNode, name: string, file: MemoryNode): undefined {
    this.#add(directory, name, file);
  }

  unlink(directory: MemoryNode, name: string): undefined {
    directory.children?.delete(name);
    directory.mtime = Date.now();
  }

  rmdir(directory: MemoryNode, name: string): undefined {
    if ((directory.children?.get(name)?.children?.size ?? 0) > 0) fail('ENOTEMPTY');
    this.unlink(directory, name);
  }

  rename(oldDirectory: MemoryNode, oldName: string, newDirectory: MemoryNode, newName: string): undefined {
    const node = oldDirectory.children?.get(oldName) ?? fail('ENOENT');
    if ((newDirectory.children?.get(newName)?.children?.size ?? 0) > 0) fail('ENOTEMPTY');
    this.unlink(oldDirectory, oldName);
    this.#add(newDirectory, newName, node);
  }

  setattr(node: MemoryNode, change: TreeChange): undefined {
    if (change.mode !== undefined) node.mode = change.mode;
    if (change.size !== undefined) this.#resize(node, change.size);
    if (change.mtime !== undefined) node.mtime = change.mtime;
  }

  #node(mode: number, kind: { children?: Map<string, MemoryNode>; target?: string }): MemoryNode {
    return { ...kind, mode, mtime: Date.now(), data: new Uint8Array(0) };
  }

  #add(directory: MemoryNode, name: string, node: MemoryNode): MemoryNode {
    if (directory.children === undefined) return fail('ENOTDIR');
    directory.children.set(name, node);
    directory.mtime = Date.now();
    return node;
  }

  /** The whole file is copied each time: good enough for an example. */
  #resize(file: MemoryNode, bytes: number): void {
    if (bytes > LARGEST_FILE) fail('EFBIG');
    if (bytes === file.data.length) return;
    const data = new Uint8Array(bytes);
    data.set(file.data.subarray(0, bytes));
    file.data = data;
  }
}

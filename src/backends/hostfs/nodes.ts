/** Handles on host files: one descriptor each. Thread: reactor. */
import { ENFILE } from '../../abi/errno.js';
import { close } from '../../sys/fd.js';
import { at } from '../../util/typed.js';

/** One handle. Reused; `fd` is -1 while it is free. */
export class HostNode {
  /** O_PATH until the node is opened, then a real descriptor. */
  fd = -1;
  /** st_mode; only its type is relied on, which never changes. */
  mode = 0;
  devMajor = 0;
  devMinor = 0;
  open = false;
  /** Opened with O_SYNC or O_DSYNC: a write is answered after fdatasync. */
  sync = false;
  /** Opened for writing. */
  writable = false;
  /** Directory: the cookie at which the descriptor stands. */
  positionLow = 0;
  positionHigh = 0;
}

export class NodeTable {
  readonly #nodes: HostNode[] = [];
  readonly #free: number[] = [];
  readonly #limit: number;
  /** Handles in use. */
  count = 0;

  /** @param limit most handles, and so descriptors, at a time */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** @param id of a live node: ids come from the server, not from the client */
  get(id: number): HostNode {
    return at(this.#nodes, id);
  }

  /** Takes `fd` over, also when it fails. @returns the node's id or -ENFILE */
  add(fd: number, mode: number, devMajor: number, devMinor: number): number {
    if (this.count >= this.#limit) {
      close(fd);
      return -ENFILE;
    }
    let id = this.#free.pop();
    if (id === undefined) {
      id = this.#nodes.length;
      this.#nodes.push(new HostNode());
    }
    const node = at(this.#nodes, id);
    node.fd = fd;
    node.mode = mode;
    node.devMajor = devMajor;
    node.devMinor = devMinor;
    node.open = false;
    node.sync = false;
    node.writable = false;
    this.count++;
    return id;
  }

  /** Closes the node's descriptor. */
  remove(id: number): void {
    const node = at(this.#nodes, id);
    if (node.fd < 0) return;
    close(node.fd);
    node.fd = -1;
    this.#free.push(id);
    this.count--;
  }

  /** Closes all. */
  clear(): void {
    for (let id = 0; id < this.#nodes.length; id++) this.remove(id);
  }
}

/**
 * From a device's specification to the device with its back end. The one place that knows every kind of device and
 * every back end. Thread: reactor.
 */
import { openDisk } from '../../backends/block/open-disk.js';
import { GatewayBackend } from '../../backends/gateway/gateway.js';
import { HostTree } from '../../backends/hostfs/host-tree.js';
import { GetrandomSource } from '../../backends/random/getrandom.js';
import { TapBackend } from '../../backends/tap/tap.js';
import { TerminalBackend } from '../../backends/terminal/terminal.js';
import type { FileTree } from '../../p9/file-tree.js';
import type { RemoteTreeProxy } from '../../p9/remote-tree.js';
import { openFileLimit } from '../../sys/fs.js';
import { openTap } from '../../sys/tap.js';
import { windowSize } from '../../sys/tty.js';
import type { Counters } from '../../util/counters.js';
import { LkvmError, StartError } from '../../util/errors.js';
import type { BlockingCalls, EventLoop, Log } from '../../util/ports.js';
import type { VirtioDevice } from '../../virtio/core/device.js';
import { BlkDevice } from '../../virtio/devices/blk/device.js';
import { ConsoleDevice } from '../../virtio/devices/console/device.js';
import { NetDevice } from '../../virtio/devices/net/device.js';
import { P9Device } from '../../virtio/devices/p9/device.js';
import { RngDevice } from '../../virtio/devices/rng/device.js';
import type { BlkSpec, ConsoleSpec, DeviceSpec, NetSpec, P9Spec, RngSpec, TreeSpec } from './device-spec.js';

/** What devices need of the machine around them. */
export interface DeviceSurroundings {
  readonly loop: EventLoop;
  readonly log: Log;
  /** Where calls go that may wait for a disk. */
  readonly blocking: BlockingCalls;
  /** Sends a message to the tree number `id` on the main thread. */
  readonly postToTree: (id: number, message: unknown) => void;
  /** The person at the console typed the escape keys. */
  readonly onEscape: () => void;
  /** How many directories will be shared: together they may hold half of the descriptors the process may have. */
  readonly directories: number;
}

/** As many as fids; enough for a Linux client that holds one for every file of a kernel tree. */
const MAX_NODES = 0x2_0000;
/** Fewer would not let a driver do anything useful. */
const MIN_NODES = 32;

/** Makes the devices of one machine. Closing a device closes its back end. */
export class DeviceMaker {
  /** Names of the host taps made or opened so far. */
  readonly taps: string[] = [];
  readonly #around: DeviceSurroundings;
  readonly #proxies = new Map<number, RemoteTreeProxy>();

  constructor(around: DeviceSurroundings) {
    this.#around = around;
  }

  /**
   * Builds a device and opens its back end.
   * @param counters its row
   * Errors: StartError (directory, tap, disk, ...), ConfigError (features it does not have).
   */
  async make(spec: DeviceSpec, counters: Counters): Promise<VirtioDevice> {
    switch (spec.name) {
      case 'rng':
        return this.#rng(spec, counters);
      case 'console':
        return this.#console(spec, counters);
      case 'net':
        return this.#net(spec, counters);
      case 'p9':
        return await this.#p9(spec, counters);
      case 'blk':
        return this.#blk(spec, counters);
    }
  }

  /** A message of the tree number `id` on the main thread. */
  onTreeMessage(id: number, message: unknown): void {
    this.#proxies.get(id)?.onMessage(message);
  }

  #rng({ queueSizes, features }: RngSpec, counters: Counters): VirtioDevice {
    return new RngDevice({ source: new GetrandomSource(this.#around.loop), counters, queueSizes, features });
  }

  #console(spec: ConsoleSpec, counters: Counters): VirtioDevice {
    const { inputFd, outputFd, queueSizes, features } = spec;
    const { loop, onEscape } = this.#around;
    const backend = new TerminalBackend(loop, { inputFd, outputFd, escape: spec.escape, onEscape });
    const size = windowSize(outputFd);
    const { columns, rows } =
      typeof size === 'number' || size.columns === 0 ? { columns: 80, rows: 24 } : size;
    return new ConsoleDevice({ backend, counters, queueSizes, features, cols: columns, rows });
  }

  #net({ backend, mac, queueSizes, features }: NetSpec, counters: Counters): VirtioDevice {
    if (backend.kind === 'user') {
      const { hostIp, guestIp } = backend;
      return new NetDevice({
        backend: new GatewayBackend({ hostIp, guestIp }),
        counters,
        queueSizes,
        mac,
        features,
      });
    }
    const tap = openTap(backend);
    this.taps.push(tap.name);
    return new NetDevice({
      backend: new TapBackend(this.#around.loop, tap),
      counters,
      queueSizes,
      mac,
      features,
    });
  }

  #blk(spec: BlkSpec, counters: Counters): VirtioDevice {
    const { path, readOnly, direct, queueSizes, features } = spec;
    const requests = queueSizes[0] ?? 1;
    const backend = openDisk({ path, readOnly, direct, requests }, this.#around);
    return new BlkDevice({ backend, counters, queueSizes, features });
  }

  async #p9({ tree, tag, queueSizes, features }: P9Spec, counters: Counters): Promise<VirtioDevice> {
    const served = await this.#tree(tree);
    return new P9Device({ tree: served, tag, counters, queueSizes, features });
  }

  async #tree(spec: TreeSpec): Promise<FileTree> {
    const { blocking, log, postToTree } = this.#around;
    switch (spec.kind) {
      case 'directory':
        return new HostTree({
          path: spec.path,
          readOnly: spec.readOnly,
          blocking,
          maxNodes: nodesPerShare(this.#around.directories),
        });
      // Rarely used, so loaded only then: every module costs the start most of a millisecond.
      case 'module': {
        const { treeFromExport } = await import('../../p9/js-tree.js');
        return treeFromExport(await callExport(spec), `${spec.module}#${spec.export}`, log);
      }
      case 'remote': {
        const { remoteTreeProxy } = await import('../../p9/remote-tree.js');
        const proxy = remoteTreeProxy((message) => postToTree(spec.id, message));
        this.#proxies.set(spec.id, proxy);
        return proxy.tree;
      }
    }
  }
}

/** A driver that opens all it can must leave descriptors for doorbells and for the other shares. */
function nodesPerShare(shares: number): number {
  const half = openFileLimit() >>> 1;
  return Math.max(MIN_NODES, Math.min(MAX_NODES, Math.floor(half / Math.max(1, shares))));
}

/** `(await import(module))[export](options)`. Errors: StartError. */
async function callExport({
  module,
  export: name,
  options,
}: TreeSpec & { kind: 'module' }): Promise<unknown> {
  const where = `9p tree ${module}#${name}`;
  try {
    const loaded: Record<string, unknown> = await import(module);
    const make = loaded[name];
    if (typeof make !== 'function') throw new StartError(`${where}: the module has no such function`);
    return await make(options);
  } catch (error) {
    if (error instanceof LkvmError) throw error;
    throw new StartError(`${where}: ${error instanceof Error ? error.message : String(error)}`, error);
  }
}

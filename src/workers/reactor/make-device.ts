/**
 * From a device's specification to the device with its back end. The one place that knows every kind of device and
 * every back end.
 *
 * Each kind is loaded when the first of it is made: a module costs the start half a millisecond, and a machine has two or
 * three kinds of devices. A worker that waits for its machine loads them all beforehand (`device-modules.ts`).
 *
 * Thread: reactor.
 */
import { VIRTIO_CONSOLE_F_SIZE } from '../../abi/virtio.js';
import type { RemoteNetworkProxy } from '../../backends/js-network/js-network-backend.js';
import type { FileTree } from '../../p9/file-tree.js';
import type { RemoteTreeProxy } from '../../p9/remote-tree.js';
import { openFileLimit } from '../../sys/fs.js';
import { type WindowSize, windowSize } from '../../sys/tty.js';
import type { Counters } from '../../util/counters.js';
import { LkvmError, StartError } from '../../util/errors.js';
import type { BlockingCalls, EventLoop, Log } from '../../util/ports.js';
import type { VirtioDevice } from '../../virtio/core/device.js';
import { featureSet } from '../../virtio/core/features.js';
import type { NetBackend } from '../../virtio/devices/net/backend.js';
import type { BlkSpec, ConsoleSpec, DeviceSpec, NetSpec, P9Spec, RngSpec, TreeSpec } from './device-spec.js';
import type { MainMessage, ServiceMessage } from './messages.js';

/** What devices need of the machine around them. */
export interface DeviceSurroundings {
  readonly loop: EventLoop;
  readonly log: Log;
  /** Where calls go that may wait for a disk. */
  readonly blocking: BlockingCalls;
  /** Sends a message to a tree or a network on the main thread. */
  readonly postToService: (message: ServiceMessage) => void;
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
  readonly #trees = new Map<number, RemoteTreeProxy>();
  readonly #networks = new Map<number, RemoteNetworkProxy>();
  /** For each console: looks at the size of its terminal. */
  readonly #windows: (() => void)[] = [];

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
        return await this.#rng(spec, counters);
      case 'console':
        return await this.#console(spec, counters);
      case 'net':
        return await this.#net(spec, counters);
      case 'p9':
        return await this.#p9(spec, counters);
      case 'blk':
        return await this.#blk(spec, counters);
    }
  }

  /** A message of the main thread. */
  onMessage(message: MainMessage): void {
    switch (message.type) {
      case 'tree':
        this.#trees.get(message.id)?.onMessage(message.message);
        break;
      case 'network':
        this.#networks.get(message.id)?.onMessage(message.message);
        break;
      case 'window':
        for (const look of this.#windows) look();
        break;
    }
  }

  async #rng({ queueSizes, features }: RngSpec, counters: Counters): Promise<VirtioDevice> {
    const { GetrandomSource } = await import('../../backends/random/getrandom.js');
    const { RngDevice } = await import('../../virtio/devices/rng/device.js');
    return new RngDevice({ source: new GetrandomSource(this.#around.loop), counters, queueSizes, features });
  }

  async #console(spec: ConsoleSpec, counters: Counters): Promise<VirtioDevice> {
    const { TerminalBackend } = await import('../../backends/terminal/terminal.js');
    const { ConsoleDevice } = await import('../../virtio/devices/console/device.js');
    const { inputFd, outputFd, queueSizes } = spec;
    const { loop, onEscape } = this.#around;
    const backend = new TerminalBackend(loop, { inputFd, outputFd, escape: spec.escape, onEscape });
    const size = knownSize(outputFd);
    const features =
      spec.features ?? (spec.offerSize && size !== undefined ? featureSet(VIRTIO_CONSOLE_F_SIZE) : undefined);
    const device = new ConsoleDevice({
      backend,
      counters,
      queueSizes,
      features,
      cols: size?.columns,
      rows: size?.rows,
    });
    this.#windows.push(() => {
      const now = knownSize(outputFd);
      if (now !== undefined) device.resize(now.columns, now.rows);
    });
    return device;
  }

  async #net({ backend, mac, queueSizes, features }: NetSpec, counters: Counters): Promise<VirtioDevice> {
    const { NetDevice } = await import('../../virtio/devices/net/device.js');
    const { loop } = this.#around;
    const made = await this.#netBackend(backend);
    return new NetDevice({ backend: made, counters, queueSizes, mac, features, loop });
  }

  async #netBackend(spec: NetSpec['backend']): Promise<NetBackend> {
    const { log, postToService } = this.#around;
    if (spec.kind === 'module') {
      const js = await import('../../backends/js-network/js-network-backend.js');
      const made = await callExport('network', spec);
      return new js.JsNetworkBackend(js.networkFromExport(made, `${spec.module}#${spec.export}`), log);
    }
    if (spec.kind === 'remote') {
      const { remoteNetworkProxy } = await import('../../backends/js-network/js-network-backend.js');
      const { id } = spec;
      const proxy = remoteNetworkProxy((message) => postToService({ type: 'network', id, message }), log);
      this.#networks.set(id, proxy);
      return proxy.backend;
    }
    if (spec.kind === 'user') {
      const { GatewayBackend } = await import('../../backends/gateway/gateway.js');
      return new GatewayBackend(spec);
    }
    const { TapBackend } = await import('../../backends/tap/tap.js');
    const { openTap } = await import('../../sys/tap.js');
    const tap = openTap(spec);
    this.taps.push(tap.name);
    return new TapBackend(this.#around.loop, tap);
  }

  async #blk(spec: BlkSpec, counters: Counters): Promise<VirtioDevice> {
    const { openDisk } = await import('../../backends/block/open-disk.js');
    const { BlkDevice } = await import('../../virtio/devices/blk/device.js');
    const { path, readOnly, direct, queueSizes, features } = spec;
    const requests = queueSizes[0] ?? 1;
    const backend = openDisk({ path, readOnly, direct, requests }, this.#around);
    return new BlkDevice({ backend, counters, queueSizes, features });
  }

  async #p9({ tree, tag, queueSizes, features }: P9Spec, counters: Counters): Promise<VirtioDevice> {
    const { P9Device } = await import('../../virtio/devices/p9/device.js');
    const served = await this.#tree(tree);
    return new P9Device({ tree: served, tag, counters, queueSizes, features });
  }

  async #tree(spec: TreeSpec): Promise<FileTree> {
    const { blocking, log, postToService } = this.#around;
    switch (spec.kind) {
      case 'directory': {
        const { HostTree } = await import('../../backends/hostfs/host-tree.js');
        const { path, readOnly } = spec;
        return new HostTree({ path, readOnly, blocking, maxNodes: nodesPerShare(this.#around.directories) });
      }
      case 'module': {
        const { treeFromExport } = await import('../../p9/js-tree.js');
        return treeFromExport(await callExport('9p tree', spec), `${spec.module}#${spec.export}`, log);
      }
      case 'remote': {
        const { remoteTreeProxy } = await import('../../p9/remote-tree.js');
        const { id } = spec;
        const proxy = remoteTreeProxy((message) => postToService({ type: 'tree', id, message }));
        this.#trees.set(id, proxy);
        return proxy.tree;
      }
    }
  }
}

/** @returns undefined if it is no terminal, or does not know its size */
function knownSize(fd: number): WindowSize | undefined {
  const size = windowSize(fd);
  return typeof size === 'number' || size.columns === 0 || size.rows === 0 ? undefined : size;
}

/** A driver that opens all it can must leave descriptors for doorbells and for the other shares. */
function nodesPerShare(shares: number): number {
  const half = openFileLimit() >>> 1;
  return Math.max(MIN_NODES, Math.min(MAX_NODES, Math.floor(half / Math.max(1, shares))));
}

/** `(await import(module))[export](options)`. @param what names it in messages Errors: StartError. */
async function callExport(
  what: string,
  { module, export: name, options }: TreeSpec & { kind: 'module' },
): Promise<unknown> {
  const where = `${what} ${module}#${name}`;
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

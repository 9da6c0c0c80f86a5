/** Trees and networks of the main thread, served to the reactor by messages. Thread: main. */
import type { RemoteNetwork } from '../backends/js-network/network.js';
import type { RemoteTree, RemoteTreeServer } from '../p9/remote-tree.js';
import { ConfigError } from '../util/errors.js';
import type { Log } from '../util/ports.js';
import type { DeviceSpec } from '../workers/reactor/device-spec.js';
import type { ServiceMessage } from '../workers/reactor/messages.js';

/** What a program gives to a machine. */
export interface Services {
  /** Trees (see `remoteTree`), for shares with `remote: INDEX`. */
  readonly trees?: readonly RemoteTree[] | undefined;
  /** Networks (see `remoteNetwork`), for cards with `remote: INDEX`. */
  readonly networks?: readonly RemoteNetwork[] | undefined;
}

/** Errors: ConfigError if a device names one that is not given. */
export function checkServices(devices: readonly DeviceSpec[], { trees = [], networks = [] }: Services): void {
  for (const device of devices) {
    if (device.name === 'p9' && device.tree.kind === 'remote' && device.tree.id >= trees.length) {
      const { id } = device.tree;
      throw new ConfigError(
        `9p share "${device.tag}": remote tree ${id} is not given; there are ${trees.length}`,
      );
    }
    if (device.name === 'net' && device.backend.kind === 'remote' && device.backend.id >= networks.length) {
      const { id } = device.backend;
      throw new ConfigError(`network card: remote network ${id} is not given; there are ${networks.length}`);
    }
  }
}

/** The services of one running machine. */
export class RemoteServices {
  readonly #trees: readonly RemoteTreeServer[];
  readonly #networks: readonly ((message: unknown) => void)[];

  /** @param post sends a message to the reactor */
  constructor({ trees = [], networks = [] }: Services, post: (message: ServiceMessage) => void, log: Log) {
    this.#trees = trees.map((tree, id) =>
      tree.serve(
        (message) => post({ type: 'tree', id, message }),
        (error) => log.warn(`9p tree ${id}: ${String(error)}`),
      ),
    );
    this.#networks = networks.map((network, id) =>
      network.serve(
        (message) => post({ type: 'network', id, message }),
        (error) => log.warn(`network ${id}: ${String(error)}`),
      ),
    );
  }

  /** A message of the reactor. */
  onMessage({ type, id, message }: ServiceMessage): void {
    if (type === 'tree') this.#trees[id]?.onMessage(message);
    else this.#networks[id]?.(message);
  }

  /** The reactor has ended: trees close what it had open. */
  close(): void {
    for (const tree of this.#trees) tree.close();
  }
}

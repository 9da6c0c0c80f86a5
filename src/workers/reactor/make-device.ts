/**
 * From a device's specification to the device with its back end. The one place that knows every kind of device and
 * every back end. Thread: reactor.
 */
import { GatewayBackend } from '../../backends/gateway/gateway.js';
import { HostTree } from '../../backends/hostfs/host-tree.js';
import { GetrandomSource } from '../../backends/random/getrandom.js';
import { TapBackend } from '../../backends/tap/tap.js';
import { TerminalBackend } from '../../backends/terminal/terminal.js';
import { openTap } from '../../sys/tap.js';
import { windowSize } from '../../sys/tty.js';
import type { Counters } from '../../util/counters.js';
import { StartError } from '../../util/errors.js';
import type { BlockingCalls, EventLoop, Log } from '../../util/ports.js';
import type { VirtioDevice } from '../../virtio/core/device.js';
import { ConsoleDevice } from '../../virtio/devices/console/device.js';
import { NetDevice } from '../../virtio/devices/net/device.js';
import { P9Device } from '../../virtio/devices/p9/device.js';
import { RngDevice } from '../../virtio/devices/rng/device.js';
import type { ConsoleSpec, DeviceSpec, NetSpec, P9Spec, RngSpec } from './device-spec.js';

/** What devices need of the machine around them. */
export interface DeviceSurroundings {
  readonly loop: EventLoop;
  readonly log: Log;
  /** Where calls go that may wait for a disk. */
  readonly blocking: BlockingCalls;
  /** The person at the console typed the escape keys. */
  readonly onEscape: () => void;
}

/** Makes the devices of one machine. Closing a device closes its back end. */
export class DeviceMaker {
  /** Names of the host taps made or opened so far. */
  readonly taps: string[] = [];
  readonly #around: DeviceSurroundings;

  constructor(around: DeviceSurroundings) {
    this.#around = around;
  }

  /**
   * Builds a device and opens its back end.
   * @param counters its row
   * Errors: StartError (directory, tap, ...), ConfigError (features it does not have).
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
        return this.#p9(spec, counters);
    }
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

  #p9({ tree, tag, queueSizes, features }: P9Spec, counters: Counters): VirtioDevice {
    if (tree.kind !== 'directory') throw new StartError('9p: trees made in JavaScript are not wired yet');
    const { path, readOnly } = tree;
    const served = new HostTree({ path, readOnly, blocking: this.#around.blocking });
    return new P9Device({ tree: served, tag, counters, queueSizes, features });
  }
}

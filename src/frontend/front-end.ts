/**
 * The driver side of a whole pool: finds the devices, stops what an earlier driver left running, and fans the one
 * interrupt line out to all devices. Drivers are started on the devices by the caller, the hungriest last, because
 * memory is given out in that order.
 */
import type { GuestMemory } from '../memory/guest-memory.js';
import { at } from '../util/typed.js';
import { Arena } from './allocator.js';
import { Device } from './device.js';
import { type Discovery, type DiscoveryHints, discover } from './discovery.js';
import { DEFAULT_TIMING, type HandshakeTiming, type StepHook } from './handshake.js';
import type { PeerLine } from './ports.js';
import { Registers } from './registers.js';
import { readStatic } from './static-attach.js';

/** What is optional about a front end. */
export interface FrontEndOptions extends DiscoveryHints {
  /** Do the handshake even where the PMM offers static mode. */
  readonly forceHandshake?: boolean;
  /** With a device tree: use each device's own region only, for a PMM that confines drivers to it. */
  readonly confine?: boolean;
  readonly timing?: HandshakeTiming;
  readonly step?: StepHook;
}

/** Thread: the front end's only one. */
export class FrontEnd {
  readonly discovery: Discovery;
  readonly devices: readonly Device[];
  /** Devices that did not show in time that they have seen the reset. */
  readonly unconfirmed: readonly Device[];

  /**
   * Discovers, and resets every device.
   * @param memory the pool, mapped anywhere, as one region at gpa 0
   * Errors: DiscoveryError: not there yet; try again later.
   */
  constructor(memory: GuestMemory, line: PeerLine, options: FrontEndOptions = {}) {
    const discovery = discover(memory, options);
    const arenas = new SharedArenas();
    const { tail, tailBytes } = commonArena(discovery, options.confine ?? false);
    const common = arenas.at(tail, tailBytes);
    const step = options.step ?? noStep;
    this.discovery = discovery;
    this.devices = discovery.devices.map(
      (found) =>
        new Device({
          pool: discovery.pool,
          found,
          line,
          common,
          arenaAt: (start, bytes) => arenas.at(start, bytes),
          ownRegion: discovery.withDtb,
          forceHandshake: options.forceHandshake ?? false,
          timing: options.timing ?? DEFAULT_TIMING,
          step,
        }),
    );
    step('discovered');
    this.unconfirmed = this.devices.filter((device) => !device.reset());
    step('reset');
  }

  /** Devices of a type, in slot order. @param deviceId VIRTIO_ID_... */
  ofType(deviceId: number): Device[] {
    return this.devices.filter((device) => device.found.deviceId === deviceId);
  }

  /** The interrupt line was signalled. @returns true if any device had something */
  interrupt(): boolean {
    let found = false;
    for (let i = 0; i < this.devices.length; i++) {
      if (at(this.devices, i).interrupt()) found = true;
    }
    return found;
  }

  /** Looks at all rings without an interrupt. Hot path. */
  poll(): boolean {
    let found = false;
    for (let i = 0; i < this.devices.length; i++) {
      if (at(this.devices, i).poll()) found = true;
    }
    return found;
  }

  /** About to sleep: asks for interrupts. @returns true if something is there already */
  arm(): boolean {
    let found = false;
    for (let i = 0; i < this.devices.length; i++) {
      if (at(this.devices, i).arm()) found = true;
    }
    return found;
  }

  /** Awake and looking: no interrupts needed. */
  disarm(): void {
    for (let i = 0; i < this.devices.length; i++) at(this.devices, i).disarm();
  }

  /** False if the PMM has started anew under us. */
  alive(): boolean {
    return this.devices.every((device) => device.alive());
  }

  /** Stops all devices, so that the memory is nobody's any more. */
  close(): void {
    for (const device of this.devices) device.reset();
  }
}

function noStep(): void {}

/** Arenas by place: without a device tree the static descriptors of all devices name the same one. */
class SharedArenas {
  readonly #arenas: Arena[] = [];

  at(start: number, bytes: number): Arena {
    const known = this.#arenas.find((arena) => arena.start === start && arena.bytes === bytes);
    if (known !== undefined) return known;
    const arena = new Arena(start, bytes);
    this.#arenas.push(arena);
    return arena;
  }
}

/**
 * Memory that belongs to nobody. Without a device tree, static rings lie at its start: keep off them, even for devices
 * that are started by handshake, and use the arena the PMM names.
 */
function commonArena({ pool, devices, withDtb, tail, tailBytes }: Discovery, confine: boolean) {
  if (withDtb) return { tail, tailBytes: confine ? 0 : tailBytes };
  for (const { block, shmBase } of devices) {
    const descriptor = readStatic(pool, new Registers(pool, block), shmBase);
    if (descriptor !== undefined) return { tail: descriptor.arena, tailBytes: descriptor.arenaBytes };
  }
  return { tail, tailBytes };
}

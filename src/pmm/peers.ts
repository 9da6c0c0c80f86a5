/**
 * Several peers served by one program: each has a pool, devices, an ivshmem server and a reactor thread of its own.
 *
 * One ivshmem server gives all of its memory to everybody who connects, so peers that must not reach each other's pool cannot
 * share one: each has its own socket, and behind it its own memory. A socket also says who is who when a peer starts again.
 *
 * Thread: main.
 */
import { ConfigError } from '../util/errors.js';
import type { HvlDeviceSpec } from '../workers/reactor/device-spec.js';
import { checkSocketPath } from './build-config.js';
import type { PmmConfig } from './config.js';
import { type PmmExtras, startPmm } from './create-pmm.js';
import type { Pmm, PmmExit } from './pmm.js';

/** Peers of one program. Each is a thread. */
export const MAX_PEERS = 16;

/**
 * The configurations of `count` peers: the same but for the socket (PATH.1, PATH.2, ...), the cards' addresses (the fifth byte
 * counts up), the log of the machine (FILE.1, ...), and the console, which is a terminal and so the first peer's.
 * Errors: ConfigError if something cannot be had more than once.
 */
export function peerConfigs(config: PmmConfig, count: number): PmmConfig[] {
  if (!Number.isInteger(count) || count < 1 || count > MAX_PEERS) {
    throw new ConfigError(`--peers ${count}: there can be 1 ... ${MAX_PEERS}`);
  }
  if (count === 1) return [config];
  checkRepeatable(config);
  return Array.from({ length: count }, (_, index) => peerConfig(config, index));
}

function checkRepeatable({ devices, pool, remote }: PmmConfig): void {
  if (pool.kind !== 'ivshmem-server') {
    throw new ConfigError(
      `--peers does not go with --shmem-backend ${pool.kind}: each peer gets a pool of its own from --shmem-backend ivshmem-server:PATH`,
    );
  }
  if (remote?.kind === 'remoteproc') {
    throw new ConfigError('--peers and --remoteproc exclude each other: a remote processor is one peer');
  }
  if (!devices.some(isOnlyTap)) return;
  throw new ConfigError(
    '--peers and --network mode=tap: the peers cannot share a tap; use mode=user, or let script=PATH set up a new tap for each',
  );
}

/** A card whose tap there can be only one of: it has a name, is open already, or gets the address that we give to taps. */
function isOnlyTap(device: HvlDeviceSpec): boolean {
  if (device.name !== 'net' || device.backend.kind !== 'tap') return false;
  const { fd, tapif } = device.backend;
  return tapif !== undefined || fd !== undefined || device.script === undefined;
}

function peerConfig(config: PmmConfig, index: number): PmmConfig {
  const { devices, pool, remote } = config;
  if (pool.kind !== 'ivshmem-server') return config; // refused before
  const number = index + 1;
  const path = `${pool.path}.${number}`;
  checkSocketPath('--shmem-backend', { kind: pool.kind, path });
  const log = remote?.kind === 'qemu' && remote.log !== undefined ? `${remote.log}.${number}` : undefined;
  return {
    ...config,
    pool: { ...pool, path },
    notify: { kind: pool.kind, path },
    devices: devices
      .filter((device) => device.name !== 'console' || index === 0)
      .map((device) => (device.name === 'net' ? { ...device, mac: macOf(device.mac, index) } : device)),
    ...(remote?.kind === 'qemu' ? { remote: { ...remote, log } } : {}),
  };
}

function macOf(mac: readonly number[], peer: number): number[] {
  return mac.map((byte, place) => (place === 4 ? (byte + peer) & 0xff : byte));
}

/** Running PMMs that end together. */
export class PmmGroup implements AsyncDisposable {
  /**
   * Resolves when all have ended; never rejects. One that fails, or whose console says so, ends the others; one whose machine has
   * switched itself off does not.
   */
  readonly exited: Promise<PmmExit>;
  readonly #members: readonly Pmm[];

  /** @param members at least one */
  private constructor(members: readonly Pmm[]) {
    this.#members = members;
    this.exited = this.#watch();
  }

  /**
   * Starts them one after the other.
   * @param extrasOf what the one with this index gets
   * Errors: as `startPmm`; those that run already are stopped.
   */
  static async start(
    configs: readonly PmmConfig[],
    extrasOf: (index: number) => PmmExtras,
  ): Promise<PmmGroup> {
    const members: Pmm[] = [];
    try {
      for (const [index, config] of configs.entries()) members.push(await startPmm(config, extrasOf(index)));
    } catch (error) {
      await Promise.all(members.map((member) => member.stop()));
      throw error;
    }
    return new PmmGroup(members);
  }

  /** Stops all. May be called more than once. */
  async stop(): Promise<void> {
    await Promise.all(this.#members.map((member) => member.stop()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #watch(): Promise<PmmExit> {
    const ends = await Promise.all(
      this.#members.map(async (member) => {
        const end = await member.exited;
        if (end.reason === 'failed' || end.reason === 'escape') void this.stop();
        return end;
      }),
    );
    return (
      ends.find(({ error }) => error !== undefined) ?? ends[0] ?? { reason: 'stopped', error: undefined }
    );
  }
}

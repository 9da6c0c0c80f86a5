/**
 * From what a user says about a device to its checked specification, for the devices and rules that are the same in
 * every machine. What a machine adds (a region in a pool) comes from its {@link SettingsOf}. Errors: ConfigError.
 */
import { VIRTQ_SIZE_MAX } from '../abi/virtio-ring.js';
import { ConfigError } from '../util/errors.js';
import { type Features, hasFeature } from '../virtio/core/features.js';
import type { ConsoleSpec, DeviceSettings, P9Spec, TreeSpec } from '../workers/reactor/device-spec.js';
import type { DeviceFacts, DeviceName } from './device-facts.js';
import type { CommonDeviceOptions, ConsoleOptions, ShareOptions } from './device-options.js';

export const DEFAULT_TAG = 'kvm_9p';
const MAX_TAG_BYTES = 32;

/** The settings a machine gives to a device of one kind. */
export type SettingsOf = (options: CommonDeviceOptions, name: DeviceName) => DeviceSettings;

/** A console; default: the process's own terminal. @param offerSize offer SIZE on a terminal, unless told otherwise */
export function consoleSpec(console: ConsoleOptions, settings: SettingsOf, offerSize: boolean): ConsoleSpec {
  return {
    name: 'console',
    ...settings(console, 'console'),
    inputFd: console.inputFd ?? 0,
    outputFd: console.outputFd ?? 1,
    escape: console.escape ?? 'ctrl-a',
    offerSize,
  };
}

/** A 9p share. */
export function p9Spec(share: ShareOptions, settings: SettingsOf): P9Spec {
  const tag = share.tag ?? DEFAULT_TAG;
  const bytes = new TextEncoder().encode(tag).length;
  if (bytes < 1 || bytes > MAX_TAG_BYTES) {
    throw new ConfigError(`--9p tag "${tag}" has ${bytes} bytes; a mount tag has 1 ... ${MAX_TAG_BYTES}`);
  }
  return { name: 'p9', ...settings(share, 'p9'), tag, tree: treeSpec(share) };
}

function treeSpec(share: ShareOptions): TreeSpec {
  const { directory, module, remote } = share;
  const given = [directory, module, remote].filter((each) => each !== undefined);
  if (given.length !== 1) {
    throw new ConfigError(
      `a 9p device shows exactly one of directory, module and remote; ${given.length} are given`,
    );
  }
  if (module !== undefined) return { kind: 'module', ...module, options: module.options };
  if (remote !== undefined) return { kind: 'remote', id: remote };
  return { kind: 'directory', path: directory ?? '', readOnly: share.readOnly ?? false };
}

/** Refuses two shares that a guest could not tell apart. */
export function checkTags(shares: readonly P9Spec[]): void {
  const seen = new Set<string>();
  for (const { tag } of shares) {
    if (seen.has(tag)) {
      throw new ConfigError(`two --9p shares have the tag "${tag}"; give each its own: --9p DIR,TAG`);
    }
    seen.add(tag);
  }
}

/** Queue sizes and features, checked. @param defaults largest size of each queue if nothing is said */
export function queueSettings(
  { queueSizes, features }: CommonDeviceOptions,
  facts: DeviceFacts,
  defaults: readonly number[],
): Pick<DeviceSettings, 'queueSizes' | 'features'> {
  if (features !== undefined) checkFeatures(features, facts);
  return {
    queueSizes: queueSizes === undefined ? defaults : checkedSizes(queueSizes, facts),
    features,
  };
}

function checkedSizes(given: readonly number[], { word, queueNames }: DeviceFacts): readonly number[] {
  const queues = queueNames.length;
  if (given.length !== 1 && given.length !== queues) {
    throw new ConfigError(
      `--queue-size ${word}=${given.join(',')}: ${given.length} sizes, but it has ${queues} (${queueNames.join(', ')}); give one for all, or one for each`,
    );
  }
  for (const size of given) {
    if (!Number.isInteger(size) || size < 1 || size > VIRTQ_SIZE_MAX || (size & (size - 1)) !== 0) {
      throw new ConfigError(
        `--queue-size ${word}=${size}: a queue size is a power of two, 1 ... ${VIRTQ_SIZE_MAX}`,
      );
    }
  }
  return queueNames.map((_, index) => given[given.length === 1 ? 0 : index] as number);
}

function checkFeatures(features: Features, { word, features: all }: DeviceFacts): void {
  for (let bit = 0; bit < 64; bit++) {
    if (!hasFeature(features, bit) || all.some((each) => each.bit === bit)) continue;
    const known = all.map(({ name, bit: number }) => `${name} (${number})`).join(', ');
    throw new ConfigError(`--features ${word}: feature bit ${bit} is not known; known are ${known}`);
  }
}

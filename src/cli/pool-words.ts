/** Words about a pool of hypervisorless devices, the same for a PMM and for a KVM guest. Errors: ConfigError. */
import { writeFileSync } from 'node:fs';
import type { HvlConfig } from '../machine/hvl-config.js';
import type { HvlDeviceOptions, HvlOptions } from '../machine/hvl-options.js';
import { layoutDtb, poolLayout } from '../machine/pool-map.js';
import { ConfigError, StartError } from '../util/errors.js';
import { readDeviceLists } from './device-lists.js';
import { readShare } from './device-words.js';
import type { ParsedOptions } from './parse-options.js';
import { numberOf, sizeOf } from './values.js';

/** The pool, and its devices with what is fixed beforehand for them. @param devices in the order of their options */
export function readPoolWords(parsed: ParsedOptions, devices: readonly HvlDeviceOptions[]): HvlOptions {
  return {
    shmem: {
      address: numberOf('--shmem-addr', parsed.value('shmem-addr') ?? '0'),
      bytes: sizeOf('--shmem-size', parsed.value('shmem-size') ?? '0'),
    },
    dtb: !parsed.has('no-dtb'),
    devices: readDeviceLists(parsed).apply(devices),
    confine: parsed.flag('confine'),
    restartDetector: parsed.flag('restart-detector'),
    eventIdx: parsed.flag('event-idx'),
  };
}

/** All `--9p` options: the share given last comes first, as in the original. */
export function readPoolShares(parsed: ParsedOptions): HvlDeviceOptions[] {
  return parsed.values('9p').map(readShare).reverse();
}

/** Where to write the device tree, too. */
export function readDumpDtb(parsed: ParsedOptions): string | undefined {
  const path = parsed.value('dump-dtb');
  if (path !== undefined && parsed.has('no-dtb')) {
    throw new ConfigError('--dump-dtb and --no-dtb exclude each other: there is no device tree to write');
  }
  return path;
}

/** Writes the device tree of a configuration to a file. Errors: StartError. */
export function dumpDtb(config: HvlConfig, path: string): void {
  try {
    writeFileSync(path, layoutDtb(poolLayout(config)));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new StartError(`--dump-dtb ${path}: cannot write: ${code ?? String(error)}`, error);
  }
}

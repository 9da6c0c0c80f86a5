/** The user's programs around a tap: `script TAPNAME` once it is there, `downscript TAPNAME` before it goes. Thread: main. */
import { spawnSync } from 'node:child_process';
import { StartError } from '../util/errors.js';
import type { Log } from '../util/ports.js';
import type { DeviceSpec, NetSpec } from '../workers/reactor/device-spec.js';

interface TapScripts {
  readonly tap: string;
  readonly up: string | undefined;
  readonly down: string | undefined;
}

/** Pairs the taps that were opened with their NICs' programs. @param taps names, in NIC order */
export function tapScripts(devices: readonly DeviceSpec[], taps: readonly string[]): TapScripts[] {
  const nics = devices.filter((spec): spec is NetSpec => spec.name === 'net' && spec.backend.kind === 'tap');
  return taps.map((tap, i) => ({ tap, up: nics[i]?.script, down: nics[i]?.downscript }));
}

/** Runs the programs for taps that are now there. Errors: StartError if one cannot run or reports failure. */
export function runUpScripts(scripts: readonly TapScripts[]): void {
  for (const { tap, up } of scripts) {
    const failure = up === undefined ? undefined : run(up, tap);
    if (failure !== undefined) throw new StartError(`script ${up} ${tap}: ${failure}`);
  }
}

/** Runs the programs for taps that are about to go; a failure is only logged. */
export function runDownScripts(scripts: readonly TapScripts[], log: Log): void {
  for (const { tap, down } of scripts) {
    const failure = down === undefined ? undefined : run(down, tap);
    if (failure !== undefined) log.warn(`downscript ${down} ${tap}: ${failure}`);
  }
}

/** @returns what went wrong, or undefined */
function run(program: string, tap: string): string | undefined {
  const { error, signal, status } = spawnSync(program, [tap], { stdio: ['ignore', 'inherit', 'inherit'] });
  if (error !== undefined) {
    const { code } = error as NodeJS.ErrnoException;
    return `cannot be started: ${code ?? error.message}; a program with the x bit is expected`;
  }
  if (signal !== null) return `was ended by ${signal}`;
  return status === 0 ? undefined : `failed with exit code ${status}`;
}

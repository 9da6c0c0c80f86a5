/** The common part of `run` and `pmm`: from words to a checked configuration, and then to a running PMM. */
import { deviceType } from '../machine/device-table.js';
import { resolveShare } from '../machine/host-paths.js';
import { buildPmmConfig } from '../pmm/build-config.js';
import type { PmmConfig } from '../pmm/config.js';
import type { Pmm } from '../pmm/pmm.js';
import type { WarmReactor } from '../pmm/warm-reactor.js';
import { logOf, remarkAll } from './log-words.js';
import { remoteLines } from './messages.js';
import type { ParsedOptions } from './parse-options.js';
import { readPmmWords } from './pmm-words.js';
import { dumpDtb } from './pool-words.js';
import { showsRemoteLog } from './remote-words.js';

/** Runs a PMM until it ends. @returns the exit code. Errors: ConfigError, StartError and what ended the PMM. */
export async function servePmm(options: ParsedOptions, reactor?: WarmReactor): Promise<number> {
  const log = logOf(options);
  const words = readPmmWords(options);
  const checked = buildPmmConfig(words.options);
  const config = { ...checked, devices: checked.devices.map(resolveShare) };
  remarkAll(words.remarks, log);
  if (words.dumpDtb !== undefined) dumpDtb(config, words.dumpDtb);
  const { startPmm } = await import('../pmm/create-pmm.js');
  const { onTerminationSignal } = await import('../pmm/termination.js');
  // Before the start: a signal that comes while the devices open must end them in order, too.
  const stop = new AbortController();
  const forget = onTerminationSignal(() => stop.abort());
  const remoteOutput = showsRemoteLog(options) ? remoteLines() : undefined;
  const start = startPmm(config, { log, reactor, remoteOutput, signal: stop.signal });
  await using pmm = await unlessStopped(start, stop.signal);
  if (pmm === undefined) return 0;
  log.info(readyText(config));
  stop.signal.addEventListener('abort', () => void pmm.stop());
  if (stop.signal.aborted) await pmm.stop();
  const exit = await pmm.exited;
  forget();
  if (exit.error !== undefined) throw exit.error;
  return 0;
}

/** The PMM; undefined if the signal came first and ended its start. Errors: what went wrong otherwise. */
async function unlessStopped(start: Promise<Pmm>, signal: AbortSignal): Promise<Pmm | undefined> {
  try {
    return await start;
  } catch (error) {
    if (signal.aborted) return undefined;
    throw error;
  }
}

/** What a person wants to know when it has started. */
function readyText({ devices, shmemAddr, notify }: PmmConfig): string {
  const names = devices.map((device) => deviceType(device.name).word).join(', ') || 'no devices';
  const bell = 'path' in notify ? `${notify.kind}:${notify.path}` : 'none, memory is polled';
  const end = devices.some((device) => device.name === 'console' && device.escape === 'ctrl-a');
  return `ready: ${names} at 0x${shmemAddr.toString(16)}; doorbell ${bell}${end ? '; Ctrl-A x ends' : ''}`;
}

/** The common part of `run` and `pmm`: from words to a checked configuration, and then to a running PMM. */
import { deviceType } from '../machine/device-table.js';
import { resolveShare } from '../machine/host-paths.js';
import { buildPmmConfig } from '../pmm/build-config.js';
import type { PmmConfig } from '../pmm/config.js';
import type { WarmReactor } from '../pmm/warm-reactor.js';
import { logOf, prefixed, remarkAll } from './log-words.js';
import { remoteLines } from './messages.js';
import type { ParsedOptions } from './parse-options.js';
import { readPmmWords } from './pmm-words.js';
import { dumpDtb } from './pool-words.js';
import { showsRemoteLog } from './remote-words.js';

/** Runs a PMM, or one for each peer, until it ends. @returns the exit code. Errors: ConfigError, StartError and what ended the PMM. */
export async function servePmm(options: ParsedOptions, reactor?: WarmReactor): Promise<number> {
  const log = logOf(options);
  const words = readPmmWords(options);
  const checked = buildPmmConfig(words.options);
  const config = { ...checked, devices: checked.devices.map(resolveShare) };
  remarkAll(words.remarks, log);
  if (words.dumpDtb !== undefined) dumpDtb(config, words.dumpDtb);
  const { peerConfigs, PmmGroup } = await import('../pmm/peers.js');
  const { onTerminationSignal } = await import('../pmm/termination.js');
  const configs = peerConfigs(config, words.peers);
  // Before the start: a signal that comes while the devices open must end them in order, too.
  const stop = new AbortController();
  const forget = onTerminationSignal(() => stop.abort());
  const start = PmmGroup.start(configs, (index) => {
    const many = configs.length > 1;
    const remoteOutput = showsRemoteLog(options)
      ? remoteLines(many ? `remote ${index + 1}` : 'remote')
      : undefined;
    const own = many ? prefixed(log, `peer ${index + 1}: `) : log;
    return { log: own, reactor: index === 0 ? reactor : undefined, remoteOutput, signal: stop.signal };
  });
  await using group = await unlessStopped(start, stop.signal);
  if (group === undefined) return 0;
  for (const each of configs) log.info(readyText(each));
  stop.signal.addEventListener('abort', () => void group.stop());
  if (stop.signal.aborted) await group.stop();
  const exit = await group.exited;
  forget();
  if (exit.error !== undefined) throw exit.error;
  return 0;
}

/** What has started; undefined if the signal came first and ended the start. Errors: what went wrong otherwise. */
async function unlessStopped<T>(start: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
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

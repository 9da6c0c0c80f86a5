/**
 * `lkvm demo`: a PMM in this process and an auxiliary runtime as a child, over a pool file and a doorbell socket of
 * their own. Leaves nothing behind: no process, no file, no raw terminal.
 */
import { createPmm } from '../../pmm/create-pmm.js';
import type { PmmDeviceOptions } from '../../pmm/options.js';
import type { Pmm, PmmExit } from '../../pmm/pmm.js';
import { onTerminationSignal } from '../../pmm/termination.js';
import type { WarmReactor } from '../../pmm/warm-reactor.js';
import { StartError } from '../../util/errors.js';
import type { Log } from '../../util/ports.js';
import { print } from '../messages.js';
import { AuxChild, ConsoleSession, DemoPlace, withResolvers } from './demo-parts.js';
import type { CommandResult, PingResult } from './script-session.js';

/** What the demo is asked to do. */
export interface DemoOptions {
  /** Host directory shown over 9p. */
  readonly share: string;
  readonly shareWritable: boolean;
  /** Commands to run, or undefined for a person at the terminal. */
  readonly commands: readonly string[] | undefined;
  /** Print one JSON object as the last line, and nothing else on stdout. */
  readonly json: boolean;
  /** Started beforehand. */
  readonly reactor: WarmReactor | undefined;
}

const POOL_ADDRESS = 0x3700_0000;
const POOL_BYTES = 16 << 20;
/** For starting, and for any one command, on a very busy machine. */
const PATIENCE_MS = 120_000;

/** Runs the demo. @returns the exit code: 0 if everything worked, 1 otherwise */
export async function runDemo(options: DemoOptions, log: Log): Promise<number> {
  const stopped = withResolvers<number>();
  // For a person that is the way out; a script that was cut short has not succeeded.
  const forget = onTerminationSignal(() => stopped.resolve(options.commands === undefined ? 0 : 1));
  using place = new DemoPlace();
  await using pmm = await createPmm(
    {
      shmem: { address: POOL_ADDRESS, bytes: POOL_BYTES },
      pool: { kind: 'file', path: place.poolPath },
      notify: { kind: 'socket', path: place.socketPath },
      devices: demoDevices(options),
    },
    { log, consoleStream: options.commands !== undefined, reactor: options.reactor },
  );
  using child = new AuxChild(place, options.commands !== undefined);
  try {
    return await Promise.race([stopped.promise, play(options, pmm, child, log)]);
  } finally {
    forget();
  }
}

/** @returns the exit code, once the person or the script is done */
async function play(options: DemoOptions, pmm: Pmm, child: AuxChild, log: Log): Promise<number> {
  const console = pmm.console;
  if (options.commands === undefined || console === undefined) return await interactive(pmm, child, log);
  const results = await runScript(options, options.commands, new ConsoleSession(console), child);
  report(options, results, pmm);
  return succeeded(options, results) ? 0 : 1;
}

function succeeded(options: DemoOptions, results: readonly CommandResult[]): boolean {
  const expected = options.commands?.length ?? 0;
  const left = results.at(-1)?.command === 'exit'; // what stands behind it is not run
  return (left || results.length === expected) && results.every((result) => result.ok);
}

function demoDevices(options: DemoOptions): PmmDeviceOptions[] {
  return [
    { type: '9p', tag: 'share', directory: options.share, readOnly: !options.shareWritable },
    { type: 'rng' },
    { type: 'net', mode: 'user' },
    { type: 'console', escape: 'ctrl-c' },
  ];
}

async function interactive(pmm: Pmm, child: AuxChild, log: Log): Promise<number> {
  const ended: PmmExit | number = await Promise.race([pmm.exited, child.exited]);
  // An exit code the runtime has explained itself.
  if (child.signal !== null) log.warn(`the auxiliary runtime was ended by ${child.signal}`);
  if (typeof ended === 'number') return ended === 0 ? 0 : 1;
  if (ended.error !== undefined) throw ended.error;
  return 0;
}

async function runScript(
  options: DemoOptions,
  commands: readonly string[],
  console: ConsoleSession,
  child: AuxChild,
): Promise<CommandResult[]> {
  const results: CommandResult[] = [];
  for (const command of commands) {
    const first = await Promise.race([console.run(command, PATIENCE_MS), child.exited]);
    // `exit` ends the runtime; the news of its end may come before its mark.
    const left = typeof first === 'number' && command === 'exit' && first === 0;
    if (typeof first === 'number' && !left) {
      throw new StartError(`the auxiliary runtime ended with exit code ${first} while it ran: ${command}`);
    }
    const result = typeof first === 'number' ? { command, ok: true, output: '', ping: undefined } : first;
    results.push(result);
    if (!options.json) print(`aux> ${command}\n${result.output}`);
    if (command === 'exit') break;
  }
  return results;
}

function report(options: DemoOptions, results: readonly CommandResult[], pmm: Pmm): void {
  if (!options.json) return;
  const commands = results.map(({ command, ok, output }) => ({ command, ok, output }));
  const devices: Record<string, DeviceReport> = {};
  const counters = pmm.counters();
  for (const name of ['console', 'p9', 'net', 'rng']) {
    const device = counters.find((each) => each.name === name);
    if (device === undefined) continue;
    const { requests, bytes, interrupts, doorbells } = device;
    devices[name] = { requests, bytes, interrupts, doorbells };
  }
  print(
    `${JSON.stringify({ ok: succeeded(options, results), commands, ping: pingSummary(results), devices })}\n`,
  );
}

interface DeviceReport {
  readonly requests: number;
  readonly bytes: number;
  readonly interrupts: number;
  readonly doorbells: number;
}

/** All `ping` commands together: counts added; of the percentiles the worst. Zeros if there was none. */
function pingSummary(results: readonly CommandResult[]): PingResult {
  const pings = results.flatMap((r) => (r.ping === undefined ? [] : [r.ping]));
  return {
    sent: pings.reduce((sum, p) => sum + p.sent, 0),
    received: pings.reduce((sum, p) => sum + p.received, 0),
    p50_us: Math.max(0, ...pings.map((p) => p.p50_us)),
    p99_us: Math.max(0, ...pings.map((p) => p.p99_us)),
  };
}

/** `ping rng bench`: the network, the entropy source, and what they and the file share can do. */
import { S_IFMT, S_IFREG } from '../abi/p9.js';
import type { DirectoryEntry, P9Files } from '../frontend/p9-files.js';
import { LkvmError } from '../util/errors.js';
import {
  type Command,
  type CommandOutcome,
  failed,
  numberWord,
  type ShellContext,
  usage,
} from './command.js';
import type { NetStack } from './net-stack.js';
import { parseIp } from './options.js';

const ANSWER_MS = 1000;
const ARP_TRIES = 3;
const MOST_PINGS = 1_000_000;
const MOST_RNG_BYTES = 1 << 20;
const RNG_LINE_BYTES = 32;

/** Times of one series, microseconds. */
interface Latency {
  readonly sent: number;
  readonly received: number;
  readonly min_us: number;
  readonly p50_us: number;
  readonly p99_us: number;
}

/** Statistics of round trips; times are rounded to 0.1 us. */
export function latencyOf(sent: number, times: readonly number[]): Latency {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (share: number) => {
    const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
    return Math.round(value * 10) / 10;
  };
  return { sent, received: times.length, min_us: at(0), p50_us: at(0.5), p99_us: at(0.99) };
}

const ping: Command = {
  name: 'ping',
  usage: '[COUNT] [ADDR]',
  text: 'ICMP echo over virtio-net (default: 3 times to the gateway, the .1 of our network)',
  words: [0, 2],
  run(context, [countWord = '3', word]) {
    if (context.net === undefined) return failed('the PMM has no net device');
    const address = word ?? context.net.gateway.join('.');
    const count = numberWord(countWord, 1, MOST_PINGS);
    if (count === undefined) return usage(`"${countWord}" is not a count from 1 to ${MOST_PINGS}`);
    let ip: Uint8Array;
    try {
      ip = parseIp('ping', address, context.net.gateway.join('.'));
    } catch (error) {
      return usage(error instanceof LkvmError ? error.message : 'bad address');
    }
    return pingAll(context, context.net, { ip, address, count });
  },
};

interface PingPlan {
  readonly ip: Uint8Array;
  readonly address: string;
  readonly count: number;
}

function pingAll(context: ShellContext, net: NetStack, { ip, address, count }: PingPlan): CommandOutcome {
  const mac = resolve(net, ip);
  const times: number[] = [];
  let sent = 0;
  while (sent < count && mac !== undefined) {
    const us = net.echo(ip, mac, sent & 0xffff, ANSWER_MS);
    sent++;
    if (us >= 0) times.push(us);
    context.output.text(
      us < 0 ? `${address}: seq ${sent} lost\n` : `${address}: seq ${sent} ${us.toFixed(1)} us\n`,
    );
    if (context.input.interrupted()) break;
  }
  const result = latencyOf(mac === undefined ? count : sent, times);
  const { min_us, p50_us, p99_us } = result;
  const loss = Math.round(((result.sent - result.received) / result.sent) * 1000) / 10;
  context.output.text(
    `${result.sent} sent, ${result.received} received, ${loss}% lost` +
      `${times.length === 0 ? '' : `; min ${min_us} us, p50 ${p50_us} us, p99 ${p99_us} us`}\n`,
  );
  const data = { ping: result };
  if (mac === undefined) return failed(`${address}: nobody answers ARP`, data);
  return times.length === sent ? { status: 0, data } : { status: 1, data };
}

function resolve(net: NetStack, ip: Uint8Array): Uint8Array | undefined {
  const hop = net.nextHop(ip);
  for (let i = 0; i < ARP_TRIES; i++) {
    const mac = net.resolve(hop, ANSWER_MS);
    if (mac !== undefined) return mac;
  }
  return undefined;
}

const rng: Command = {
  name: 'rng',
  usage: '[BYTES]',
  text: 'print random bytes from virtio-rng (default: 16)',
  words: [0, 1],
  run({ drivers, output }, [word = '16']) {
    if (drivers.rng === undefined) return failed('the PMM has no rng device');
    const bytes = numberWord(word, 1, MOST_RNG_BYTES);
    if (bytes === undefined) return usage(`"${word}" is not a number of bytes from 1 to ${MOST_RNG_BYTES}`);
    const data = new Uint8Array(bytes);
    drivers.rng.fill(data, 0, bytes);
    for (let at = 0; at < bytes; at += RNG_LINE_BYTES) {
      output.text(`${Buffer.from(data.subarray(at, at + RNG_LINE_BYTES)).toString('hex')}\n`);
    }
    return { status: 0, data: { bytes } };
  },
};

const BENCH_ROUNDS = 500;
const BENCH_PINGS = 200;
const BENCH_RNG_BYTES = 256 * 1024;
const BENCH_READ_US = 300_000;

const bench: Command = {
  name: 'bench',
  usage: '[PATH]',
  text: 'time 9p, rng and net from here (PATH: the file to read)',
  words: [0, 1],
  run(context, [path]) {
    const results: Record<string, number> = {};
    const files = context.shares[0];
    if (files !== undefined) {
      benchStat(context, files, results);
      const status = benchRead(context, files, path ?? someFile(files), results);
      if (status < 0) return failed(`${path ?? 'reading'}: cannot be read`);
    }
    if (context.drivers.rng !== undefined) benchRng(context, results);
    if (context.net !== undefined) benchNet(context.net, results);
    for (const [name, value] of Object.entries(results)) {
      context.output.text(`${name.padEnd(18)}${value.toFixed(1).padStart(12)}\n`);
    }
    return { status: 0, data: { bench: results } };
  },
};

function benchStat({ line }: ShellContext, files: P9Files, results: Record<string, number>): void {
  const times: number[] = [];
  for (let i = 0; i < BENCH_ROUNDS; i++) {
    const start = line.nowUs();
    files.getattr(files.driver.rootFid);
    times.push(line.nowUs() - start);
  }
  const { p50_us, p99_us } = latencyOf(times.length, times);
  results['p9_getattr_p50_us'] = p50_us;
  results['p9_getattr_p99_us'] = p99_us;
}

/** The largest file at the top of the share, or "". */
function someFile(files: P9Files): string {
  const entries: DirectoryEntry[] = [];
  files.list('/', entries);
  let best = '';
  let most = 0;
  for (const { name } of entries.slice(0, 100)) {
    const attributes = files.stat(name, false);
    if (typeof attributes === 'number' || (attributes.mode & S_IFMT) !== S_IFREG) continue;
    if (attributes.size <= most) continue;
    best = name;
    most = attributes.size;
  }
  return best;
}

function benchRead(
  { line }: ShellContext,
  files: P9Files,
  path: string,
  results: Record<string, number>,
): number {
  if (path === '') return 0;
  const fid = files.open(path);
  if (fid < 0) return fid;
  const { data, ioBytes } = files.driver;
  const start = line.nowUs();
  let total = 0;
  for (let offset = 0; line.nowUs() - start < BENCH_READ_US; ) {
    const got = files.read(fid, offset, data, Math.min(ioBytes, data.bytes));
    if (got < 0) break;
    offset = got === 0 ? 0 : offset + got;
    total += got;
  }
  results['p9_read_mb_s'] = total / (line.nowUs() - start);
  files.driver.clunk(fid);
  return 0;
}

function benchRng({ line, drivers }: ShellContext, results: Record<string, number>): void {
  const data = new Uint8Array(BENCH_RNG_BYTES);
  const start = line.nowUs();
  drivers.rng?.fill(data, 0, data.length);
  results['rng_mb_s'] = data.length / (line.nowUs() - start);
}

function benchNet(net: NetStack, results: Record<string, number>): void {
  const ip = net.gateway;
  const mac = resolve(net, ip);
  if (mac === undefined) return;
  const times: number[] = [];
  for (let i = 0; i < BENCH_PINGS; i++) {
    const us = net.echo(ip, mac, i, ANSWER_MS);
    if (us < 0) break; // a network that does not answer would cost a second each time
    times.push(us);
  }
  if (times.length === 0) return;
  const { p50_us, p99_us } = latencyOf(times.length, times);
  results['net_rtt_p50_us'] = p50_us;
  results['net_rtt_p99_us'] = p99_us;
}

/** In the order of `help`. */
export const DEVICE_COMMANDS: readonly Command[] = [ping, rng, bench];

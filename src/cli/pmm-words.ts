/**
 * From the words of a command line to the options of a PMM. What is wrong with a single word is said here; what is
 * wrong with their combination, by `buildPmmConfig`. Errors: ConfigError.
 */
import { DEFAULT_MEM, DEFAULT_UIO } from '../pmm/build-config.js';
import type { NotifySpec } from '../pmm/config.js';
import type { PmmDeviceOptions, PmmOptions, PmmPoolOptions } from '../pmm/options.js';
import { ConfigError } from '../util/errors.js';
import { type Remark, readPoll } from './device-words.js';
import { readNetworks } from './network-words.js';
import type { ParsedOptions } from './parse-options.js';
import { IGNORED_OPTIONS, KVM_OPTIONS } from './pmm-options.js';
import { readDumpDtb, readPoolShares, readPoolWords } from './pool-words.js';
import { readRemote } from './remote-words.js';
import { choiceOf, numberOf, splitKind, splitPair } from './values.js';

const DEFAULT_POLL_US = 1000;

/** Everything that was said, and what to tell the user about it. */
export interface PmmWords {
  readonly options: PmmOptions;
  /** Lines for the user: words that were accepted but mean nothing here. */
  readonly remarks: readonly Remark[];
  readonly dumpDtb: string | undefined;
  /** How many peers, each with all of that. */
  readonly peers: number;
}

/** Reads all words about a PMM. */
export function readPmmWords(parsed: ParsedOptions): PmmWords {
  refuseKvmWords(parsed);
  checkTransport(parsed);
  const networks = readNetworks(parsed, 'pmm');
  const devices: PmmDeviceOptions[] = [...readPoolShares(parsed), ...networks.nets, ...readConsole(parsed)];
  if (parsed.has('rng')) devices.push({ type: 'rng' });
  return {
    options: {
      ...readPoolWords(parsed, devices),
      pool: readPool(parsed.value('shmem-backend'), parsed.has('force')),
      notify: readNotify(parsed.value('notify')),
      poll: readPoll(parsed.value('poll')),
      remote: readRemote(parsed),
    },
    remarks: [...ignoredWords(parsed), ...networks.remarks],
    dumpDtb: readDumpDtb(parsed),
    peers: numberOf('--peers', parsed.value('peers') ?? '1'),
  };
}

function refuseKvmWords(parsed: ParsedOptions): void {
  const vsock = parsed.value('vsock');
  if (vsock !== undefined && numberOf('--vsock', vsock) !== 0) {
    throw new ConfigError(`--vsock ${vsock}: vsock devices are not supported yet; leave --vsock out`);
  }
  const word = KVM_OPTIONS.find(({ name }) => name !== 'vsock' && parsed.has(name));
  if (word !== undefined) {
    throw new ConfigError(
      `--${word.name} is for KVM guests and does not go with --pmm, which starts no guest`,
    );
  }
}

function checkTransport(parsed: ParsedOptions): void {
  const transport = parsed.value('transport');
  if (transport !== undefined && choiceOf('--transport', transport, ['mmio', 'pci']) === 'pci') {
    throw new ConfigError(
      '--transport pci does not go with --pmm: there is no PCI bus in shared memory; use mmio',
    );
  }
}

function ignoredWords(parsed: ParsedOptions): Remark[] {
  const given = IGNORED_OPTIONS.filter(({ name }) => parsed.has(name)).map(({ name }) => `--${name}`);
  return given.length === 0
    ? []
    : [{ level: 'info', text: `without meaning with --pmm, ignored: ${given.join(' ')}` }];
}

function pathOf(option: string, kind: string, rest: string | undefined, whenMissing?: string): string {
  const path = rest ?? whenMissing;
  if (path === undefined || path === '')
    throw new ConfigError(`${option} ${kind} needs a path: ${kind}:PATH`);
  return path;
}

function readPool(text: string | undefined, force: boolean): PmmPoolOptions | undefined {
  if (text === undefined) return force ? { kind: 'uio', path: DEFAULT_UIO, force } : undefined;
  const option = '--shmem-backend';
  const { kind, rest } = splitKind(text);
  if (force && (kind === 'memfd' || kind === 'ivshmem-server')) {
    throw new ConfigError(`--force is about a pool that another PMM holds; one of ${kind} is always new`);
  }
  switch (kind) {
    case 'file':
      return { kind, path: pathOf(option, kind, rest), force };
    case 'memfd':
      if (rest !== undefined) throw new ConfigError(`${option} ${text}: memfd takes nothing behind it`);
      return { kind };
    case 'uio':
      return { ...readUio(pathOf(option, kind, rest, DEFAULT_UIO)), force };
    case 'devmem':
      return { kind, path: pathOf(option, kind, rest, DEFAULT_MEM), force };
    case 'ivshmem':
      return { kind, path: pathOf(option, kind, rest), force };
    case 'ivshmem-server':
      return readIvshmemServer(pathOf(option, kind, rest));
    default:
      throw new ConfigError(
        `${option} "${text}" is not known; it is one of file:PATH, memfd, uio:DEV[,map=N], devmem[:PATH], ivshmem-server:PATH[,vectors=N], ivshmem:PATH`,
      );
  }
}

function readUio(rest: string): Extract<PmmPoolOptions, { kind: 'uio' }> {
  const [path = '', ...settings] = rest.split(',');
  let map = 0;
  for (const setting of settings) {
    const { key, value } = splitPair(setting);
    if (key !== 'map' || value === undefined) {
      throw new ConfigError(`--shmem-backend uio:${rest}: "${setting}" is not known; write uio:DEV,map=N`);
    }
    map = numberOf('--shmem-backend uio map', value);
  }
  return { kind: 'uio', path: pathOf('--shmem-backend', 'uio', path), map };
}

function readIvshmemServer(rest: string): PmmPoolOptions {
  const kind = 'ivshmem-server';
  const [path = '', ...settings] = rest.split(',');
  let vectors: number | undefined;
  for (const setting of settings) {
    const { key, value } = splitPair(setting);
    if (key !== 'vectors' || value === undefined) {
      throw new ConfigError(
        `--shmem-backend ${kind}:${rest}: "${setting}" is not known; write ${kind}:PATH,vectors=N`,
      );
    }
    vectors = numberOf(`--shmem-backend ${kind} vectors`, value);
  }
  return { kind, path: pathOf('--shmem-backend', kind, path), vectors };
}

function readNotify(text: string | undefined): NotifySpec | undefined {
  if (text === undefined) return undefined;
  const option = '--notify';
  const { kind, rest } = splitKind(text);
  switch (kind) {
    case 'umb':
      return { kind, path: pathOf(option, kind, rest, '/dev/umb') };
    case 'uio':
      return { kind, path: pathOf(option, kind, rest, '/dev/uio0') };
    case 'socket':
    case 'eventfd':
      return { kind, path: pathOf(option, kind, rest) };
    case 'poll':
      return { kind, us: rest === undefined ? DEFAULT_POLL_US : numberOf('--notify poll', rest) };
    case 'ivshmem':
    case 'ivshmem-server':
      throw new ConfigError(
        `${option} ${text}: the doorbells come with the memory; write --shmem-backend ${kind}:PATH and no --notify`,
      );
    default:
      throw new ConfigError(
        `${option} "${text}" is not known; it is one of umb:DEV, uio:DEV, socket:PATH, eventfd:PATH, poll[:US]`,
      );
  }
}

function readConsole(parsed: ParsedOptions): PmmDeviceOptions[] {
  const text = parsed.value('console');
  if (text === undefined) return [];
  if (text === 'serial' || text === 'hv') {
    throw new ConfigError(
      `--console ${text} is for KVM guests; with --pmm it is --console virtio, or none at all`,
    );
  }
  choiceOf('--console', text, ['virtio']);
  return [{ type: 'console' }];
}

/** `--network KEY=VALUE,...`: kvmtool's grammar for network cards. Errors: ConfigError. */
import type { PmmNetOptions } from '../pmm/options.js';
import { ConfigError } from '../util/errors.js';
import type { Remark } from './pmm-words.js';
import { choiceOf, numberOf, splitPair } from './values.js';

/** Cards, and remarks for the user. */
export interface Networks {
  readonly nets: readonly PmmNetOptions[];
  readonly remarks: readonly Remark[];
}

const KEYS = 'mode, guest_mac, guest_ip, host_ip, tapif, fd, script, downscript, vhost, vproxy, mq, trans';

/** Mutable while a card's words are read. */
type Draft = { -readonly [K in keyof PmmNetOptions]: PmmNetOptions[K] };

/** @param values of all `--network` options; undefined if there was none: then there is one card with mode=user */
export function readNetworks(values: readonly string[] | undefined): Networks {
  if (values === undefined) return { nets: [{ type: 'net', mode: 'user' }], remarks: [] };
  const nets: PmmNetOptions[] = [];
  const remarks: Remark[] = [];
  for (const value of values) {
    const net = readNetwork(value, remarks);
    if (net !== undefined) nets.push(net);
  }
  return { nets, remarks };
}

/** One card; undefined for mode=none. */
function readNetwork(text: string, remarks: Remark[]): PmmNetOptions | undefined {
  const net: Draft = { type: 'net', mode: 'tap' };
  let none = false;
  for (const word of text.split(',')) {
    const { key, value } = splitPair(word);
    // "-n virtio" of the C tool's README, and no value at all, mean a tap with defaults.
    if (value === undefined && (word === '' || word === 'virtio')) continue;
    if (value === undefined || value === '')
      throw new ConfigError(`--network "${word}" has no value; write KEY=VALUE,...`);
    if (key === 'mode') {
      const mode = choiceOf('--network mode', value, ['user', 'tap', 'none']);
      none = mode === 'none';
      net.mode = mode === 'none' ? undefined : mode;
    } else {
      setKey(net, key, value, remarks);
    }
  }
  return none ? undefined : net;
}

function setKey(net: Draft, key: string, value: string, remarks: Remark[]): void {
  switch (key) {
    case 'guest_mac':
      net.mac = value;
      return;
    case 'guest_ip':
      net.guestIp = value;
      return;
    case 'host_ip':
      net.hostIp = value;
      return;
    case 'tapif':
      net.tapif = value;
      return;
    case 'fd': {
      const fd = numberOf('--network fd', value);
      net.fd = fd === 0 ? undefined : fd;
      return;
    }
    case 'script':
      net.script = value === 'none' ? undefined : value;
      return;
    case 'downscript':
      net.downscript = value === 'none' ? undefined : value;
      return;
    default:
      checkKey(key, value, remarks);
  }
}

/** Keys that choose how the C tool does it; here there is one way. */
function checkKey(key: string, value: string, remarks: Remark[]): void {
  switch (key) {
    case 'trans':
      if (choiceOf('--network trans', value, ['mmio', 'pci']) === 'pci') {
        throw new ConfigError(
          '--network trans=pci does not go with --pmm: there is no PCI bus in shared memory; use mmio',
        );
      }
      return;
    case 'vhost':
    case 'vproxy':
      if (numberOf(`--network ${key}`, value) !== 0 && key === 'vhost') {
        remarks.push({
          level: 'warning',
          text: '--network vhost=1 is ignored: with --pmm all frames pass through lkvm',
        });
      }
      return;
    case 'mq':
      if (numberOf('--network mq', value) > 1) {
        throw new ConfigError(`--network mq=${value}: one pair of queues is supported; leave mq out`);
      }
      return;
    default:
      throw new ConfigError(`--network ${key}=${value}: "${key}" is not known; known are ${KEYS}`);
  }
}

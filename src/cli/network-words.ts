/** `--network KEY=VALUE,...`: kvmtool's grammar for network cards. Errors: ConfigError. */
import type { NetOptions } from '../machine/device-options.js';
import { ConfigError } from '../util/errors.js';
import type { Remark } from './device-words.js';
import type { ParsedOptions } from './parse-options.js';
import { choiceOf, numberOf, splitPair } from './values.js';

/** The kind of machine that the cards will be in; "pool": a KVM guest with hypervisorless devices. */
export type NetworkMachine = 'pmm' | 'kvm' | 'pool';

/** A card, and the transport it was given by itself. */
export interface CardOptions extends NetOptions {
  readonly transport?: 'pci' | 'mmio' | undefined;
}

/** Cards, and remarks for the user. */
export interface Networks {
  readonly nets: readonly CardOptions[];
  readonly remarks: readonly Remark[];
}

const KEYS = 'mode, guest_mac, guest_ip, host_ip, tapif, fd, script, downscript, vhost, vproxy, mq, trans';

/** Mutable while a card's words are read. */
type Draft = { -readonly [K in keyof CardOptions]: CardOptions[K] };

/** Where a card's words go while they are read. */
interface Reading {
  readonly machine: NetworkMachine;
  readonly net: Draft;
  readonly remarks: Remark[];
}

/** All `--network` options. Without any there is one card with mode=user. */
export function readNetworks(parsed: ParsedOptions, machine: NetworkMachine): Networks {
  if (!parsed.has('network')) return { nets: [{ type: 'net', mode: 'user' }], remarks: [] };
  const nets: CardOptions[] = [];
  const remarks: Remark[] = [];
  for (const value of parsed.values('network')) {
    const reading: Reading = { machine, net: { type: 'net', mode: 'tap' }, remarks };
    if (readNetwork(value, reading)) nets.push(reading.net);
  }
  return { nets, remarks };
}

/** One card. @returns false for mode=none */
function readNetwork(text: string, reading: Reading): boolean {
  const { net } = reading;
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
      setKey(reading, key, value);
    }
  }
  return !none;
}

function setKey(reading: Reading, key: string, value: string): void {
  const { net } = reading;
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
      checkKey(reading, key, value);
  }
}

/** Keys that choose how the C tool does it; here there is one way. */
function checkKey({ machine, net, remarks }: Reading, key: string, value: string): void {
  switch (key) {
    case 'trans':
      net.transport = choiceOf<'mmio' | 'pci'>('--network trans', value, ['mmio', 'pci']);
      if (net.transport === 'pci' && machine !== 'kvm') {
        const mode = machine === 'pmm' ? '--pmm' : '--rsld';
        throw new ConfigError(
          `--network trans=pci does not go with ${mode}: there is no PCI bus in shared memory; use mmio`,
        );
      }
      return;
    case 'vhost':
    case 'vproxy':
      if (numberOf(`--network ${key}`, value) !== 0 && key === 'vhost') {
        const where = machine === 'pmm' ? 'with --pmm ' : '';
        remarks.push({
          level: 'warning',
          text: `--network vhost=1 is ignored: ${where}all frames pass through lkvm`,
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

/** Network cards of a configuration: modes, addresses, and what excludes what. */
import { ConfigError } from '../util/errors.js';
import { INTERFACE_NAME_RULE, isInterfaceName } from '../util/interface-name.js';
import { type Features, hasFeature } from '../virtio/core/features.js';
import type { NetSpec } from '../workers/reactor/device-spec.js';
import type { SettingsOf } from './device-config.js';
import { deviceFacts } from './device-facts.js';
import type { NetOptions } from './device-options.js';

export const DEFAULT_GUEST_IP = '192.168.33.15';
export const DEFAULT_HOST_IP = '192.168.33.1';
/** 02:15:15:15:15:15; the number of the card is added to the last byte. */
const DEFAULT_MAC = [0x02, 0x15, 0x15, 0x15, 0x15, 0x15];
/** Linux IFNAMSIZ without the NUL. */

/** Checked specifications of all cards, in the order given. Errors: ConfigError. */
export function netSpecs(nets: readonly NetOptions[], settings: SettingsOf): NetSpec[] {
  if (nets.filter((net) => modeOf(net) === 'user').length > 1) {
    throw new ConfigError(
      'more than one --network mode=user: there is one built-in gateway; use mode=tap for the others',
    );
  }
  checkDistinct(
    'fd',
    nets.map(({ fd }) => fd),
  );
  checkDistinct(
    'tapif',
    nets.map(({ tapif }) => tapif),
  );
  return nets.map((net, index) => netSpec(net, index, settings));
}

/** A tap has one card: frames that come out of it go to whoever reads first. */
function checkDistinct(key: string, values: readonly (string | number | undefined)[]): void {
  const given = values.filter((value) => value !== undefined);
  const twice = given.find((value, index) => given.indexOf(value) !== index);
  if (twice === undefined) return;
  throw new ConfigError(
    `--network ${key}=${twice} is given to more than one card; each card needs a tap of its own`,
  );
}

/** What is behind a card. Errors: ConfigError if more than one thing is given. */
function modeOf({ mode, module, remote }: NetOptions): 'user' | 'tap' | 'module' | 'remote' {
  if ([mode, module, remote].filter((each) => each !== undefined).length > 1) {
    throw new ConfigError('a network card has one of mode, module and remote');
  }
  if (module !== undefined) return 'module';
  return remote !== undefined ? 'remote' : (mode ?? 'user');
}

function backendOf(net: NetOptions, hostIp: string, guestIp: string): NetSpec['backend'] {
  const { module, remote } = net;
  if (module !== undefined) return { kind: 'module', ...module, options: module.options };
  if (remote !== undefined) return { kind: 'remote', id: remote };
  return modeOf(net) === 'user' ? { kind: 'user', hostIp, guestIp } : tapBackend(net, hostIp);
}

function netSpec(net: NetOptions, index: number, settings: SettingsOf): NetSpec {
  const common = settings(net, 'net');
  const mode = modeOf(net);
  const hostIp = ipv4('host_ip', net.hostIp ?? DEFAULT_HOST_IP);
  const guestIp = ipv4('guest_ip', net.guestIp ?? DEFAULT_GUEST_IP);
  if (hostIp === guestIp)
    throw new ConfigError(`--network host_ip and guest_ip are both ${hostIp}; they must differ`);
  if (mode !== 'tap') checkWithoutTap(net, mode, common.features);
  return {
    name: 'net',
    ...common,
    mac: net.mac === undefined ? defaultMac(index) : macBytes(net.mac),
    backend: backendOf(net, hostIp, guestIp),
    script: net.script,
    downscript: net.downscript,
  };
}

/** As the original: only a tap without a name and without a script is configured by us. */
function tapBackend(net: NetOptions, hostIp: string): NetSpec['backend'] {
  const { tapif, fd } = net;
  if (tapif !== undefined && !tapif.startsWith('/') && !isInterfaceName(tapif)) {
    throw new ConfigError(`--network tapif=${tapif}: ${INTERFACE_NAME_RULE}`);
  }
  if (fd !== undefined && (!Number.isInteger(fd) || fd < 1)) {
    throw new ConfigError(`--network fd=${fd}: the number of an open descriptor is expected`);
  }
  const ours = tapif === undefined && fd === undefined && net.script === undefined;
  return { kind: 'tap', tapif, fd, hostIp: ours ? hostIp : undefined };
}

function checkWithoutTap(net: NetOptions, mode: string, features: Features | undefined): void {
  for (const [key, value] of Object.entries({
    tapif: net.tapif,
    fd: net.fd,
    script: net.script,
    downscript: net.downscript,
  })) {
    if (value !== undefined) {
      throw new ConfigError(`--network ${key}=${value} is about a tap; it does not go with mode=${mode}`);
    }
  }
  if (features === undefined) return;
  const tapOnly = deviceFacts('net').features.find((each) => each.tapOnly && hasFeature(features, each.bit));
  if (tapOnly !== undefined) {
    throw new ConfigError(
      `--features net: ${tapOnly.name} needs a tap; it does not go with --network mode=${mode}`,
    );
  }
}

function defaultMac(index: number): number[] {
  return DEFAULT_MAC.map((byte, place) => (place === 5 ? (byte + index) & 0xff : byte));
}

function macBytes(text: string): number[] {
  const bytes = text
    .split(':')
    .map((part) => (/^[0-9a-fA-F]{1,2}$/.test(part) ? Number.parseInt(part, 16) : -1));
  if (bytes.length !== 6 || bytes.includes(-1)) {
    throw new ConfigError(`--network guest_mac=${text} is not a MAC address such as 02:15:15:15:15:15`);
  }
  if (bytes.every((byte) => byte === 0) || ((bytes[0] as number) & 1) !== 0) {
    throw new ConfigError(
      `--network guest_mac=${text} cannot belong to a card: all zero, or a group address (first byte odd)`,
    );
  }
  return bytes;
}

/** "02:15:15:15:15:15". */
export function macText(mac: readonly number[]): string {
  return mac.map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}

function ipv4(key: string, text: string): string {
  const parts = text.split('.').map((part) => (/^(0|[1-9][0-9]{0,2})$/.test(part) ? Number(part) : 256));
  if (parts.length !== 4 || parts.some((part) => part > 255)) {
    throw new ConfigError(`--network ${key}=${text} is not an IPv4 address such as 192.168.33.15`);
  }
  return text;
}

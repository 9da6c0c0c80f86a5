/**
 * What is known of each kind of device before any device exists, in whatever machine it will be: what users call it,
 * its queues, and the features that can be put on a predefined list.
 */
import {
  VIRTIO_9P_MOUNT_TAG,
  VIRTIO_CONSOLE_F_SIZE,
  VIRTIO_F_EVENT_IDX,
  VIRTIO_F_INDIRECT_DESC,
  VIRTIO_NET_F_CSUM,
  VIRTIO_NET_F_GUEST_CSUM,
  VIRTIO_NET_F_GUEST_ECN,
  VIRTIO_NET_F_GUEST_TSO4,
  VIRTIO_NET_F_GUEST_TSO6,
  VIRTIO_NET_F_GUEST_UFO,
  VIRTIO_NET_F_HOST_ECN,
  VIRTIO_NET_F_HOST_TSO4,
  VIRTIO_NET_F_HOST_TSO6,
  VIRTIO_NET_F_HOST_UFO,
  VIRTIO_NET_F_MAC,
  VIRTIO_NET_F_MRG_RXBUF,
  VIRTIO_NET_F_STATUS,
} from '../abi/virtio.js';
import type { DeviceSpec } from '../workers/reactor/device-spec.js';

/** Type names of `DeviceSpec`. */
export type DeviceName = DeviceSpec['name'];

/** A feature that a device (or the ring) knows, by the name the specification gives it. */
export interface NamedFeature {
  readonly name: string;
  /** Bit number. */
  readonly bit: number;
  /** Only with a tap behind it. */
  readonly tapOnly: boolean;
}

/** Facts about a kind of device. */
export interface DeviceFacts {
  readonly name: DeviceName;
  /** What the user calls it: the same, but "9p". */
  readonly word: string;
  readonly queueNames: readonly string[];
  readonly features: readonly NamedFeature[];
}

const feature = (name: string, bit: number, tapOnly = false): NamedFeature => ({ name, bit, tapOnly });

/** Ring features. In hypervisorless mode they are off unless a predefined list names them. */
const RING = [feature('indirect_desc', VIRTIO_F_INDIRECT_DESC), feature('event_idx', VIRTIO_F_EVENT_IDX)];

const NET = [
  feature('csum', VIRTIO_NET_F_CSUM, true),
  feature('guest_csum', VIRTIO_NET_F_GUEST_CSUM, true),
  feature('mac', VIRTIO_NET_F_MAC),
  feature('guest_tso4', VIRTIO_NET_F_GUEST_TSO4, true),
  feature('guest_tso6', VIRTIO_NET_F_GUEST_TSO6, true),
  feature('guest_ecn', VIRTIO_NET_F_GUEST_ECN, true),
  feature('guest_ufo', VIRTIO_NET_F_GUEST_UFO, true),
  feature('host_tso4', VIRTIO_NET_F_HOST_TSO4, true),
  feature('host_tso6', VIRTIO_NET_F_HOST_TSO6, true),
  feature('host_ecn', VIRTIO_NET_F_HOST_ECN, true),
  feature('host_ufo', VIRTIO_NET_F_HOST_UFO, true),
  feature('mrg_rxbuf', VIRTIO_NET_F_MRG_RXBUF),
  feature('status', VIRTIO_NET_F_STATUS),
];

const FACTS: Readonly<Record<DeviceName, Omit<DeviceFacts, 'name'>>> = {
  p9: {
    word: '9p',
    queueNames: ['requests'],
    features: [feature('mount_tag', VIRTIO_9P_MOUNT_TAG), ...RING],
  },
  rng: { word: 'rng', queueNames: ['requests'], features: RING },
  net: { word: 'net', queueNames: ['rx', 'tx'], features: [...NET, ...RING] },
  console: {
    word: 'console',
    queueNames: ['rx', 'tx'],
    features: [feature('size', VIRTIO_CONSOLE_F_SIZE), ...RING],
  },
  // Its features follow from the disk; there is no list of them to choose from.
  blk: { word: 'blk', queueNames: ['requests'], features: RING },
};

/** True for a name of {@link DeviceName}. */
export function isDeviceName(name: string): name is DeviceName {
  return Object.hasOwn(FACTS, name);
}

/** Facts about a kind of device. */
export function deviceFacts(name: DeviceName): DeviceFacts {
  return { name, ...FACTS[name] };
}

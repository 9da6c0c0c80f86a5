/** Names for what stands in registers, for people. */
import {
  VIRTIO_9P_MOUNT_TAG,
  VIRTIO_CONFIG_S_ACKNOWLEDGE,
  VIRTIO_CONFIG_S_DRIVER,
  VIRTIO_CONFIG_S_DRIVER_OK,
  VIRTIO_CONFIG_S_FAILED,
  VIRTIO_CONFIG_S_FEATURES_OK,
  VIRTIO_CONFIG_S_NEEDS_RESET,
  VIRTIO_CONSOLE_F_MULTIPORT,
  VIRTIO_CONSOLE_F_SIZE,
  VIRTIO_F_ACCESS_PLATFORM,
  VIRTIO_F_EVENT_IDX,
  VIRTIO_F_INDIRECT_DESC,
  VIRTIO_F_RING_RESET,
  VIRTIO_F_VERSION_1,
  VIRTIO_ID_9P,
  VIRTIO_ID_BLOCK,
  VIRTIO_ID_CONSOLE,
  VIRTIO_ID_ENTROPY,
  VIRTIO_ID_NET,
  VIRTIO_ID_VSOCK,
  VIRTIO_NET_F_CSUM,
  VIRTIO_NET_F_CTRL_VQ,
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
  VIRTIO_NET_F_MQ,
  VIRTIO_NET_F_MRG_RXBUF,
  VIRTIO_NET_F_STATUS,
} from '../../../abi/virtio.js';

const DEVICE_NAMES: ReadonlyMap<number, string> = new Map([
  [VIRTIO_ID_NET, 'net'],
  [VIRTIO_ID_BLOCK, 'blk'],
  [VIRTIO_ID_CONSOLE, 'console'],
  [VIRTIO_ID_ENTROPY, 'rng'],
  [VIRTIO_ID_9P, '9p'],
  [VIRTIO_ID_VSOCK, 'vsock'],
]);

const RING_FEATURES: readonly (readonly [number, string])[] = [
  [VIRTIO_F_INDIRECT_DESC, 'INDIRECT_DESC'],
  [VIRTIO_F_EVENT_IDX, 'EVENT_IDX'],
  [VIRTIO_F_VERSION_1, 'VERSION_1'],
  [VIRTIO_F_ACCESS_PLATFORM, 'ACCESS_PLATFORM'],
  [VIRTIO_F_RING_RESET, 'RING_RESET'],
];

const NET_FEATURES: readonly (readonly [number, string])[] = [
  [VIRTIO_NET_F_CSUM, 'CSUM'],
  [VIRTIO_NET_F_GUEST_CSUM, 'GUEST_CSUM'],
  [VIRTIO_NET_F_MAC, 'MAC'],
  [VIRTIO_NET_F_GUEST_TSO4, 'GUEST_TSO4'],
  [VIRTIO_NET_F_GUEST_TSO6, 'GUEST_TSO6'],
  [VIRTIO_NET_F_GUEST_ECN, 'GUEST_ECN'],
  [VIRTIO_NET_F_GUEST_UFO, 'GUEST_UFO'],
  [VIRTIO_NET_F_HOST_TSO4, 'HOST_TSO4'],
  [VIRTIO_NET_F_HOST_TSO6, 'HOST_TSO6'],
  [VIRTIO_NET_F_HOST_ECN, 'HOST_ECN'],
  [VIRTIO_NET_F_HOST_UFO, 'HOST_UFO'],
  [VIRTIO_NET_F_MRG_RXBUF, 'MRG_RXBUF'],
  [VIRTIO_NET_F_STATUS, 'STATUS'],
  [VIRTIO_NET_F_CTRL_VQ, 'CTRL_VQ'],
  [VIRTIO_NET_F_MQ, 'MQ'],
];

const FEATURES: ReadonlyMap<number, readonly (readonly [number, string])[]> = new Map([
  [VIRTIO_ID_NET, NET_FEATURES],
  [
    VIRTIO_ID_CONSOLE,
    [
      [VIRTIO_CONSOLE_F_SIZE, 'SIZE'],
      [VIRTIO_CONSOLE_F_MULTIPORT, 'MULTIPORT'],
    ],
  ],
  [VIRTIO_ID_9P, [[VIRTIO_9P_MOUNT_TAG, 'MOUNT_TAG']]],
]);

const STATUS_BITS: readonly (readonly [number, string])[] = [
  [VIRTIO_CONFIG_S_ACKNOWLEDGE, 'ACKNOWLEDGE'],
  [VIRTIO_CONFIG_S_DRIVER, 'DRIVER'],
  [VIRTIO_CONFIG_S_DRIVER_OK, 'DRIVER_OK'],
  [VIRTIO_CONFIG_S_FEATURES_OK, 'FEATURES_OK'],
  [VIRTIO_CONFIG_S_NEEDS_RESET, 'NEEDS_RESET'],
  [VIRTIO_CONFIG_S_FAILED, 'FAILED'],
];

/** "net", "9p", ...; "device 42" if unknown. */
export function deviceName(deviceId: number): string {
  return DEVICE_NAMES.get(deviceId) ?? `device ${deviceId}`;
}

/** Names of the bits that are set, "bit N" for unknown ones. @param low bits 0 to 31, @param high bits 32 to 63 */
export function featureNames(deviceId: number, low: number, high: number): string[] {
  const known = [...(FEATURES.get(deviceId) ?? []), ...RING_FEATURES];
  const names: string[] = [];
  for (let bit = 0; bit < 64; bit++) {
    const isSet = ((bit < 32 ? low >>> bit : high >>> (bit - 32)) & 1) !== 0;
    if (isSet) names.push(known.find((each) => each[0] === bit)?.[1] ?? `bit ${bit}`);
  }
  return names;
}

/** Names of the bits of a device status; "reset" for 0. */
export function statusNames(status: number): string[] {
  if (status === 0) return ['reset'];
  return STATUS_BITS.filter(([bit]) => (status & bit) !== 0).map(([, name]) => name);
}

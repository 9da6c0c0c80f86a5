/** Network device: config space and packet header. Spec: virtio 1.2 sections 5.1.4 and 5.1.6. */
import {
  VIRTIO_F_VERSION_1,
  VIRTIO_NET_CONFIG_BYTES,
  VIRTIO_NET_CONFIG_MAC_OFF,
  VIRTIO_NET_CONFIG_STATUS_OFF,
  VIRTIO_NET_F_CSUM,
  VIRTIO_NET_F_HOST_ECN,
  VIRTIO_NET_F_HOST_TSO4,
  VIRTIO_NET_F_HOST_TSO6,
  VIRTIO_NET_F_HOST_UFO,
  VIRTIO_NET_F_MRG_RXBUF,
  VIRTIO_NET_HDR_BYTES,
  VIRTIO_NET_HDR_CSUM_OFFSET_OFF,
  VIRTIO_NET_HDR_CSUM_START_OFF,
  VIRTIO_NET_HDR_F_NEEDS_CSUM,
  VIRTIO_NET_HDR_FLAGS_OFF,
  VIRTIO_NET_HDR_GSO_ECN,
  VIRTIO_NET_HDR_GSO_NONE,
  VIRTIO_NET_HDR_GSO_SIZE_OFF,
  VIRTIO_NET_HDR_GSO_TCPV4,
  VIRTIO_NET_HDR_GSO_TCPV6,
  VIRTIO_NET_HDR_GSO_TYPE_OFF,
  VIRTIO_NET_HDR_GSO_UDP,
  VIRTIO_NET_HDR_HDR_LEN_OFF,
  VIRTIO_NET_HDR_MRG_BYTES,
  VIRTIO_NET_S_LINK_UP,
} from '../../../abi/virtio.js';
import { u8At } from '../../../util/typed.js';
import { type Features, hasFeature } from '../../core/features.js';

/**
 * A config space: link up, one queue pair.
 * @param mac six bytes, 0 ... 255 each
 */
export function netConfig(mac: readonly number[]): Uint8Array {
  const config = new Uint8Array(VIRTIO_NET_CONFIG_BYTES);
  config.set(mac, VIRTIO_NET_CONFIG_MAC_OFF);
  new DataView(config.buffer).setUint16(VIRTIO_NET_CONFIG_STATUS_OFF, VIRTIO_NET_S_LINK_UP, true);
  return config;
}

/** Bytes of the header in front of every packet, both ways: 10, or 12 with `num_buffers`. */
export function netHeaderBytes(features: Features): number {
  const long = hasFeature(features, VIRTIO_NET_F_MRG_RXBUF) || hasFeature(features, VIRTIO_F_VERSION_1);
  return long ? VIRTIO_NET_HDR_MRG_BYTES : VIRTIO_NET_HDR_BYTES;
}

function u16(header: Uint8Array, offset: number): number {
  return u8At(header, offset) | (u8At(header, offset + 1) << 8);
}

function setU16(header: Uint8Array, offset: number, value: number): void {
  header[offset] = value & 0xff;
  header[offset + 1] = value >>> 8;
}

/** The offloads a driver negotiated for what it sends, and the check of each packet's header against them. */
export class TxRules {
  readonly #csum: boolean;
  readonly #tso4: boolean;
  readonly #tso6: boolean;
  readonly #ufo: boolean;
  readonly #ecn: boolean;

  constructor(features: Features) {
    this.#csum = hasFeature(features, VIRTIO_NET_F_CSUM);
    this.#tso4 = hasFeature(features, VIRTIO_NET_F_HOST_TSO4);
    this.#tso6 = hasFeature(features, VIRTIO_NET_F_HOST_TSO6);
    this.#ufo = hasFeature(features, VIRTIO_NET_F_HOST_UFO);
    this.#ecn = hasFeature(features, VIRTIO_NET_F_HOST_ECN);
  }

  /**
   * Checks a private copy of a header, and clears in it what has no meaning, so that it can be given to the kernel.
   * @param frameBytes bytes of the frame behind the header
   * @returns false if the packet asks for something that was not negotiated or is impossible
   * Hot path. Spec: virtio 1.2 section 5.1.6.2.
   */
  accept(header: Uint8Array, frameBytes: number): boolean {
    const needsCsum = (u8At(header, VIRTIO_NET_HDR_FLAGS_OFF) & VIRTIO_NET_HDR_F_NEEDS_CSUM) !== 0;
    const gso = u8At(header, VIRTIO_NET_HDR_GSO_TYPE_OFF);
    // Flags we do not know are ignored (5.1.6.2.2); num_buffers is unused on transmission.
    header[VIRTIO_NET_HDR_FLAGS_OFF] = needsCsum ? VIRTIO_NET_HDR_F_NEEDS_CSUM : 0;
    if (header.length > VIRTIO_NET_HDR_BYTES) header.fill(0, VIRTIO_NET_HDR_BYTES);
    if (needsCsum) {
      if (!this.#csum) return false;
      const end =
        u16(header, VIRTIO_NET_HDR_CSUM_START_OFF) + u16(header, VIRTIO_NET_HDR_CSUM_OFFSET_OFF) + 2;
      if (end > frameBytes) return false;
    } else {
      setU16(header, VIRTIO_NET_HDR_CSUM_START_OFF, 0);
      setU16(header, VIRTIO_NET_HDR_CSUM_OFFSET_OFF, 0);
    }
    if (gso === VIRTIO_NET_HDR_GSO_NONE) {
      setU16(header, VIRTIO_NET_HDR_HDR_LEN_OFF, 0);
      setU16(header, VIRTIO_NET_HDR_GSO_SIZE_OFF, 0);
      return true;
    }
    // hdr_len is only a hint; one beyond the frame would make the kernel refuse it.
    if (u16(header, VIRTIO_NET_HDR_HDR_LEN_OFF) > frameBytes) setU16(header, VIRTIO_NET_HDR_HDR_LEN_OFF, 0);
    return needsCsum && u16(header, VIRTIO_NET_HDR_GSO_SIZE_OFF) !== 0 && this.#mayUse(gso);
  }

  #mayUse(gso: number): boolean {
    if ((gso & VIRTIO_NET_HDR_GSO_ECN) !== 0 && !this.#ecn) return false;
    switch (gso & ~VIRTIO_NET_HDR_GSO_ECN) {
      case VIRTIO_NET_HDR_GSO_TCPV4:
        return this.#tso4;
      case VIRTIO_NET_HDR_GSO_TCPV6:
        return this.#tso6;
      case VIRTIO_NET_HDR_GSO_UDP:
        return this.#ufo;
      default:
        return false;
    }
  }
}

/**
 * What the built-in gateway answers: ARP for its address, echo requests to it, DHCP, and "port unreachable" for other
 * datagrams and TCP segments to it. Pure: a frame in, at most one frame out. Frames come from a hostile driver: every
 * length is checked before it is used, and what is wrong or fragmented gets no answer.
 *
 * Hot path (echo): allocates nothing.
 */
import {
  ARP_BYTES,
  ARP_HLEN_OFF,
  ARP_HTYPE_ETHERNET,
  ARP_HTYPE_OFF,
  ARP_OPER_OFF,
  ARP_PLEN_OFF,
  ARP_PTYPE_OFF,
  ARP_REPLY,
  ARP_REQUEST,
  ARP_SHA_OFF,
  ARP_SPA_OFF,
  ARP_THA_OFF,
  ARP_TPA_OFF,
  DHCP_CLIENT_PORT,
  DHCP_SERVER_PORT,
  ETH_ADDR_BYTES,
  ETH_DST_OFF,
  ETH_HEADER_BYTES,
  ETH_MTU,
  ETH_SRC_OFF,
  ETH_TYPE_OFF,
  ETHERTYPE_ARP,
  ETHERTYPE_IPV4,
  ICMP_CHECKSUM_OFF,
  ICMP_CODE_OFF,
  ICMP_ECHO_REPLY,
  ICMP_ECHO_REQUEST,
  ICMP_HEADER_BYTES,
  ICMP_PORT_UNREACHABLE,
  ICMP_QUOTED_BYTES,
  ICMP_TYPE_OFF,
  ICMP_UNREACHABLE,
  IP_BROADCAST,
  IP_CHECKSUM_OFF,
  IP_DEFAULT_TTL,
  IP_DONT_FRAGMENT,
  IP_DST_OFF,
  IP_FRAGMENT_MASK,
  IP_FRAGMENT_OFF,
  IP_HEADER_BYTES,
  IP_MULTICAST_FIRST,
  IP_PROTOCOL_OFF,
  IP_SRC_OFF,
  IP_TOTAL_OFF,
  IP_TTL_OFF,
  IP_VERSION_4,
  IP_VERSION_IHL_OFF,
  IPPROTO_ICMP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  UDP_CHECKSUM_OFF,
  UDP_DST_OFF,
  UDP_HEADER_BYTES,
  UDP_LENGTH_OFF,
  UDP_SRC_OFF,
} from '../../abi/net.js';
import { u8At } from '../../util/typed.js';
import { be16, be32, checksum, setBe16, setBe32 } from './bytes.js';
import { DhcpServer, type DhcpSettings } from './dhcp.js';

/** Longest frame in either direction. */
export const FRAME_BYTES = ETH_HEADER_BYTES + ETH_MTU;

const IP_AT = ETH_HEADER_BYTES;
/** Where the payload of our own replies begins: they have no IP options. */
const REPLY_PAYLOAD_AT = IP_AT + IP_HEADER_BYTES;

export interface ResponderSettings extends DhcpSettings {
  /** Six bytes. */
  readonly mac: readonly number[];
}

/** See the file's head. Thread: reactor. */
export class Responder {
  readonly #ip: number;
  readonly #mac: Uint8Array;
  readonly #dhcp: DhcpServer;

  constructor(settings: ResponderSettings) {
    this.#ip = settings.serverIp;
    this.#mac = Uint8Array.from(settings.mac);
    this.#dhcp = new DhcpServer(settings);
  }

  /**
   * Answers a frame.
   * @param frame the frame's first `bytes` bytes, without checksum at its end
   * @param reply receives the answer; {@link FRAME_BYTES} long at least
   * @returns bytes of the answer; 0 = taken, needs no answer; -1 = nothing we know
   */
  answer(frame: Uint8Array, bytes: number, reply: Uint8Array): number {
    if (bytes < ETH_HEADER_BYTES || bytes > FRAME_BYTES || !this.#isForUs(frame)) return -1;
    const type = be16(frame, ETH_TYPE_OFF);
    if (type === ETHERTYPE_ARP) return this.#arp(frame, bytes, reply);
    if (type === ETHERTYPE_IPV4) return this.#ipv4(frame, bytes, reply);
    return -1;
  }

  #isForUs(frame: Uint8Array): boolean {
    let ours = true;
    let everybodys = true;
    for (let i = 0; i < ETH_ADDR_BYTES; i++) {
      const byte = u8At(frame, ETH_DST_OFF + i);
      if (byte !== u8At(this.#mac, i)) ours = false;
      if (byte !== 0xff) everybodys = false;
    }
    return ours || everybodys;
  }

  #arp(frame: Uint8Array, bytes: number, reply: Uint8Array): number {
    const at = ETH_HEADER_BYTES;
    if (bytes < at + ARP_BYTES) return -1;
    const known =
      be16(frame, at + ARP_HTYPE_OFF) === ARP_HTYPE_ETHERNET &&
      be16(frame, at + ARP_PTYPE_OFF) === ETHERTYPE_IPV4 &&
      u8At(frame, at + ARP_HLEN_OFF) === ETH_ADDR_BYTES &&
      u8At(frame, at + ARP_PLEN_OFF) === 4;
    if (!known || be16(frame, at + ARP_OPER_OFF) !== ARP_REQUEST) return -1;
    const asked = be32(frame, at + ARP_TPA_OFF);
    if (asked !== this.#ip) return be32(frame, at + ARP_SPA_OFF) === asked ? 0 : -1; // it announces itself
    this.#ethernet(frame, reply, ETHERTYPE_ARP);
    setBe16(reply, at + ARP_HTYPE_OFF, ARP_HTYPE_ETHERNET);
    setBe16(reply, at + ARP_PTYPE_OFF, ETHERTYPE_IPV4);
    reply[at + ARP_HLEN_OFF] = ETH_ADDR_BYTES;
    reply[at + ARP_PLEN_OFF] = 4;
    setBe16(reply, at + ARP_OPER_OFF, ARP_REPLY);
    copy(this.#mac, 0, reply, at + ARP_SHA_OFF, ETH_ADDR_BYTES);
    setBe32(reply, at + ARP_SPA_OFF, this.#ip);
    copy(frame, at + ARP_SHA_OFF, reply, at + ARP_THA_OFF, ETH_ADDR_BYTES + 4);
    return at + ARP_BYTES;
  }

  #ipv4(frame: Uint8Array, bytes: number, reply: Uint8Array): number {
    if (bytes < IP_AT + IP_HEADER_BYTES) return -1;
    const versionIhl = u8At(frame, IP_AT + IP_VERSION_IHL_OFF);
    const headerBytes = (versionIhl & 15) * 4;
    const total = be16(frame, IP_AT + IP_TOTAL_OFF);
    if (versionIhl >>> 4 !== IP_VERSION_4 || headerBytes < IP_HEADER_BYTES) return -1;
    if (total < headerBytes || IP_AT + total > bytes) return -1;
    if (checksum(frame, IP_AT, headerBytes) !== 0) return -1;
    if ((be16(frame, IP_AT + IP_FRAGMENT_OFF) & IP_FRAGMENT_MASK) !== 0) return -1;
    const destination = be32(frame, IP_AT + IP_DST_OFF);
    if (destination !== this.#ip && destination !== IP_BROADCAST) return -1;
    const at = IP_AT + headerBytes;
    const payloadBytes = total - headerBytes;
    const protocol = u8At(frame, IP_AT + IP_PROTOCOL_OFF);
    if (protocol === IPPROTO_ICMP) return this.#icmp(frame, at, payloadBytes, reply);
    if (protocol === IPPROTO_UDP) return this.#udp(frame, at, payloadBytes, reply);
    if (protocol === IPPROTO_TCP) return this.#unreachable(frame, headerBytes, payloadBytes, reply);
    return -1;
  }

  #icmp(frame: Uint8Array, at: number, bytes: number, reply: Uint8Array): number {
    if (bytes < ICMP_HEADER_BYTES || be32(frame, IP_AT + IP_DST_OFF) !== this.#ip) return -1;
    if (u8At(frame, at + ICMP_TYPE_OFF) !== ICMP_ECHO_REQUEST || u8At(frame, at + ICMP_CODE_OFF) !== 0)
      return -1;
    if (checksum(frame, at, bytes) !== 0 || !isHost(be32(frame, IP_AT + IP_SRC_OFF))) return -1;
    copy(frame, at, reply, REPLY_PAYLOAD_AT, bytes);
    reply[REPLY_PAYLOAD_AT + ICMP_TYPE_OFF] = ICMP_ECHO_REPLY;
    setBe16(reply, REPLY_PAYLOAD_AT + ICMP_CHECKSUM_OFF, 0);
    setBe16(reply, REPLY_PAYLOAD_AT + ICMP_CHECKSUM_OFF, checksum(reply, REPLY_PAYLOAD_AT, bytes));
    this.#ethernet(frame, reply, ETHERTYPE_IPV4);
    return this.#ip4Header(reply, be32(frame, IP_AT + IP_SRC_OFF), IPPROTO_ICMP, bytes);
  }

  #udp(frame: Uint8Array, at: number, available: number, reply: Uint8Array): number {
    if (available < UDP_HEADER_BYTES) return -1;
    const bytes = be16(frame, at + UDP_LENGTH_OFF);
    if (bytes < UDP_HEADER_BYTES || bytes > available) return -1;
    if (
      be16(frame, at + UDP_CHECKSUM_OFF) !== 0 &&
      checksum(frame, at, bytes, pseudoSum(frame, bytes)) !== 0
    ) {
      return -1;
    }
    if (be16(frame, at + UDP_DST_OFF) !== DHCP_SERVER_PORT) {
      return this.#unreachable(frame, at - IP_AT, available, reply);
    }
    if (be16(frame, at + UDP_SRC_OFF) !== DHCP_CLIENT_PORT) return -1;
    return this.#dhcpReply(frame, at + UDP_HEADER_BYTES, bytes - UDP_HEADER_BYTES, reply);
  }

  #dhcpReply(frame: Uint8Array, at: number, bytes: number, reply: Uint8Array): number {
    const dhcp = this.#dhcp;
    const udp = REPLY_PAYLOAD_AT;
    if (!dhcp.handle(frame, at, bytes, reply, udp + UDP_HEADER_BYTES)) return 0;
    const length = UDP_HEADER_BYTES + dhcp.replyBytes;
    setBe16(reply, udp + UDP_SRC_OFF, DHCP_SERVER_PORT);
    setBe16(reply, udp + UDP_DST_OFF, DHCP_CLIENT_PORT);
    setBe16(reply, udp + UDP_LENGTH_OFF, length);
    setBe16(reply, udp + UDP_CHECKSUM_OFF, 0);
    this.#ethernet(frame, reply, ETHERTYPE_IPV4);
    if (dhcp.replyBroadcast) reply.fill(0xff, ETH_DST_OFF, ETH_DST_OFF + ETH_ADDR_BYTES);
    const total = this.#ip4Header(reply, dhcp.replyIp, IPPROTO_UDP, length);
    // A checksum of 0 would mean "none" (RFC 768).
    setBe16(reply, udp + UDP_CHECKSUM_OFF, checksum(reply, udp, length, pseudoSum(reply, length)) || 0xffff);
    return total;
  }

  /** "Port unreachable", quoting the datagram (RFC 1122 3.2.2.1: never for broadcast, or to a sender that is no host). */
  #unreachable(frame: Uint8Array, headerBytes: number, payloadBytes: number, reply: Uint8Array): number {
    const source = be32(frame, IP_AT + IP_SRC_OFF);
    if (be32(frame, IP_AT + IP_DST_OFF) !== this.#ip || !isHost(source)) return -1;
    const quoted = headerBytes + Math.min(payloadBytes, ICMP_QUOTED_BYTES);
    const at = REPLY_PAYLOAD_AT;
    reply.fill(0, at, at + ICMP_HEADER_BYTES);
    reply[at + ICMP_TYPE_OFF] = ICMP_UNREACHABLE;
    reply[at + ICMP_CODE_OFF] = ICMP_PORT_UNREACHABLE;
    copy(frame, IP_AT, reply, at + ICMP_HEADER_BYTES, quoted);
    const bytes = ICMP_HEADER_BYTES + quoted;
    setBe16(reply, at + ICMP_CHECKSUM_OFF, checksum(reply, at, bytes));
    this.#ethernet(frame, reply, ETHERTYPE_IPV4);
    return this.#ip4Header(reply, source, IPPROTO_ICMP, bytes);
  }

  /** From us, back to the sender. */
  #ethernet(frame: Uint8Array, reply: Uint8Array, type: number): void {
    copy(frame, ETH_SRC_OFF, reply, ETH_DST_OFF, ETH_ADDR_BYTES);
    copy(this.#mac, 0, reply, ETH_SRC_OFF, ETH_ADDR_BYTES);
    setBe16(reply, ETH_TYPE_OFF, type);
  }

  /** @returns bytes of the whole frame */
  #ip4Header(reply: Uint8Array, destination: number, protocol: number, payloadBytes: number): number {
    const total = IP_HEADER_BYTES + payloadBytes;
    reply.fill(0, IP_AT, IP_AT + IP_HEADER_BYTES);
    reply[IP_AT + IP_VERSION_IHL_OFF] = (IP_VERSION_4 << 4) | (IP_HEADER_BYTES / 4);
    setBe16(reply, IP_AT + IP_TOTAL_OFF, total);
    setBe16(reply, IP_AT + IP_FRAGMENT_OFF, IP_DONT_FRAGMENT);
    reply[IP_AT + IP_TTL_OFF] = IP_DEFAULT_TTL;
    reply[IP_AT + IP_PROTOCOL_OFF] = protocol;
    setBe32(reply, IP_AT + IP_SRC_OFF, this.#ip);
    setBe32(reply, IP_AT + IP_DST_OFF, destination);
    setBe16(reply, IP_AT + IP_CHECKSUM_OFF, checksum(reply, IP_AT, IP_HEADER_BYTES));
    return IP_AT + total;
  }
}

/** True for an address a single host can have: something to send an answer to. */
function isHost(ip: number): boolean {
  return ip !== 0 && ip < IP_MULTICAST_FIRST;
}

/** Sum over the pseudo header of the frame's IP header and a UDP datagram of `bytes` bytes. */
function pseudoSum(frame: Uint8Array, bytes: number): number {
  let sum = IPPROTO_UDP + bytes;
  for (let i = IP_SRC_OFF; i < IP_SRC_OFF + 8; i += 2) sum += be16(frame, IP_AT + i);
  return sum;
}

function copy(from: Uint8Array, fromOff: number, to: Uint8Array, toOff: number, bytes: number): void {
  for (let i = 0; i < bytes; i++) to[toOff + i] = u8At(from, fromOff + i);
}

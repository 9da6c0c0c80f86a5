/**
 * DHCP server with one address to give. Spec: RFC 2131, RFC 2132. Pure: a message in, a message out. The message is
 * hostile input: lengths are checked, options that run over its end make it invalid.
 */
import {
  BOOTP_BROADCAST_FLAG,
  BOOTP_CHADDR_BYTES,
  BOOTP_CHADDR_OFF,
  BOOTP_CIADDR_OFF,
  BOOTP_COOKIE_OFF,
  BOOTP_FLAGS_OFF,
  BOOTP_GIADDR_OFF,
  BOOTP_HLEN_OFF,
  BOOTP_HTYPE_OFF,
  BOOTP_MIN_BYTES,
  BOOTP_OP_OFF,
  BOOTP_OPTIONS_OFF,
  BOOTP_REPLY,
  BOOTP_REQUEST,
  BOOTP_SIADDR_OFF,
  BOOTP_XID_OFF,
  BOOTP_YIADDR_OFF,
  DHCP_ACK,
  DHCP_COOKIE,
  DHCP_DISCOVER,
  DHCP_INFORM,
  DHCP_NAK,
  DHCP_OFFER,
  DHCP_OPTION_DNS,
  DHCP_OPTION_END,
  DHCP_OPTION_LEASE,
  DHCP_OPTION_MASK,
  DHCP_OPTION_PAD,
  DHCP_OPTION_REQUESTED_IP,
  DHCP_OPTION_ROUTER,
  DHCP_OPTION_SERVER_ID,
  DHCP_OPTION_TYPE,
  DHCP_REQUEST,
  ETH_ADDR_BYTES,
  IP_BROADCAST,
} from '../../abi/net.js';
import { u8At } from '../../util/typed.js';
import { be16, be32, setBe32 } from './bytes.js';

/** Most bytes of a reply. */
export const DHCP_REPLY_MAX_BYTES = BOOTP_MIN_BYTES + 64;

export interface DhcpSettings {
  /** Addresses as numbers. */
  readonly serverIp: number;
  readonly clientIp: number;
  readonly netmask: number;
  readonly router: number;
  /** At most 4. */
  readonly dns: readonly number[];
  readonly leaseSeconds: number;
}

/** Answers messages. Reused for every message; the fields below describe the last reply. Thread: reactor. */
export class DhcpServer {
  /** Bytes of the last reply in `to`; 0 if there is none. */
  replyBytes = 0;
  /** Where it goes: an IP address, and whether to everybody on the wire. */
  replyIp = IP_BROADCAST;
  replyBroadcast = true;
  readonly #settings: DhcpSettings;
  // Options of the message at hand; -1 = absent.
  #type = -1;
  #requestedIp = -1;
  #serverId = -1;

  constructor(settings: DhcpSettings) {
    this.#settings = settings;
  }

  /**
   * Handles one message: bytes `[at, at + bytes)` of `message`, the UDP payload.
   * @param to the reply is written here at `toOff`, {@link DHCP_REPLY_MAX_BYTES} at most
   * @returns true if there is a reply
   */
  handle(message: Uint8Array, at: number, bytes: number, to: Uint8Array, toOff: number): boolean {
    this.replyBytes = 0;
    if (!this.#parse(message, at, bytes)) return false;
    const ciaddr = be32(message, at + BOOTP_CIADDR_OFF);
    const type = this.#replyType(ciaddr);
    if (type === 0) return false;
    this.#route(type, ciaddr, be16(message, at + BOOTP_FLAGS_OFF));
    this.#write(type, message, at, to, toOff);
    return true;
  }

  /** @returns false if the message is malformed or not for us */
  #parse(message: Uint8Array, at: number, bytes: number): boolean {
    if (bytes <= BOOTP_OPTIONS_OFF || be32(message, at + BOOTP_COOKIE_OFF) !== DHCP_COOKIE) return false;
    if (u8At(message, at + BOOTP_OP_OFF) !== BOOTP_REQUEST) return false;
    if (u8At(message, at + BOOTP_HTYPE_OFF) !== 1 || u8At(message, at + BOOTP_HLEN_OFF) !== ETH_ADDR_BYTES)
      return false;
    if (be32(message, at + BOOTP_GIADDR_OFF) !== 0) return false; // relayed: there is no relay on this wire
    this.#type = -1;
    this.#requestedIp = -1;
    this.#serverId = -1;
    const end = at + bytes;
    for (let i = at + BOOTP_OPTIONS_OFF; i < end; ) {
      const option = u8At(message, i++);
      if (option === DHCP_OPTION_PAD) continue;
      if (option === DHCP_OPTION_END) break;
      if (i >= end) return false;
      const length = u8At(message, i++);
      if (i + length > end) return false;
      if (option === DHCP_OPTION_TYPE && length === 1) this.#type = u8At(message, i);
      if (option === DHCP_OPTION_REQUESTED_IP && length === 4) this.#requestedIp = be32(message, i);
      if (option === DHCP_OPTION_SERVER_ID && length === 4) this.#serverId = be32(message, i);
      i += length;
    }
    return this.#type > 0;
  }

  /** @returns OFFER, ACK or NAK; 0 for no reply (RELEASE and DECLINE need none: the address is the client's anyway) */
  #replyType(ciaddr: number): number {
    const { serverIp, clientIp } = this.#settings;
    if (this.#type === DHCP_DISCOVER) return DHCP_OFFER;
    if (this.#type === DHCP_INFORM) return ciaddr === 0 ? 0 : DHCP_ACK;
    if (this.#type !== DHCP_REQUEST) return 0;
    if (this.#serverId !== -1 && this.#serverId !== serverIp) return 0; // it took another server's offer
    const wanted = this.#requestedIp === -1 ? ciaddr : this.#requestedIp;
    return wanted === clientIp ? DHCP_ACK : DHCP_NAK;
  }

  /** RFC 2131 section 4.1: where replies go. */
  #route(type: number, ciaddr: number, flags: number): void {
    if (type !== DHCP_NAK && ciaddr !== 0) {
      this.replyIp = ciaddr;
      this.replyBroadcast = false;
    } else if (type === DHCP_NAK || (flags & BOOTP_BROADCAST_FLAG) !== 0) {
      this.replyIp = IP_BROADCAST;
      this.replyBroadcast = true;
    } else {
      this.replyIp = this.#settings.clientIp;
      this.replyBroadcast = false;
    }
  }

  #write(type: number, message: Uint8Array, at: number, to: Uint8Array, toOff: number): void {
    const settings = this.#settings;
    const lease = type !== DHCP_NAK && this.#type !== DHCP_INFORM;
    to.fill(0, toOff, toOff + DHCP_REPLY_MAX_BYTES);
    to[toOff + BOOTP_OP_OFF] = BOOTP_REPLY;
    to[toOff + BOOTP_HTYPE_OFF] = 1;
    to[toOff + BOOTP_HLEN_OFF] = ETH_ADDR_BYTES;
    copy(message, at + BOOTP_XID_OFF, to, toOff + BOOTP_XID_OFF, 4);
    copy(message, at + BOOTP_FLAGS_OFF, to, toOff + BOOTP_FLAGS_OFF, 2);
    copy(message, at + BOOTP_CHADDR_OFF, to, toOff + BOOTP_CHADDR_OFF, BOOTP_CHADDR_BYTES);
    if (type !== DHCP_NAK) {
      copy(message, at + BOOTP_CIADDR_OFF, to, toOff + BOOTP_CIADDR_OFF, 4);
      setBe32(to, toOff + BOOTP_SIADDR_OFF, settings.serverIp);
    }
    if (lease) setBe32(to, toOff + BOOTP_YIADDR_OFF, settings.clientIp);
    setBe32(to, toOff + BOOTP_COOKIE_OFF, DHCP_COOKIE);
    let i = toOff + BOOTP_OPTIONS_OFF;
    to[i++] = DHCP_OPTION_TYPE;
    to[i++] = 1;
    to[i++] = type;
    i = option32(to, i, DHCP_OPTION_SERVER_ID, settings.serverIp);
    if (lease) i = option32(to, i, DHCP_OPTION_LEASE, settings.leaseSeconds);
    if (type !== DHCP_NAK) {
      i = option32(to, i, DHCP_OPTION_MASK, settings.netmask);
      i = option32(to, i, DHCP_OPTION_ROUTER, settings.router);
      i = this.#writeDns(to, i);
    }
    to[i++] = DHCP_OPTION_END;
    this.replyBytes = Math.max(BOOTP_MIN_BYTES, i - toOff);
  }

  #writeDns(to: Uint8Array, i: number): number {
    const { dns } = this.#settings;
    if (dns.length === 0) return i;
    to[i++] = DHCP_OPTION_DNS;
    to[i++] = 4 * dns.length;
    for (let n = 0; n < dns.length; n++, i += 4) setBe32(to, i, dns[n] as number);
    return i;
  }
}

function option32(to: Uint8Array, at: number, option: number, value: number): number {
  to[at] = option;
  to[at + 1] = 4;
  setBe32(to, at + 2, value);
  return at + 6;
}

function copy(from: Uint8Array, fromOff: number, to: Uint8Array, toOff: number, bytes: number): void {
  for (let i = 0; i < bytes; i++) to[toOff + i] = u8At(from, fromOff + i);
}

/**
 * Just enough of a network: ARP both ways, ICMP echo both ways, over Ethernet. One address, one gateway (the `.1` of
 * our /24). Frames come in whenever the receive ring is served, also while the shell waits for a key.
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
  ETH_ADDR_BYTES,
  ETH_DST_OFF,
  ETH_HEADER_BYTES,
  ETH_MAX_BYTES,
  ETH_MIN_BYTES,
  ETH_SRC_OFF,
  ETH_TYPE_OFF,
  ETHERTYPE_ARP,
  ETHERTYPE_IPV4,
  ICMP_CHECKSUM_OFF,
  ICMP_ECHO_REPLY,
  ICMP_ECHO_REQUEST,
  ICMP_HEADER_BYTES,
  ICMP_ID_OFF,
  ICMP_SEQUENCE_OFF,
  ICMP_TYPE_OFF,
  IP_CHECKSUM_OFF,
  IP_DEFAULT_TTL,
  IP_DST_OFF,
  IP_FRAGMENT_MASK,
  IP_FRAGMENT_OFF,
  IP_HEADER_BYTES,
  IP_PLAIN,
  IP_PROTOCOL_OFF,
  IP_SRC_OFF,
  IP_TOTAL_OFF,
  IP_TTL_OFF,
  IP_VERSION_IHL_OFF,
  IPPROTO_ICMP,
} from '../abi/net.js';
import type { UsedHandler } from '../frontend/device.js';
import type { NetDriver } from '../frontend/net.js';
import type { Condition } from '../frontend/ports.js';
import { u8At } from '../util/typed.js';

const IP = ETH_HEADER_BYTES;
const ICMP = IP + IP_HEADER_BYTES;
const ECHO_DATA_BYTES = 56;
const ECHO_FRAME_BYTES = ICMP + ICMP_HEADER_BYTES + ECHO_DATA_BYTES;
/** Frames served in one go, so that a flood cannot hold the thread. */
const BUDGET = 64;
const BROADCAST = new Uint8Array(6).fill(0xff);

/** Sum of 16-bit words as the internet checksum wants it. @returns the checksum of `bytes` bytes, 0 ... 65535 */
export function internetChecksum(data: Uint8Array, at: number, bytes: number): number {
  let sum = 0;
  for (let i = 0; i + 1 < bytes; i += 2) sum += (u8At(data, at + i) << 8) | u8At(data, at + i + 1);
  if ((bytes & 1) !== 0) sum += u8At(data, at + bytes - 1) << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function put16(data: Uint8Array, at: number, value: number): void {
  data[at] = value >>> 8;
  data[at + 1] = value & 0xff;
}

function get16(data: Uint8Array, at: number): number {
  return (u8At(data, at) << 8) | u8At(data, at + 1);
}

function equal(a: Uint8Array, at: number, b: Uint8Array): boolean {
  for (let i = 0; i < b.length; i++) if (u8At(a, at + i) !== u8At(b, i)) return false;
  return true;
}

/** Waits for the answer to the ARP request or the echo request sent last. */
class Answer implements Condition {
  done = false;

  ready(): boolean {
    return this.done;
  }
}

/** Thread: main. */
export class NetStack implements UsedHandler {
  readonly ip: Uint8Array;
  readonly #net: NetDriver;
  readonly #in = new Uint8Array(ETH_MAX_BYTES);
  readonly #out = new Uint8Array(ETH_MAX_BYTES);
  readonly #answer = new Answer();
  /** Who we asked for, and what was answered. */
  readonly #wantedIp = new Uint8Array(4);
  readonly #foundMac = new Uint8Array(6);
  /** Echo request in flight: identifier and sequence number, or -1. */
  #echoId = -1;
  #echoSequence = -1;
  /** When its answer was seen, microseconds. */
  #echoSeenUs = 0;

  /** @param ip our address, four bytes */
  constructor(net: NetDriver, ip: Uint8Array) {
    this.#net = net;
    this.ip = ip;
    net.device.handler = this;
  }

  onUsed(): void {
    for (let i = 0; i < BUDGET && this.#net.ready(); i++) {
      const bytes = this.#net.receive(this.#in);
      if (bytes >= ETH_HEADER_BYTES) this.#frame(bytes);
    }
  }

  /** The address that a packet for `ip` is handed to: itself on our /24, else the `.1`. */
  nextHop(ip: Uint8Array): Uint8Array {
    if (equal(ip, 0, this.ip.subarray(0, 3))) return ip;
    return this.gateway;
  }

  /** The `.1` of our network. */
  get gateway(): Uint8Array {
    return Uint8Array.of(u8At(this.ip, 0), u8At(this.ip, 1), u8At(this.ip, 2), 1);
  }

  /**
   * Asks for a hardware address.
   * @returns six bytes, or undefined if nobody answered in time
   */
  resolve(ip: Uint8Array, timeoutMs: number): Uint8Array | undefined {
    this.#wantedIp.set(ip);
    this.#answer.done = false;
    this.#arp(ARP_REQUEST, BROADCAST, new Uint8Array(6), ip);
    const found = this.#net.device.line.waitUntil(this.#answer, timeoutMs);
    this.#wantedIp.fill(0);
    return found ? this.#foundMac.slice() : undefined;
  }

  /**
   * Sends one ICMP echo request and waits for its answer.
   * @param mac of the next hop @param sequence 0 ... 65535
   * @returns microseconds from just before sending to seeing the answer, or -1 if none came in time
   */
  echo(ip: Uint8Array, mac: Uint8Array, sequence: number, timeoutMs: number): number {
    const id = (process.pid & 0xffff) >>> 0;
    this.#echoId = id;
    this.#echoSequence = sequence;
    this.#answer.done = false;
    const out = this.#out;
    this.#ethernet(mac, ETHERTYPE_IPV4);
    this.#ipv4(ip, ICMP_HEADER_BYTES + ECHO_DATA_BYTES);
    out.fill(0, ICMP, ECHO_FRAME_BYTES);
    out[ICMP + ICMP_TYPE_OFF] = ICMP_ECHO_REQUEST;
    put16(out, ICMP + ICMP_ID_OFF, id);
    put16(out, ICMP + ICMP_SEQUENCE_OFF, sequence);
    for (let i = 0; i < ECHO_DATA_BYTES; i++) out[ICMP + ICMP_HEADER_BYTES + i] = i;
    put16(out, ICMP + ICMP_CHECKSUM_OFF, internetChecksum(out, ICMP, ICMP_HEADER_BYTES + ECHO_DATA_BYTES));
    const line = this.#net.device.line;
    const start = line.nowUs();
    this.#net.send(out, ECHO_FRAME_BYTES);
    const answered = line.waitUntil(this.#answer, timeoutMs);
    this.#echoId = -1;
    return answered ? Math.max(0, this.#echoSeenUs - start) : -1;
  }

  #frame(bytes: number): void {
    switch (get16(this.#in, ETH_TYPE_OFF)) {
      case ETHERTYPE_ARP:
        if (bytes >= ETH_HEADER_BYTES + ARP_BYTES) this.#onArp();
        return;
      case ETHERTYPE_IPV4:
        if (bytes >= ICMP + ICMP_HEADER_BYTES) this.#onIpv4(bytes);
        return;
      default:
    }
  }

  #onArp(): void {
    const frame = this.#in;
    const at = ETH_HEADER_BYTES;
    const operation = get16(frame, at + ARP_OPER_OFF);
    if (operation === ARP_REPLY && equal(frame, at + ARP_SPA_OFF, this.#wantedIp)) {
      for (let i = 0; i < ETH_ADDR_BYTES; i++) {
        this.#foundMac[i] = u8At(frame, at + ARP_SHA_OFF + i);
      }
      this.#answer.done = true;
      return;
    }
    if (operation !== ARP_REQUEST || !equal(frame, at + ARP_TPA_OFF, this.ip)) return;
    const mac = frame.slice(at + ARP_SHA_OFF, at + ARP_SHA_OFF + ETH_ADDR_BYTES);
    this.#arp(ARP_REPLY, mac, mac, frame.slice(at + ARP_SPA_OFF, at + ARP_SPA_OFF + 4));
  }

  #onIpv4(bytes: number): void {
    const frame = this.#in;
    // Headers with options, fragments and other people's packets are nothing we asked for.
    if (u8At(frame, IP + IP_VERSION_IHL_OFF) !== IP_PLAIN) return;
    if (u8At(frame, IP + IP_PROTOCOL_OFF) !== IPPROTO_ICMP) return;
    if ((get16(frame, IP + IP_FRAGMENT_OFF) & IP_FRAGMENT_MASK) !== 0) return;
    if (!equal(frame, IP + IP_DST_OFF, this.ip)) return;
    const length = get16(frame, IP + IP_TOTAL_OFF);
    if (length < IP_HEADER_BYTES + ICMP_HEADER_BYTES || IP + length > bytes) return;
    if (internetChecksum(frame, ICMP, length - IP_HEADER_BYTES) !== 0) return;
    const type = u8At(frame, ICMP + ICMP_TYPE_OFF);
    if (type === ICMP_ECHO_REQUEST) this.#echoReply(length);
    if (type !== ICMP_ECHO_REPLY || get16(frame, ICMP + ICMP_ID_OFF) !== this.#echoId) return;
    if (get16(frame, ICMP + ICMP_SEQUENCE_OFF) !== this.#echoSequence) return;
    this.#echoSeenUs = this.#net.device.line.nowUs();
    this.#answer.done = true;
  }

  /** Answers the echo request in `#in`. @param length of the IP packet */
  #echoReply(length: number): void {
    const out = this.#out;
    const frame = this.#in;
    const payload = length - IP_HEADER_BYTES;
    this.#ethernet(frame.subarray(ETH_SRC_OFF, ETH_SRC_OFF + ETH_ADDR_BYTES), ETHERTYPE_IPV4);
    this.#ipv4(frame.subarray(IP + IP_SRC_OFF, IP + IP_SRC_OFF + 4), payload);
    out.set(frame.subarray(ICMP, ICMP + payload), ICMP);
    out[ICMP + ICMP_TYPE_OFF] = ICMP_ECHO_REPLY;
    put16(out, ICMP + ICMP_CHECKSUM_OFF, 0);
    put16(out, ICMP + ICMP_CHECKSUM_OFF, internetChecksum(out, ICMP, payload));
    this.#send(IP + length);
  }

  #arp(operation: number, to: Uint8Array, targetMac: Uint8Array, targetIp: Uint8Array): void {
    const out = this.#out;
    const at = ETH_HEADER_BYTES;
    this.#ethernet(to, ETHERTYPE_ARP);
    put16(out, at + ARP_HTYPE_OFF, ARP_HTYPE_ETHERNET);
    put16(out, at + ARP_PTYPE_OFF, ETHERTYPE_IPV4);
    out[at + ARP_HLEN_OFF] = ETH_ADDR_BYTES;
    out[at + ARP_PLEN_OFF] = 4;
    put16(out, at + ARP_OPER_OFF, operation);
    out.set(this.#net.mac, at + ARP_SHA_OFF);
    out.set(this.ip, at + ARP_SPA_OFF);
    out.set(targetMac, at + ARP_THA_OFF);
    out.set(targetIp, at + ARP_TPA_OFF);
    this.#send(at + ARP_BYTES);
  }

  #ethernet(to: Uint8Array, type: number): void {
    this.#out.set(to, ETH_DST_OFF);
    this.#out.set(this.#net.mac, ETH_SRC_OFF);
    put16(this.#out, ETH_TYPE_OFF, type);
  }

  #ipv4(to: Uint8Array, payloadBytes: number): void {
    const out = this.#out;
    out.fill(0, IP, IP + IP_HEADER_BYTES);
    out[IP + IP_VERSION_IHL_OFF] = IP_PLAIN;
    put16(out, IP + IP_TOTAL_OFF, IP_HEADER_BYTES + payloadBytes);
    out[IP + IP_TTL_OFF] = IP_DEFAULT_TTL;
    out[IP + IP_PROTOCOL_OFF] = IPPROTO_ICMP;
    out.set(this.ip, IP + IP_SRC_OFF);
    out.set(to, IP + IP_DST_OFF);
    put16(out, IP + IP_CHECKSUM_OFF, internetChecksum(out, IP, IP_HEADER_BYTES));
  }

  /** Sends `#out`, padded to the shortest frame. */
  #send(bytes: number): void {
    if (bytes < ETH_MIN_BYTES) this.#out.fill(0, bytes, ETH_MIN_BYTES);
    this.#net.send(this.#out, Math.max(bytes, ETH_MIN_BYTES));
  }
}

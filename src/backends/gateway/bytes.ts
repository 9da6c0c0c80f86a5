/** Big-endian fields and the Internet checksum. Hot path: offsets were checked by the caller. */
import { u8At } from '../../util/typed.js';

/** 16-bit big-endian field. */
export function be16(bytes: Uint8Array, at: number): number {
  return (u8At(bytes, at) << 8) | u8At(bytes, at + 1);
}

/** 32-bit big-endian field, unsigned. */
export function be32(bytes: Uint8Array, at: number): number {
  return ((be16(bytes, at) << 16) | be16(bytes, at + 2)) >>> 0;
}

/** Writes a 16-bit big-endian field. */
export function setBe16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value & 0xff;
}

/** Writes a 32-bit big-endian field. */
export function setBe32(bytes: Uint8Array, at: number, value: number): void {
  setBe16(bytes, at, value >>> 16);
  setBe16(bytes, at + 2, value & 0xffff);
}

/**
 * Internet checksum (RFC 1071) of a range, ready to be stored; 0 for a range that includes a right checksum.
 * @param start a sum to begin with: that of a pseudo header, 0 ... 2^20
 * @param bytes 0 ... 65535; an odd last byte counts as if a zero followed
 */
export function checksum(data: Uint8Array, at: number, bytes: number, start = 0): number {
  let sum = start;
  const end = at + bytes;
  let i = at;
  // 32,768 words of 16 bits: the sum stays below 2^31 and is folded once.
  for (; i + 1 < end; i += 2) sum += (u8At(data, i) << 8) | u8At(data, i + 1);
  if (i < end) sum += u8At(data, i) << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** Text like "192.168.33.1" as a number. @returns -1 if it is none */
export function parseIp(text: string): number {
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (parts === null) return -1;
  let ip = 0;
  for (const part of parts.slice(1)) {
    if (Number(part) > 255) return -1;
    ip = ip * 256 + Number(part);
  }
  return ip;
}

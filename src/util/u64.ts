/** 64-bit little-endian numbers in structures, as doubles: exact below 2^53, which all addresses and sizes are. */

const HIGH = 0x1_0000_0000;

/** Stores `value`, an integer 0 ... 2^53 - 1, at byte `offset`. */
export function setU64(view: DataView, offset: number, value: number): void {
  view.setUint32(offset, value >>> 0, true);
  view.setUint32(offset + 4, Math.floor(value / HIGH), true);
}

/** The number at byte `offset`; the nearest double if it is 2^53 or more. */
export function getU64(view: DataView, offset: number): number {
  return view.getUint32(offset + 4, true) * HIGH + view.getUint32(offset, true);
}

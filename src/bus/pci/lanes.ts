/** Parts of a dword register: `lane` is the first byte of an access in its dword, 0 ... 3; `lane + bytes` <= 4. */

/** Bits of an access, as a signed 32-bit mask. Hot path. */
export function laneMask(lane: number, bytes: number): number {
  return bytes === 4 ? -1 : ((1 << (8 * bytes)) - 1) << (8 * lane);
}

/** The accessed part of a dword, unsigned. Hot path. */
export function laneOf(dword: number, lane: number, bytes: number): number {
  const shifted = dword >>> (8 * lane);
  return bytes === 4 ? shifted : shifted & ((1 << (8 * bytes)) - 1);
}

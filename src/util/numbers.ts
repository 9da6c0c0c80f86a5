/** Small arithmetic on addresses and sizes. */

/** `value` rounded up to a multiple of `alignment`. Both below 2^53. */
export function alignUp(value: number, alignment: number): number {
  return Math.ceil(value / alignment) * alignment;
}

/** `value` rounded down to a multiple of `alignment`. Both below 2^53. */
export function alignDown(value: number, alignment: number): number {
  return Math.floor(value / alignment) * alignment;
}

/** Whether a number is 1, 2, 4, ... @param value 0 ... 2^32 - 1 */
export function isPowerOfTwo(value: number): boolean {
  return value !== 0 && (value & (value - 1)) === 0;
}

/** "0x37000000". @param digits at least so many, with zeros in front */
export function hex(value: number, digits = 0): string {
  return `0x${value.toString(16).padStart(digits, '0')}`;
}

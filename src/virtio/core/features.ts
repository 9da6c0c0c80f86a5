/** Feature sets as two 32-bit words: no BigInt on the way. Bits are *bit numbers*, 0 ... 63. */

export interface Features {
  /** Bits 0 ... 31, unsigned. */
  readonly low: number;
  /** Bits 32 ... 63, unsigned. */
  readonly high: number;
}

export const NO_FEATURES: Features = { low: 0, high: 0 };

/** The set with exactly these bits. */
export function featureSet(...bits: readonly number[]): Features {
  let low = 0;
  let high = 0;
  for (const bit of bits) {
    if (bit < 32) low |= 1 << bit;
    else high |= 1 << (bit - 32);
  }
  return { low: low >>> 0, high: high >>> 0 };
}

/** True if `bit` is in the set. */
export function hasFeature(features: Features, bit: number): boolean {
  return ((bit < 32 ? features.low >>> bit : features.high >>> (bit - 32)) & 1) !== 0;
}

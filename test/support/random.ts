/** A small seeded generator (mulberry32), so that a failing run can be repeated from the seed it printed. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** 0 ... 2^32 - 1 */
  u32(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  }

  /** 0 ... limit - 1 */
  below(limit: number): number {
    return Math.floor((this.u32() / 0x1_0000_0000) * limit);
  }

  /** True with this probability. */
  chance(probability: number): boolean {
    return this.u32() / 0x1_0000_0000 < probability;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }

  fill(bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length; i++) bytes[i] = this.u32() & 0xff;
  }
}

/**
 * Seeds of a fuzz run: the kept ones, then fresh ones. LKVM_FUZZ_SEED=N runs that one only, LKVM_FUZZ_RUNS=N makes N fresh
 * ones.
 */
export function fuzzSeeds(kept: readonly number[], fresh: number): number[] {
  const only = process.env['LKVM_FUZZ_SEED'];
  if (only !== undefined) return [Number(only)];
  const runs = Number(process.env['LKVM_FUZZ_RUNS'] ?? fresh);
  const start = (Date.now() ^ (process.pid << 16)) >>> 0;
  return [...kept, ...Array.from({ length: runs }, (_, i) => (start + i) >>> 0)];
}

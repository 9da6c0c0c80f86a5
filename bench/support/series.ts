/** Times of many equal things. */
import { f64At } from '#lkvm/util/typed.js';

/** Percentiles of one series. */
export interface Percentiles {
  readonly min: number;
  readonly p50: number;
  readonly p99: number;
}

/** @param times at least one; sorted in place */
export function percentiles(times: Float64Array): Percentiles {
  times.sort();
  const at = (share: number) => f64At(times, Math.min(times.length - 1, Math.floor(times.length * share)));
  return { min: at(0), p50: at(0.5), p99: at(0.99) };
}

/** The middle one of a few numbers. */
export function median(values: readonly number[]): number {
  return percentiles(Float64Array.from(values)).p50;
}

/** The series with the lowest median: on a machine that others use, the one they disturbed least. */
export function best(series: readonly Percentiles[]): Percentiles {
  const [first, ...rest] = series;
  if (first === undefined) throw new Error('no series');
  return rest.reduce((least, each) => (each.p50 < least.p50 ? each : least), first);
}

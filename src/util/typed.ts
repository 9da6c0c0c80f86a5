/**
 * Element reads that satisfy `noUncheckedIndexedAccess`. The index has already been checked by the caller; these hold
 * the only casts, so that ring and codec files need none.
 *
 * Hot path: inlined by V8; never called with an index outside the array.
 */

/** Byte at `index`. */
export function u8At(view: Uint8Array, index: number): number {
  return view[index] as number;
}

/** 16-bit element at `index` (an element index, not a byte offset). */
export function u16At(view: Uint16Array, index: number): number {
  return view[index] as number;
}

/** 32-bit element at `index` (an element index, not a byte offset), unsigned. */
export function u32At(view: Uint32Array, index: number): number {
  return view[index] as number;
}

/** Signed 32-bit element at `index`. */
export function i32At(view: Int32Array, index: number): number {
  return view[index] as number;
}

/** Double at `index`. */
export function f64At(view: Float64Array, index: number): number {
  return view[index] as number;
}

/** Array element at `index`, for arrays whose length the caller knows. */
export function at<T>(list: readonly T[], index: number): T {
  return list[index] as T;
}

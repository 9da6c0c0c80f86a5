/**
 * Finds bulk operations of typed arrays on memory where only element accesses are allowed (access kind *word*): `set`,
 * `fill`, `copyWithin`, `slice` end in memmove or memset, whose access widths nobody promises. Element accesses through
 * views that start on a page are naturally aligned by construction, so these methods (and system calls) are all there is
 * to look for.
 */
type AnyTypedArray = Uint8Array | Uint16Array | Uint32Array;

const prototype = Object.getPrototypeOf(Uint8Array.prototype) as Record<
  string,
  (...args: unknown[]) => unknown
>;
const METHODS = ['set', 'fill', 'copyWithin', 'slice'] as const;

/** Runs `body`; @returns the names of bulk methods that touched one of `buffers` meanwhile, as target or as source */
export function bulkAccesses(buffers: readonly ArrayBufferLike[], body: () => void): string[] {
  const seen: string[] = [];
  const originals = METHODS.map((name) => prototype[name] as (...args: unknown[]) => unknown);
  const touches = (value: unknown): boolean =>
    ArrayBuffer.isView(value) && buffers.includes(value.buffer as ArrayBuffer);
  for (const [i, name] of METHODS.entries()) {
    prototype[name] = function patched(this: AnyTypedArray, ...args: unknown[]): unknown {
      if (touches(this) || touches(args[0])) seen.push(name);
      return Reflect.apply(originals[i] as (...a: unknown[]) => unknown, this, args);
    };
  }
  try {
    body();
  } finally {
    for (const [i, name] of METHODS.entries())
      prototype[name] = originals[i] as (...args: unknown[]) => unknown;
  }
  return seen;
}

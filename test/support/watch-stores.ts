/**
 * Makes the order of accesses to shared memory visible, and what can happen between two of them. All ordered accesses of
 * the device side are `Atomics` calls; while a body runs, these are replaced.
 */
const STORES = ['store', 'exchange', 'compareExchange'] as const;
const ACCESSES = ['load', ...STORES] as const;

type Access = (...args: unknown[]) => unknown;

function withPatched(names: readonly string[], patch: (original: Access) => Access, body: () => void): void {
  const target = Atomics as unknown as Record<string, Access>;
  const originals = names.map((name) => target[name] as Access);
  for (const [i, name] of names.entries()) target[name] = patch(originals[i] as Access);
  try {
    body();
  } finally {
    for (const [i, name] of names.entries()) target[name] = originals[i] as Access;
  }
}

/** Calls `after` behind each ordered store while `body` runs. @returns the number of such stores */
export function watchStores(body: () => void, after: () => void = () => {}): number {
  let stores = 0;
  let inside = false;
  const patch = (original: Access): Access => {
    return (...args) => {
      const result = original(...args);
      if (inside) return result; // `after` may itself use atomics
      inside = true;
      stores++;
      after();
      inside = false;
      return result;
    };
  };
  withPatched(STORES, patch, body);
  return stores;
}

/** Calls `before` ahead of each ordered access while `body` runs: what another processor might do at that moment. */
export function watchAccesses(body: () => void, before: () => void): void {
  let inside = false;
  const patch = (original: Access): Access => {
    return (...args) => {
      if (!inside) {
        inside = true;
        before();
        inside = false;
      }
      return original(...args);
    };
  };
  withPatched(ACCESSES, patch, body);
}

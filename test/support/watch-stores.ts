/**
 * Makes the order of stores to shared memory visible. All ordered stores of the device side are `Atomics.store` or
 * `Atomics.compareExchange` calls; while `body` runs, `after` is called behind each of them.
 * @returns the number of such stores
 */
export function watchStores(body: () => void, after: () => void = () => {}): number {
  const { store, compareExchange } = Atomics;
  let stores = 0;
  let inside = false;
  const stored = (): void => {
    if (inside) return; // `after` may itself use atomics
    inside = true;
    stores++;
    after();
    inside = false;
  };
  const target = Atomics as unknown as Record<string, unknown>;
  target['store'] = (array: Uint32Array, index: number, value: number): number => {
    const result = store(array, index, value);
    stored();
    return result;
  };
  target['compareExchange'] = (array: Uint32Array, index: number, old: number, value: number): number => {
    const result = compareExchange(array, index, old, value);
    stored();
    return result;
  };
  try {
    body();
  } finally {
    target['store'] = store;
    target['compareExchange'] = compareExchange;
  }
  return stores;
}

/** Calls `before` ahead of each `Atomics.load` while `body` runs: what another processor might do at that moment. */
export function watchLoads(body: () => void, before: () => void): void {
  const { load } = Atomics;
  let inside = false;
  const target = Atomics as unknown as Record<string, unknown>;
  target['load'] = (array: Uint32Array, index: number): number => {
    if (!inside) {
      inside = true;
      before();
      inside = false;
    }
    return load(array, index);
  };
  try {
    body();
  } finally {
    target['load'] = load;
  }
}

/** CLOCK_MONOTONIC without a system call of our own and without BigInt. */

/** What to add to `performance.now()`, whose zero differs from thread to thread, in milliseconds. */
const OFFSET_MS = measureOffset();

/** The sample with the shortest time between two readings is the most exact one. */
function measureOffset(): number {
  let best = Number.POSITIVE_INFINITY;
  let offset = 0;
  for (let i = 0; i < 5; i++) {
    const before = performance.now();
    const [seconds, nanoseconds] = process.hrtime();
    const after = performance.now();
    if (after - before >= best) continue;
    best = after - before;
    offset = seconds * 1000 + nanoseconds / 1e6 - (before + after) / 2;
  }
  return offset;
}

/** Microseconds on CLOCK_MONOTONIC, with a fraction. Threads agree to within some microseconds. Thread: any. Hot path. */
export function monotonicUs(): number {
  return (performance.now() + OFFSET_MS) * 1000;
}

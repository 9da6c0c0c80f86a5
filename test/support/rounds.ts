import type { Reactor } from '#lkvm/reactor/reactor.js';

/**
 * Runs rounds of an event loop until `done` says so.
 * @param limitMs generous: only a failing test gets that far
 */
export function runUntil(loop: Reactor, done: () => boolean, limitMs = 20_000): void {
  const end = performance.now() + limitMs;
  while (!done()) {
    if (performance.now() > end) throw new Error('runUntil: did not happen');
    loop.round(20_000);
  }
}

/** Runs rounds until nothing has happened for a whole one. */
export function runIdle(loop: Reactor, rounds = 3): void {
  for (let i = 0; i < rounds; i++) loop.round(1000);
}

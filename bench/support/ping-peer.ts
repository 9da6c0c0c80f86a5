/**
 * The other end of a ping-pong: what a round trip between two processes costs at the very least. A process of its own;
 * arguments: `memory POOL-FILE` or `eventfd` (descriptors 3: to us, 4: from us). It ends when it is killed.
 */
import { GuestMemory } from '#lkvm/memory/guest-memory.js';
import { O_RDWR } from '#lkvm/sys/arch.js';
import { eventfdDrain, eventfdSignal } from '#lkvm/sys/eventfd.js';
import { open } from '#lkvm/sys/fd.js';
import { must } from '#lkvm/sys/libc.js';
import { mapShared } from '#lkvm/sys/map.js';

/** Bytes of the memory; the words lie in different cache lines. */
export const PING_BYTES = 4096;
/** Index of the word written by the one who asks. */
export const PING = 0;
/** Index of the word written by the one who answers. */
export const PONG = 32;
export const TO_PEER = 3;
export const FROM_PEER = 4;

/** Maps the memory of a ping-pong. */
export function pingMemory(path: string): Uint32Array {
  const fd = must(open(path, O_RDWR), 'open', path);
  const { address, bytes } = mapShared(fd, PING_BYTES);
  return new GuestMemory([{ gpa: 0, hva: address, bytes }]).chunk.u32;
}

function answerInMemory(words: Uint32Array): never {
  for (let seen = 0; ; ) {
    const now = Atomics.load(words, PING);
    if (now === seen) continue;
    seen = now;
    Atomics.store(words, PONG, now);
  }
}

/** The descriptors block. */
function answerOnEventfd(): never {
  for (;;) {
    eventfdDrain(TO_PEER);
    eventfdSignal(FROM_PEER);
  }
}

const [mode, path = ''] = process.argv.slice(2);
if (mode === 'memory') answerInMemory(pingMemory(path));
if (mode === 'eventfd') answerOnEventfd();

/** Memory for device tests: mapped pages between inaccessible guard pages, a GuestMemory over them, a bump allocator. */
import koffi from 'koffi';
import { ACCESS_DIRECT, GuestMemory } from '#lkvm/memory/guest-memory.js';
import { viewOf } from '#lkvm/sys/libc.js';
import { mapPrivate } from '#lkvm/sys/map.js';

const mprotect = koffi.load(null).func('int mprotect(uintptr_t addr, size_t length, int prot)');
const PAGE = 4096;

export interface TestMemoryOptions {
  /** Bytes, a multiple of 4096. */
  readonly bytes: number;
  /** Driver-visible address of the first byte, default 0x37000000 (where Zephyr's demo has its pool). */
  readonly gpa?: number;
  /** ACCESS_DIRECT (default) or ACCESS_WORD. */
  readonly access?: number;
}

/** Lives until the process ends: views of it may be anywhere, so it is never unmapped. */
export class TestMemory {
  readonly gpa: number;
  readonly hva: number;
  readonly bytes: number;
  /** The whole memory as the driver sees it. */
  readonly u8: Uint8Array;
  /** What the device is given. */
  readonly memory: GuestMemory;
  #next: number;

  constructor(options: TestMemoryOptions) {
    const { bytes } = options;
    if (bytes % PAGE !== 0) throw new Error('TestMemory: whole pages only');
    const mapping = mapPrivate(bytes + 2 * PAGE);
    // Guard pages: a system call or a native access outside the memory fails or kills the test.
    if (mprotect(mapping.address, PAGE, 0) !== 0) throw new Error('mprotect');
    if (mprotect(mapping.address + PAGE + bytes, PAGE, 0) !== 0) throw new Error('mprotect');
    this.gpa = options.gpa ?? 0x3700_0000;
    this.hva = mapping.address + PAGE;
    this.bytes = bytes;
    this.u8 = new Uint8Array(viewOf(this.hva, bytes));
    this.memory = new GuestMemory([{ gpa: this.gpa, hva: this.hva, bytes }], options.access ?? ACCESS_DIRECT);
    this.#next = this.gpa;
  }

  /** Starts allocating from the beginning again; what was allocated may be overwritten. */
  rewind(): void {
    this.#next = this.gpa;
  }

  /** The next free `bytes`, not given back before {@link rewind}. @returns their driver-visible address */
  alloc(bytes: number, align = 1): number {
    const at = Math.ceil(this.#next / align) * align;
    if (at + bytes > this.gpa + this.bytes) throw new Error('TestMemory: full');
    this.#next = at + bytes;
    return at;
  }
}

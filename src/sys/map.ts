/** Memory mappings. Thread: created and unmapped by main; used by any worker through its own views. */
import {
  F_ADD_SEALS,
  F_SEAL_GROW,
  F_SEAL_SHRINK,
  MADV_DONTFORK,
  MADV_HUGEPAGE,
  MAP_ANONYMOUS,
  MAP_NORESERVE,
  MAP_PRIVATE,
  MAP_SHARED,
  MFD_ALLOW_SEALING,
  MFD_CLOEXEC,
  PROT_READ,
  PROT_WRITE,
} from '../abi/linux.js';
import { close, fcntl, ftruncate } from './fd.js';
import { declare, must, status, viewOf } from './libc.js';

const cMmap = declare(
  'int64_t mmap64(uintptr_t addr, size_t length, int prot, int flags, int fd, int64_t offset)',
);
const cMunmap = declare('int munmap(uintptr_t addr, size_t length)');
const cMadvise = declare('int madvise(uintptr_t addr, size_t length, int advice)');
const cMemfd = declare('int memfd_create(const char *name, unsigned int flags)');

/** A mapping: its address and length in bytes. Plain data, so it can be sent to a worker. */
export interface Mapping {
  readonly address: number;
  readonly bytes: number;
}

/** Maps `bytes` of `fd` from `offset`, shared, read-write. Errors: SysError. */
export function mapShared(fd: number, bytes: number, offset = 0): Mapping {
  const address = must(status(cMmap(0, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset)), 'mmap');
  cMadvise(address, bytes, MADV_DONTFORK);
  return { address, bytes };
}

/** Maps zeroed private memory, not inherited by children. @param huge ask for huge pages Errors: SysError. */
export function mapPrivate(bytes: number, huge = false): Mapping {
  const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  const address = must(status(cMmap(0, bytes, PROT_READ | PROT_WRITE, flags, -1, 0)), 'mmap');
  cMadvise(address, bytes, MADV_DONTFORK);
  if (huge) cMadvise(address, bytes, MADV_HUGEPAGE);
  return { address, bytes };
}

/** Maps `bytes` of `fd` privately, read-write: guest memory from a hugetlbfs. Errors: SysError (ENOMEM: not enough pages). */
export function mapPrivateFile(fd: number, bytes: number): Mapping {
  const address = must(status(cMmap(0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0)), 'mmap');
  cMadvise(address, bytes, MADV_DONTFORK);
  return { address, bytes };
}

/** Unmaps. Safety: no thread may hold a view of it any more, or that thread crashes on its next access. */
export function unmap(mapping: Mapping): void {
  must(status(cMunmap(mapping.address, mapping.bytes)), 'munmap');
}

/** An anonymous shared-memory file of fixed size, sealed against shrinking and growing. @returns its fd. Errors: SysError. */
export function createMemfd(name: string, bytes: number): number {
  const fd = must(status(cMemfd(name, MFD_CLOEXEC | MFD_ALLOW_SEALING)), 'memfd_create');
  const sized = ftruncate(fd, bytes);
  const sealed = sized < 0 ? sized : fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW);
  if (sealed < 0) close(fd);
  must(sealed, 'memfd_create', `${bytes} bytes`);
  return fd;
}

/**
 * A little private native memory for system-call structures, with the views to fill them in.
 * Lives as long as the worker. Safety: only the owner writes it; the kernel only during a call.
 */
export class NativeBuffer {
  readonly address: number;
  readonly u8: Uint8Array;
  readonly view: DataView;

  constructor(bytes: number) {
    const mapping = mapPrivate(Math.ceil(bytes / 4096) * 4096);
    const buffer = viewOf(mapping.address, mapping.bytes);
    this.address = mapping.address;
    this.u8 = new Uint8Array(buffer, 0, bytes);
    this.view = new DataView(buffer, 0, bytes);
  }
}

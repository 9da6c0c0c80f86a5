/** What a loader is asked for, and what it answers. */
import type { GuestMemory } from '../../memory/guest-memory.js';
import type { EntryState } from './entry.js';
import type { ImageFile } from './image-file.js';

/** How a guest is to be started. */
export interface LoadRequest {
  readonly boot: {
    /** Path; exactly one of `kernel` and `firmware` is given. */
    readonly kernel: string | undefined;
    readonly firmware: string | undefined;
    readonly initrd: string | undefined;
    readonly commandLine: string;
    /** The kernel is loaded the VxWorks way; its format is not looked at. */
    readonly vxworks: boolean;
  };
  /** RAM of the guest in bytes, multiple of 4096; laid out as `ramRanges` says. */
  readonly ramBytes: number;
  /** Guest-physical address of ACPI's root pointer; undefined = no ACPI tables. */
  readonly rsdp: number | undefined;
}

/** Memory beside RAM, read-only for the guest, to be made a memory slot (KVM_MEM_READONLY). */
export interface ExtraRegion {
  readonly gpa: number;
  readonly hva: number;
  readonly bytes: number;
}

/** A guest that is ready to be entered. Plain data. */
export interface LoadedGuest {
  /** For the boot processor; see `applyEntry`. */
  readonly entry: EntryState;
  /** The caller maps them into the guest, and unmaps the memory at its end. */
  readonly extraRegions: readonly ExtraRegion[];
  /** One line: format, addresses, sizes. For --loglevel debug. */
  readonly description: string;
}

/** What a loader of one format works with. */
export interface LoadContext {
  readonly memory: GuestMemory;
  readonly request: LoadRequest;
  readonly file: ImageFile;
  /** First bytes of the file: HEAD_BYTES, or all if it is shorter. */
  readonly head: Buffer;
}

/** Guest memory as bytes to fill in before the guest starts. Thread: main, while no vCPU runs. */
import type { GuestMemory } from '../../memory/guest-memory.js';
import { StartError } from '../../util/errors.js';

/**
 * A run of guest RAM: a view for the caller's next statements, not to be kept.
 * @param gpa guest-physical address @param bytes at most 1 GiB
 * Errors: StartError if the guest's RAM does not reach that far.
 */
export function guestBytes(memory: GuestMemory, gpa: number, bytes: number): Uint8Array {
  if (!memory.translate(gpa, bytes)) {
    throw new StartError(
      `the guest needs RAM at 0x${gpa.toString(16)} ... 0x${(gpa + bytes).toString(16)}, and has none there: give it more with -m`,
    );
  }
  return memory.chunk.u8.subarray(memory.offset, memory.offset + bytes);
}

/** The same as a DataView. */
export function guestView(memory: GuestMemory, gpa: number, bytes: number): DataView {
  const u8 = guestBytes(memory, gpa, bytes);
  return new DataView(u8.buffer, u8.byteOffset, bytes);
}

/** Writes a NUL-terminated string in UTF-8. @returns bytes used, with the NUL */
export function writeString(memory: GuestMemory, gpa: number, text: string): number {
  const encoded = Buffer.from(text);
  const to = guestBytes(memory, gpa, encoded.length + 1);
  to.set(encoded);
  to[encoded.length] = 0;
  return encoded.length + 1;
}

/** A size for messages: whole MiB, rounded up. */
export function mebibytes(bytes: number): string {
  return `${Math.ceil(bytes / 0x10_0000)} MiB`;
}

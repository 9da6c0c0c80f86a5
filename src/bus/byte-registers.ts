/** Devices whose registers are one byte wide: a wider access is several, lowest address first, as on an ISA bus. */

/** Thread: any. Hot path. */
export interface ByteRegisters {
  readByte(offset: number): number;
  /** @param value 0 ... 255 */
  writeByte(offset: number, value: number): void;
}

/** @param bytes 1, 2 or 4 */
export function readBytes(device: ByteRegisters, offset: number, bytes: number): number {
  let value = 0;
  for (let i = 0; i < bytes; i++) value |= device.readByte(offset + i) << (8 * i);
  return value >>> 0;
}

/** @param bytes 1, 2 or 4 */
export function writeBytes(device: ByteRegisters, offset: number, bytes: number, value: number): void {
  for (let i = 0; i < bytes; i++) device.writeByte(offset + i, (value >>> (8 * i)) & 0xff);
}

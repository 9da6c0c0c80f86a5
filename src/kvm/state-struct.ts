/** A structure of vCPU state in native memory: loaded and stored as a whole, its fields read and written in between. */
import type { NativeBuffer } from '../memory/native-buffer.js';
import { getU64, setU64 } from '../util/u64.js';
import { type Ioctl, type KvmFd, mustCall } from './ioctls.js';

/** Where a structure lies in a buffer, and the two ioctls that move it. */
export interface StatePlace {
  readonly offset: number;
  readonly bytes: number;
  readonly get: Ioctl<'vcpu'>;
  readonly set: Ioctl<'vcpu'>;
}

/**
 * One structure. Byte offsets are the constants of `abi/kvm-x86.ts`. Nothing is allocated after the construction, except
 * by the BigInt accessors.
 */
export class StateStruct {
  /** The structure's bytes; of the last {@link load}, plus what was written since. */
  readonly view: DataView;
  readonly u8: Uint8Array;
  readonly #fd: KvmFd<'vcpu'>;
  readonly #address: number;
  readonly #get: Ioctl<'vcpu'>;
  readonly #set: Ioctl<'vcpu'>;

  constructor(fd: KvmFd<'vcpu'>, buffer: NativeBuffer, place: StatePlace) {
    this.#fd = fd;
    this.view = new DataView(buffer.u8.buffer, buffer.u8.byteOffset + place.offset, place.bytes);
    this.u8 = new Uint8Array(buffer.u8.buffer, buffer.u8.byteOffset + place.offset, place.bytes);
    this.#address = buffer.address + place.offset;
    this.#get = place.get;
    this.#set = place.set;
  }

  /** Gets the vCPU's state. Errors: SysError. @returns itself */
  load(): this {
    mustCall(this.#fd, this.#get, this.#address);
    return this;
  }

  /** Sets the vCPU's state. Errors: SysError. */
  store(): void {
    mustCall(this.#fd, this.#set, this.#address);
  }

  /** A 64-bit field as a number: exact below 2^53, as addresses are. */
  number(offset: number): number {
    return getU64(this.view, offset);
  }

  /** Sets a 64-bit field. @param value 0 ... 2^53 - 1 */
  setNumber(offset: number, value: number): void {
    setU64(this.view, offset, value);
  }

  /** A 64-bit field, exact. */
  big(offset: number): bigint {
    return this.view.getBigUint64(offset, true);
  }
}

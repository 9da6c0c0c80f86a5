/** Model-specific registers of a vCPU, got and set in batches. Set-up and dumps only. */
import {
  KVM_MSR_BYTES,
  KVM_MSR_DATA_OFF,
  KVM_MSR_INDEX_OFF,
  KVM_MSRS_BYTES,
  KVM_MSRS_NMSRS_OFF,
} from '../abi/kvm-x86.js';
import { NativeBuffer } from '../memory/native-buffer.js';
import { LkvmError } from '../util/errors.js';
import { GET_MSRS, type KvmFd, mustCall, SET_MSRS } from './ioctls.js';

/** Registers per call; more are moved in several. */
const BATCH = 64;

/** The registers of one vCPU. */
export class Msrs {
  readonly #fd: KvmFd<'vcpu'>;
  readonly #buffer = new NativeBuffer(KVM_MSRS_BYTES + BATCH * KVM_MSR_BYTES);

  constructor(fd: KvmFd<'vcpu'>) {
    this.#fd = fd;
  }

  /** Errors: SysError; LkvmError MSR that names the first register KVM does not have. @returns values in the order asked */
  get(indexes: readonly number[]): bigint[] {
    const values: bigint[] = [];
    for (let start = 0; start < indexes.length; start += BATCH) {
      const batch = indexes.slice(start, start + BATCH);
      this.#fill(batch);
      this.#check(batch, mustCall(this.#fd, GET_MSRS, this.#buffer.address), 'read');
      for (let i = 0; i < batch.length; i++) {
        values.push(this.#buffer.view.getBigUint64(slot(i) + KVM_MSR_DATA_OFF, true));
      }
    }
    return values;
  }

  /** Sets registers in the order given. Errors: as {@link get}, also when the value is refused. */
  set(values: readonly (readonly [index: number, value: bigint])[]): void {
    for (let start = 0; start < values.length; start += BATCH) {
      const batch = values.slice(start, start + BATCH);
      this.#fill(batch.map(([index]) => index));
      batch.forEach(([, value], i) => {
        this.#buffer.view.setBigUint64(slot(i) + KVM_MSR_DATA_OFF, value, true);
      });
      const done = mustCall(this.#fd, SET_MSRS, this.#buffer.address);
      this.#check(
        batch.map(([index]) => index),
        done,
        'set',
      );
    }
  }

  #fill(indexes: readonly number[]): void {
    const { view, u8 } = this.#buffer;
    u8.fill(0);
    view.setUint32(KVM_MSRS_NMSRS_OFF, indexes.length, true);
    indexes.forEach((index, i) => {
      view.setUint32(slot(i) + KVM_MSR_INDEX_OFF, index, true);
    });
  }

  #check(indexes: readonly number[], done: number, what: string): void {
    const refused = indexes[done];
    if (refused === undefined) return;
    throw new LkvmError('MSR', `KVM does not ${what} MSR 0x${refused.toString(16)}`, 1);
  }
}

function slot(i: number): number {
  return KVM_MSRS_BYTES + i * KVM_MSR_BYTES;
}

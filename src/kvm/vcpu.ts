/**
 * A vCPU: its descriptor, its mapped `kvm_run`, and its state in preallocated structures.
 *
 * Thread: main makes it and sets its registers; then exactly one worker runs it, with a handle of its own made from the
 * record. KVM serialises the ioctls of one vCPU: while it runs, another thread's ioctl waits for its next exit.
 */
import {
  KVM_GUEST_DEBUG_CONTROL_OFF,
  KVM_GUESTDBG_ENABLE,
  KVM_GUESTDBG_SINGLESTEP,
  KVM_MP_STATE_BYTES,
} from '../abi/kvm.js';
import {
  KVM_EVENTS_BYTES,
  KVM_FPU_BYTES,
  KVM_GUEST_DEBUG_BYTES,
  KVM_LAPIC_BYTES,
  KVM_REGS_BYTES,
  KVM_SREGS_BYTES,
  KVM_TRANSLATION_BYTES,
  KVM_TRANSLATION_LINEAR_ADDRESS_OFF,
  KVM_TRANSLATION_PHYSICAL_ADDRESS_OFF,
  KVM_TRANSLATION_VALID_OFF,
} from '../abi/kvm-x86.js';
import { NativeBuffer } from '../memory/native-buffer.js';
import { close, ioctl } from '../sys/fd.js';
import { type Mapping, mapShared, unmap } from '../sys/map.js';
import { getU64, setU64 } from '../util/u64.js';
import { Cpuid } from './cpuid.js';
import * as io from './ioctls.js';
import { KvmRun } from './kvm-run.js';
import { Msrs } from './msrs.js';
import { StateStruct } from './state-struct.js';

/** A vCPU as plain data: sent to its worker. */
export interface VcpuRecord {
  readonly fd: number;
  readonly index: number;
  readonly run: Mapping;
}

// Places of the structures in the vCPU's buffer; each on a multiple of 16 bytes.
const REGS_AT = 0;
const SREGS_AT = 256;
const FPU_AT = 1024;
const LAPIC_AT = 2048;
const MP_STATE_AT = 3072;
const EVENTS_AT = 3136;
const TRANSLATION_AT = 3264;
const BUFFER_BYTES = 4096;

const RUN = io.RUN.request;

/** A handle on a vCPU. */
export class Vcpu {
  readonly index: number;
  readonly fd: io.KvmFd<'vcpu'>;
  readonly run: KvmRun;
  /** struct kvm_regs */
  readonly regs: StateStruct;
  /** struct kvm_sregs; see `segments.ts` */
  readonly sregs: StateStruct;
  /** struct kvm_fpu */
  readonly fpu: StateStruct;
  /** struct kvm_lapic_state: the registers of the local APIC, each at its offset */
  readonly lapic: StateStruct;
  /** struct kvm_vcpu_events */
  readonly events: StateStruct;
  readonly msrs: Msrs;
  readonly #mpState: StateStruct;
  readonly #mapping: Mapping;
  readonly #buffer: NativeBuffer;

  /** A handle in the thread that got the record. */
  constructor(record: VcpuRecord) {
    const fd = io.asKvmFd<'vcpu'>(record.fd);
    const buffer = new NativeBuffer(BUFFER_BYTES);
    const place = (
      offset: number,
      bytes: number,
      get: io.Ioctl<'vcpu'>,
      set: io.Ioctl<'vcpu'>,
    ): StateStruct => new StateStruct(fd, buffer, { offset, bytes, get, set });
    this.index = record.index;
    this.fd = fd;
    this.run = new KvmRun(record.run);
    this.regs = place(REGS_AT, KVM_REGS_BYTES, io.GET_REGS, io.SET_REGS);
    this.sregs = place(SREGS_AT, KVM_SREGS_BYTES, io.GET_SREGS, io.SET_SREGS);
    this.fpu = place(FPU_AT, KVM_FPU_BYTES, io.GET_FPU, io.SET_FPU);
    this.lapic = place(LAPIC_AT, KVM_LAPIC_BYTES, io.GET_LAPIC, io.SET_LAPIC);
    this.events = place(EVENTS_AT, KVM_EVENTS_BYTES, io.GET_VCPU_EVENTS, io.SET_VCPU_EVENTS);
    this.#mpState = place(MP_STATE_AT, KVM_MP_STATE_BYTES, io.GET_MP_STATE, io.SET_MP_STATE);
    this.msrs = new Msrs(fd);
    this.#mapping = record.run;
    this.#buffer = buffer;
  }

  /** For `Vm.createVcpu`: maps the `kvm_run` of a new vCPU. Errors: SysError. */
  static map(fd: number, index: number, runBytes: number): Vcpu {
    try {
      return new Vcpu({ fd, index, run: mapShared(fd, runBytes) });
    } catch (error) {
      close(fd);
      throw error;
    }
  }

  /** For its worker's handle. */
  get record(): VcpuRecord {
    return { fd: this.fd, index: this.index, run: this.#mapping };
  }

  /**
   * Runs the guest until something has to be done for it; blocks the thread. Hot path.
   * @returns 0: `run.exitReason()` says why; -EINTR: a signal or `run.requestExit()`; -EAGAIN: again; or -errno
   */
  enter(): number {
    return ioctl(this.fd, RUN, 0);
  }

  /** KVM_MP_STATE_ number. Errors: SysError. */
  get mpState(): number {
    return this.#mpState.load().view.getUint32(0, true);
  }

  /** Sets the state: KVM_MP_STATE_RUNNABLE starts a processor that waits for INIT and SIPI. Errors: SysError. */
  set mpState(state: number) {
    this.#mpState.view.setUint32(0, state, true);
    this.#mpState.store();
  }

  /** Sets what the guest's CPUID answers. Before the first {@link enter}. Errors: SysError. */
  setCpuid(table: Cpuid): void {
    io.mustCall(this.fd, io.SET_CPUID2, table.encode().address, `vCPU ${this.index}`);
  }

  /** What the guest's CPUID answers. Errors: SysError. */
  cpuid(): Cpuid {
    return Cpuid.ofVcpu(this.fd);
  }

  /** Leaves the guest after each instruction, with KVM_EXIT_DEBUG. Errors: SysError. */
  singleStep(): void {
    const buffer = new NativeBuffer(KVM_GUEST_DEBUG_BYTES);
    buffer.view.setUint32(KVM_GUEST_DEBUG_CONTROL_OFF, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP, true);
    io.mustCall(this.fd, io.SET_GUEST_DEBUG, buffer.address);
  }

  /** Guest-physical address of a linear one by the guest's page tables now; -1 = not mapped. Errors: SysError. */
  translate(linear: number): number {
    const { view, address } = this.#buffer;
    view.setUint32(TRANSLATION_AT + KVM_TRANSLATION_BYTES - 8, 0, true);
    setU64(view, TRANSLATION_AT + KVM_TRANSLATION_LINEAR_ADDRESS_OFF, linear);
    io.mustCall(this.fd, io.TRANSLATE, address + TRANSLATION_AT);
    if (view.getUint8(TRANSLATION_AT + KVM_TRANSLATION_VALID_OFF) === 0) return -1;
    return getU64(view, TRANSLATION_AT + KVM_TRANSLATION_PHYSICAL_ADDRESS_OFF);
  }

  /**
   * Unmaps `kvm_run` and closes the descriptor. Main only, after the worker that ran it has exited. Safety: no thread
   * holds a view any more; this handle's own `run` must not be touched afterwards.
   */
  close(): void {
    unmap(this.#mapping);
    close(this.fd);
  }
}

/**
 * Interrupts of a virtio-pci device: by MSI-X if the driver has switched it on, else by the function's line and the ISR
 * byte. Both halves have one of these: the reactor's tells the driver, the vCPUs' serves what the driver writes and reads.
 *
 * The line is up while the ISR byte is not 0; reading it takes all bits and so lowers the line. That happens under one
 * lock, so a bit set meanwhile is either read, too, or raises the line again. Spec: virtio 1.2 sections 4.1.4.5, 4.1.5.3.
 */
import { PCI_COMMAND, PCI_COMMAND_INTX_DISABLE, PCI_STATUS_INTERRUPT } from '../../../abi/pci.js';
import { VIRTIO_MSI_NO_VECTOR } from '../../../abi/virtio-pci.js';
import type { LineSink } from '../../../bus/lines.js';
import { ConfigWords } from '../../../bus/pci/config-words.js';
import { SharedLock } from '../../../util/shared-lock.js';
import { i32At } from '../../../util/typed.js';
import { InterruptStatus, ISR_CONFIG, ISR_QUEUE } from '../trapped/interrupt-status.js';
import type { MsiRoutes, Signal, TrappedInterrupts } from '../trapped/ports.js';
import { Msix } from './msix.js';
import {
  FN_CONFIG_VECTOR,
  FN_LINE,
  FN_LINE_DISABLED,
  FN_LOCK,
  FN_QUEUE_VECTORS,
  FN_TABLE,
  type VirtioPciShared,
} from './words.js';

/** PCI_STATUS_INTERRUPT in the dword of the command register. */
const STATUS_BIT = PCI_STATUS_INTERRUPT << 16;

/** How a function's interrupts reach the guest. */
export interface PciInterruptPorts {
  readonly lines: LineSink;
  /** GSI of the function's line. Its number on it is its slot. */
  readonly gsi: number;
  /** By vector: what delivers its message (an eventfd behind an irqfd). */
  readonly signals: readonly Signal[];
  /** What vectors deliver. The reactor's half never changes that: it may pass {@link NO_ROUTES}. */
  readonly routes: MsiRoutes;
}

/** For the half that changes no routes. */
export const NO_ROUTES: MsiRoutes = { setMessage: () => undefined };

/** See the file's head. Thread: any, one object per thread. */
export class PciInterrupts implements TrappedInterrupts {
  readonly #words: Int32Array;
  readonly #lock: SharedLock;
  readonly #config: ConfigWords;
  readonly #status: InterruptStatus;
  readonly #msix: Msix;
  readonly #lines: LineSink;
  readonly #gsi: number;
  readonly #slot: number;

  constructor(shared: VirtioPciShared, ports: PciInterruptPorts) {
    this.#words = new Int32Array(shared.words);
    this.#lock = new SharedLock(this.#words, FN_LOCK);
    this.#config = new ConfigWords(shared.pci, shared.slot);
    this.#status = new InterruptStatus(shared.registers);
    this.#msix = new Msix(this.#words, { slot: shared.slot, signals: ports.signals, routes: ports.routes });
    this.#lines = ports.lines;
    this.#gsi = ports.gsi;
    this.#slot = shared.slot;
  }

  // The reactor's half

  queue(index: number): void {
    this.#interrupt(FN_QUEUE_VECTORS + index, ISR_QUEUE);
  }

  config(): void {
    this.#interrupt(FN_CONFIG_VECTOR, ISR_CONFIG);
  }

  #interrupt(vectorWord: number, reason: number): void {
    this.#lock.lock();
    if (this.#msix.enabled) {
      this.#msix.send(i32At(this.#words, vectorWord));
    } else {
      this.#status.raise(reason);
      this.#showLine();
    }
    this.#lock.unlock();
  }

  // The vCPUs' half

  /** The driver reads the ISR byte. @returns its bits, which are 0 from now on */
  takeStatus(): number {
    this.#lock.lock();
    const status = this.#status.take();
    this.#showLine();
    this.#lock.unlock();
    return status;
  }

  /** The driver has reset the device: no vector is assigned, nothing waits. The MSI-X table stays. */
  reset(): void {
    this.#lock.lock();
    this.#words.fill(VIRTIO_MSI_NO_VECTOR, FN_CONFIG_VECTOR, FN_TABLE);
    this.#msix.forget();
    this.#showLine();
    this.#lock.unlock();
  }

  /** The command register was written. */
  setCommand(command: number): void {
    this.#lock.lock();
    this.#words[FN_LINE_DISABLED] = (command & PCI_COMMAND_INTX_DISABLE) !== 0 ? 1 : 0;
    this.#showLine();
    this.#lock.unlock();
  }

  /** The message control of MSI-X was written. */
  setMessageControl(control: number): void {
    this.#lock.lock();
    this.#msix.setControl(control);
    this.#showLine();
    this.#lock.unlock();
  }

  /** config_msix_vector. */
  configVector(): number {
    return Atomics.load(this.#words, FN_CONFIG_VECTOR);
  }

  /** As {@link configVector}. @param vector one the function has; anything else becomes "none" */
  setConfigVector(vector: number): void {
    this.#setVector(FN_CONFIG_VECTOR, vector);
  }

  /** queue_msix_vector. @param queue 0 ... MAX_QUEUES - 1 */
  queueVector(queue: number): number {
    return Atomics.load(this.#words, FN_QUEUE_VECTORS + queue);
  }

  setQueueVector(queue: number, vector: number): void {
    this.#setVector(FN_QUEUE_VECTORS + queue, vector);
  }

  #setVector(word: number, vector: number): void {
    this.#lock.lock();
    this.#words[word] = vector < this.#msix.vectors ? vector : VIRTIO_MSI_NO_VECTOR;
    this.#lock.unlock();
  }

  /** MSI-X table and pending bits. @param offset multiple of 4 @returns a dword */
  readTable(offset: number): number {
    this.#lock.lock();
    const value = this.#msix.readTable(offset);
    this.#lock.unlock();
    return value;
  }

  writeTable(offset: number, value: number): void {
    this.#lock.lock();
    this.#msix.writeTable(offset, value);
    this.#lock.unlock();
  }

  readPending(offset: number): number {
    this.#lock.lock();
    const value = this.#msix.readPending(offset);
    this.#lock.unlock();
    return value;
  }

  /** Shows the line as it should be. Under the lock. */
  #showLine(): void {
    const wanted = this.#status.load() !== 0 && !this.#msix.enabled;
    if (wanted) this.#config.set(PCI_COMMAND, STATUS_BIT);
    else this.#config.clear(PCI_COMMAND, STATUS_BIT);
    const level = wanted && i32At(this.#words, FN_LINE_DISABLED) === 0;
    if (level === (i32At(this.#words, FN_LINE) !== 0)) return;
    this.#words[FN_LINE] = level ? 1 : 0;
    this.#lines.setLevel(this.#gsi, this.#slot, level);
  }
}

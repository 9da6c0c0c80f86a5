/**
 * Where a vCPU's exits go: ports and memory with devices behind them, handled on this thread.
 *
 * Thread: vCPU.
 */
import { Bus } from '../bus/bus.js';
import { addPlatform } from '../platform/platform.js';
import type { MachineEnd } from '../platform/ports.js';
import type { VcpuPort } from '../workers/vcpu/access-port.js';
import { VCPU_DEBUG_EXIT, VCPU_GO_ON, VCPU_POWERED_OFF, VCPU_RESET } from '../workers/vcpu/outcome.js';
import type { MachineParts } from './machine-parts.js';
import { threadParts } from './thread-parts.js';

/** One vCPU's view of the machine. */
export class MachinePort implements VcpuPort, MachineEnd {
  outcome = VCPU_GO_ON;
  outcomeValue = 0;
  readonly #pio = new Bus('pio');
  readonly #mmio = new Bus('mmio');

  constructor(parts: MachineParts) {
    const { platformPorts } = threadParts(parts, this);
    addPlatform(this.#pio, parts.platform, platformPorts);
  }

  pioWrite(port: number, bytes: number, value: number): void {
    this.#pio.write(port, bytes, value);
  }

  pioRead(port: number, bytes: number): number {
    return this.#pio.read(port, bytes);
  }

  mmioWrite(gpa: number, bytes: number, value: number): void {
    this.#mmio.write(gpa, bytes, value);
  }

  mmioRead(gpa: number, bytes: number): number {
    return this.#mmio.read(gpa, bytes);
  }

  powerOff(): void {
    this.outcome = VCPU_POWERED_OFF;
  }

  reset(): void {
    this.outcome = VCPU_RESET;
  }

  debugExit(code: number): void {
    this.outcome = VCPU_DEBUG_EXIT;
    this.outcomeValue = code;
  }
}

/**
 * Counts a vCPU's exits by address, for finding out what a guest does most. Switched on by the environment variable
 * LKVM_EXIT_STATS (any value; a number of lines above 50, to have more); prints to the standard error when the vCPU ends.
 *
 * Thread: vCPU.
 */
import type { VcpuPort } from '../workers/vcpu/access-port.js';

const HIGH = 0x1_0000_0000_0000;
const KINDS = ['in', 'out', 'mmio read', 'mmio write'] as const;
const IN = 0;
const OUT = 1;
const READ = 2;
const WRITE = 3;
/** Lines that are printed, if not more are asked for. */
const LINES = 50;

/** Passes every access on to another port, and counts it. */
export class ExitCounts implements VcpuPort {
  readonly #port: VcpuPort;
  /** By kind and address. */
  readonly #counts = new Map<number, number>();
  readonly #write: (text: string) => void;
  readonly #lines: number;

  /** @param setting the variable's value */
  constructor(port: VcpuPort, write: (text: string) => void, setting: string) {
    this.#port = port;
    this.#write = write;
    this.#lines = Math.max(LINES, Number(setting) || 0);
  }

  get outcome(): number {
    return this.#port.outcome;
  }

  get outcomeValue(): number {
    return this.#port.outcomeValue;
  }

  pioWrite(port: number, bytes: number, value: number): void {
    this.#count(OUT, port);
    this.#port.pioWrite(port, bytes, value);
  }

  pioRead(port: number, bytes: number): number {
    this.#count(IN, port);
    return this.#port.pioRead(port, bytes);
  }

  mmioWrite(gpa: number, bytes: number, value: number): void {
    this.#count(WRITE, gpa);
    this.#port.mmioWrite(gpa, bytes, value);
  }

  mmioRead(gpa: number, bytes: number): number {
    this.#count(READ, gpa);
    return this.#port.mmioRead(gpa, bytes);
  }

  close(): void {
    this.#port.close();
    const sorted = [...this.#counts].sort(([, a], [, b]) => b - a);
    const total = sorted.reduce((sum, [, count]) => sum + count, 0);
    const lines = sorted.slice(0, this.#lines).map(([key, count]) => {
      const address = (key % HIGH).toString(16);
      return `${String(count).padStart(9)}  ${KINDS[Math.floor(key / HIGH)]} 0x${address}\n`;
    });
    this.#write(`exits of a vCPU by address: ${total} at ${sorted.length} addresses\n${lines.join('')}`);
  }

  #count(kind: number, address: number): void {
    const key = kind * HIGH + address;
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  }
}

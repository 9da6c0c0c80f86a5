/** A platform on a port bus, with everything it does to its surroundings recorded. */
import { Bus } from '#lkvm/bus/bus.js';
import { addPlatform, createPlatform, type Platform, type PlatformShared } from '#lkvm/platform/platform.js';
import { SharedLines } from '#lkvm/platform/shared-lines.js';
import { PLATFORM_LAYOUT } from '#lkvm/vmm/platform-layout.js';

const MIB = 1024 * 1024;

export interface PlatformRigOptions {
  readonly debugExitPort?: number;
  readonly lowBytes?: number;
  readonly highBytes?: number;
  readonly cpus?: number;
}

/** See the file's head. Time stands still unless a test moves it. */
export class PlatformRig {
  readonly pio = new Bus('pio');
  readonly shared: PlatformShared;
  readonly platform: Platform;
  /** Changes of interrupt lines: "4+", "4-". */
  readonly changes: string[] = [];
  /** How the machine was ended: "off", "reset", "exit 16". */
  readonly ends: string[] = [];
  doorbells = 0;
  monotonicUs = 1_000_000;
  wallMs = Date.UTC(2026, 0, 2, 3, 4, 5);
  readonly #levels = new Map<number, boolean>();

  constructor(options: PlatformRigOptions = {}) {
    const { debugExitPort, lowBytes = 512 * MIB, highBytes = 0, cpus = 1 } = options;
    this.shared = createPlatform({ layout: PLATFORM_LAYOUT, debugExitPort, lowBytes, highBytes, cpus });
    this.platform = addPlatform(this.pio, this.shared, {
      lines: new SharedLines(this.shared.lines, (gsi, level) => {
        this.changes.push(`${gsi}${level ? '+' : '-'}`);
        this.#levels.set(gsi, level);
      }),
      end: {
        powerOff: () => this.ends.push('off'),
        reset: () => this.ends.push('reset'),
        debugExit: (code) => this.ends.push(`exit ${code}`),
      },
      clock: { monotonicUs: () => this.monotonicUs, wallMs: () => this.wallMs },
      doorbell: () => this.doorbells++,
      configPorts: undefined,
    });
  }

  level(gsi: number): boolean {
    return this.#levels.get(gsi) ?? false;
  }

  in(port: number): number {
    return this.pio.read(port, 1) & 0xff;
  }

  out(port: number, ...values: number[]): void {
    for (const value of values) this.pio.write(port, 1, value);
  }

  /** What a device has put out and nobody has taken yet. */
  output(source: {
    readonly output: { take(to: Uint8Array, offset: number, limit: number): number };
  }): string {
    const bytes = new Uint8Array(0x10000);
    return Buffer.from(bytes.subarray(0, source.output.take(bytes, 0, bytes.length))).toString('latin1');
  }
}

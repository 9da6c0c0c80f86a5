/** What the platform's devices need of the machine around them, and where they are. */
import type { BusDevice } from '../bus/bus.js';
import type { LineSink } from '../bus/lines.js';

/**
 * How a device ends the machine. The access that caused it completes; the guest must not be entered again for long.
 * Thread: vCPU.
 */
export interface MachineEnd {
  /** The guest has switched itself off. */
  powerOff(): void;
  /** The guest wants to start again. */
  reset(): void;
  /** The guest wrote to the debug-exit port. @param code the value written, unsigned; see `debugExitStatus` */
  debugExit(code: number): void;
}

/** What time it is. Hot path. */
export interface Clock {
  /** Microseconds on a monotonic clock, with a fraction; the same clock in every thread, to within some microseconds. */
  monotonicUs(): number;
  /** Milliseconds since 1970, UTC. */
  wallMs(): number;
}

/** Where the platform's devices are: plain data, from the machine's memory map. */
export interface PlatformLayout {
  /** First ports of ttyS0 ... ttyS3. */
  readonly serialPorts: readonly number[];
  readonly serialGsis: readonly number[];
  readonly keyboardGsi: number;
  readonly sciGsi: number;
  readonly pmEventPort: number;
  readonly pmControlPort: number;
  readonly pmTimerPort: number;
  /** SLP_TYP that means power off. */
  readonly sleepTypeOff: number;
  /** Reset control register; between `PCI_CONFIG_PORT` and its end. */
  readonly resetPort: number;
}

/** Ports of all devices, in one thread. */
export interface PlatformPorts {
  readonly lines: LineSink;
  readonly end: MachineEnd;
  readonly clock: Clock;
  /** Wakes whoever takes output out of the rings (an eventfd write). Coalesced: rare. */
  doorbell(): void;
  /** Ports 0xcf8 ... 0xcff, except the reset control register among them; undefined = nobody. */
  readonly configPorts: BusDevice | undefined;
}

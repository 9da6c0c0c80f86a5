/**
 * All of the platform: its memory, made once; its devices, made in every thread that needs them; its ports.
 *
 * Main calls {@link createPlatform} and sends the result (plain data) to the other threads. Each vCPU's thread calls
 * {@link addPlatform}; the reactor and main, which need devices but no bus, call {@link attachPlatform}.
 */
import * as acpi from '../abi/acpi-pm.js';
import * as pc from '../abi/pc.js';
import { UART_REGISTERS } from '../abi/uart.js';
import type { Bus, BusDevice } from '../bus/bus.js';
import { ConfigError } from '../util/errors.js';
import { AcpiPm, createAcpiPm } from './acpi-pm.js';
import { Cmos, type CmosSpec, createCmos } from './cmos.js';
import {
  createDebugOutput,
  createPhases,
  DEBUG_EXIT_PORTS,
  DebugExit,
  DebugOutput,
  PhaseMarks,
} from './debug-ports.js';
import { createI8042, I8042 } from './i8042.js';
import type { PlatformLayout, PlatformPorts } from './ports.js';
import { QuietPorts, SystemControlB } from './quiet-ports.js';
import { ResetControl, SystemControlA } from './reset-ports.js';
import { Serial8250 } from './serial.js';
import { createSerial } from './serial-words.js';
import { createLines } from './shared-lines.js';

/** What a platform is made for. */
export interface PlatformSpec extends CmosSpec {
  readonly layout: PlatformLayout;
  /** Port of the debug-exit device; undefined = none. */
  readonly debugExitPort: number | undefined;
}

/** A platform's memory. Plain data: part of the `data` of the threads that need it. */
export interface PlatformShared {
  readonly layout: PlatformLayout;
  readonly debugExitPort: number | undefined;
  /** For `SharedLines`, which all devices of the machine use, not only the platform's. */
  readonly lines: SharedArrayBuffer;
  /** ttyS0 ... ttyS3. */
  readonly serial: readonly SharedArrayBuffer[];
  readonly keyboard: SharedArrayBuffer;
  readonly cmos: SharedArrayBuffer;
  readonly pm: SharedArrayBuffer;
  /** Output of port 0xe9. */
  readonly debugOutput: SharedArrayBuffer;
  /** Output of port 0x402. */
  readonly firmwareOutput: SharedArrayBuffer;
  /** For `phases`. */
  readonly phases: SharedArrayBuffer;
}

/** The devices whose state is shared, in one thread. */
export interface Platform {
  /** ttyS0 ... ttyS3. */
  readonly serial: readonly Serial8250[];
  readonly keyboard: I8042;
  readonly cmos: Cmos;
  readonly pm: AcpiPm;
  readonly debugOutput: DebugOutput;
  readonly firmwareOutput: DebugOutput;
}

/** Ports that exist on a PC, do nothing here, and are no reason to report an access: first and how many. */
const QUIET: readonly (readonly [number, number])[] = [
  [pc.DMA1_PORT, 32],
  [pc.DMA_PAGE_PORT, 15],
  [pc.DMA2_PORT, 32],
  [pc.DELAY_PORT, 1],
  [pc.COPROCESSOR_PORT, 2],
  [0x278, 3], // parallel ports
  [0x378, 3],
  [0x3b0, 48], // graphics: 0x3b0 ... 0x3df
  [0x510, 2], // configuration of QEMU's firmware
];

/** Ports that the kernel's interrupt controllers and timer answer. */
const IN_KERNEL: readonly (readonly [number, number])[] = [
  [0x20, 2],
  [0x40, 4],
  [0xa0, 2],
  [0x4d0, 2],
];

/**
 * Makes the memory of a platform. Thread: main.
 * Errors: ConfigError if the debug-exit port is another device's, or no port.
 */
export function createPlatform(spec: PlatformSpec): PlatformShared {
  if (spec.debugExitPort !== undefined) checkDebugExitPort(spec.debugExitPort, spec.layout);
  return {
    layout: spec.layout,
    debugExitPort: spec.debugExitPort,
    lines: createLines(),
    serial: spec.layout.serialPorts.map(createSerial),
    keyboard: createI8042(),
    cmos: createCmos(spec),
    pm: createAcpiPm(),
    debugOutput: createDebugOutput(),
    firmwareOutput: createDebugOutput(),
    phases: createPhases(),
  };
}

/** Makes the devices in this thread, without a bus. Thread: any. */
export function attachPlatform(shared: PlatformShared, ports: PlatformPorts): Platform {
  const { layout } = shared;
  const { lines, end, clock } = ports;
  const doorbell = (): void => ports.doorbell();
  return {
    serial: shared.serial.map((memory, index) => {
      const gsi = layout.serialGsis[index] ?? 0;
      return new Serial8250(memory, { lines, gsi, source: index, doorbell });
    }),
    keyboard: new I8042(shared.keyboard, { lines, gsi: layout.keyboardGsi, source: 0, end }),
    cmos: new Cmos(shared.cmos, clock),
    pm: new AcpiPm(shared.pm, {
      lines,
      gsi: layout.sciGsi,
      source: 0,
      end,
      clock,
      sleepTypeOff: layout.sleepTypeOff,
    }),
    debugOutput: new DebugOutput(shared.debugOutput, doorbell),
    firmwareOutput: new DebugOutput(shared.firmwareOutput, doorbell),
  };
}

/**
 * Makes the devices in this thread and puts all of them on a port bus.
 *
 * Thread: vCPU. Errors: InvariantError if the layout or the debug-exit port overlaps with something.
 */
export function addPlatform(pio: Bus, shared: PlatformShared, ports: PlatformPorts): Platform {
  const { layout } = shared;
  const { end, clock } = ports;
  const platform = attachPlatform(shared, ports);
  platform.serial.forEach((port, i) => {
    pio.add(layout.serialPorts[i] ?? 0, UART_REGISTERS, port);
  });
  pio.add(pc.KEYBOARD_DATA_PORT, 1, platform.keyboard.data);
  pio.add(pc.KEYBOARD_COMMAND_PORT, 1, platform.keyboard.command);
  pio.add(pc.CMOS_INDEX_PORT, 2, platform.cmos);
  pio.add(layout.pmEventPort, acpi.PM1_EVENT_BYTES, platform.pm.event);
  pio.add(layout.pmControlPort, acpi.PM1_CONTROL_BYTES, platform.pm.control);
  pio.add(layout.pmTimerPort, acpi.PM_TIMER_BYTES, platform.pm.timer);
  const config = new ResetControl(layout.resetPort, ports.configPorts, end);
  pio.add(pc.PCI_CONFIG_PORT, pc.PCI_CONFIG_PORTS, config);
  pio.add(pc.SYSTEM_CONTROL_A_PORT, 1, new SystemControlA(end));
  pio.add(pc.SYSTEM_CONTROL_B_PORT, 1, new SystemControlB());
  pio.add(pc.DEBUG_PORT, 1, platform.debugOutput);
  pio.add(pc.FIRMWARE_DEBUG_PORT, 1, platform.firmwareOutput);
  pio.add(pc.DIAGNOSTIC_PORT, 1, new PhaseMarks(shared.phases, clock));
  if (shared.debugExitPort !== undefined) pio.add(shared.debugExitPort, DEBUG_EXIT_PORTS, new DebugExit(end));
  addQuietPorts(pio, shared.debugExitPort);
  return platform;
}

/** Quiet ports that the debug-exit device has taken stay its own. */
function addQuietPorts(pio: Bus, debugExitPort: number | undefined): void {
  const quiet: BusDevice = new QuietPorts();
  for (const [first, count] of QUIET) {
    if (debugExitPort === undefined || !overlaps(debugExitPort, DEBUG_EXIT_PORTS, first, count)) {
      pio.add(first, count, quiet);
    }
  }
}

/** First and number of ports of every device that does something. */
function devicePorts(layout: PlatformLayout): (readonly [number, number])[] {
  return [
    ...IN_KERNEL,
    ...layout.serialPorts.map((first) => [first, UART_REGISTERS] as const),
    [pc.KEYBOARD_DATA_PORT, 2], // with system control port B behind it
    [pc.KEYBOARD_COMMAND_PORT, 1],
    [pc.CMOS_INDEX_PORT, 2],
    [pc.DIAGNOSTIC_PORT, 1],
    [pc.SYSTEM_CONTROL_A_PORT, 1],
    [pc.DEBUG_PORT, 1],
    [pc.FIRMWARE_DEBUG_PORT, 1],
    [pc.PCI_CONFIG_PORT, pc.PCI_CONFIG_PORTS],
    [layout.pmEventPort, acpi.PM1_EVENT_BYTES],
    [layout.pmControlPort, acpi.PM1_CONTROL_BYTES],
    [layout.pmTimerPort, acpi.PM_TIMER_BYTES],
  ];
}

/** Errors: ConfigError if the port is another device's, or no port. */
export function checkDebugExitPort(port: number, layout: PlatformLayout): void {
  const isPort = Number.isInteger(port) && port >= 0 && port + DEBUG_EXIT_PORTS <= 0x1_0000;
  const taken = devicePorts(layout).some(([first, count]) => overlaps(port, DEBUG_EXIT_PORTS, first, count));
  if (isPort && !taken) return;
  const why = isPort ? 'another device has it or one of the three behind it' : 'allowed: 0 ... 0xfffc';
  throw new ConfigError(`debug-exit port 0x${port.toString(16)}: ${why}; usual are 0xf4 and 0x501`);
}

function overlaps(a: number, aCount: number, b: number, bCount: number): boolean {
  return a < b + bCount && b < a + aCount;
}

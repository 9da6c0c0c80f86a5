/** Where the debug-exit device may be: tried on a platform that nobody uses. Thread: main. */
import { Bus } from '../bus/bus.js';
import { addPlatform, createPlatform } from '../platform/platform.js';
import type { PlatformPorts } from '../platform/ports.js';
import { ConfigError } from '../util/errors.js';
import { PLATFORM_LAYOUT } from './platform-layout.js';

/** The device answers 4 ports. */
const MAX_PORT = 0xfffc;
/** Interrupt controllers and timer, which KVM answers itself: first port and how many. */
const IN_KERNEL: readonly (readonly [number, number])[] = [
  [0x20, 2],
  [0x40, 4],
  [0xa0, 2],
  [0x4d0, 2],
];

const nothing = (): void => undefined;
const UNUSED_PORTS: PlatformPorts = {
  lines: { setLevel: nothing },
  end: { powerOff: nothing, reset: nothing, debugExit: nothing },
  clock: { monotonicUs: () => 0, wallMs: () => 0 },
  doorbell: nothing,
  configPorts: undefined,
};

/** Errors: ConfigError for a number that is no port, or one where another device is. */
export function checkDebugExitPort(port: number): void {
  const advice = 'usual are 0xf4 and 0x501';
  if (!Number.isInteger(port) || port < 0 || port > MAX_PORT) {
    throw new ConfigError(`--debug-exit=${port}: a port is 0 ... 0xfffc; ${advice}`);
  }
  try {
    tryPort(port);
  } catch {
    throw new ConfigError(`--debug-exit=0x${port.toString(16)}: another device has that port; ${advice}`);
  }
}

function tryPort(debugExitPort: number): void {
  const pio = new Bus('pio');
  const kernel = { read: () => 0, write: () => undefined };
  for (const [first, count] of IN_KERNEL) pio.add(first, count, kernel);
  const spec = { layout: PLATFORM_LAYOUT, debugExitPort, lowBytes: 0, highBytes: 0, cpus: 1 };
  addPlatform(pio, createPlatform(spec), UNUSED_PORTS);
}

/** Objects that every thread of a machine makes for itself over the shared memory. Thread: any. */
import { Vm } from '../kvm/vm.js';
import type { Clock, MachineEnd, PlatformPorts } from '../platform/ports.js';
import { SharedLines } from '../platform/shared-lines.js';
import { eventfdSignal } from '../sys/eventfd.js';
import { monotonicUs } from '../util/clock.js';
import type { MachineParts } from './machine-parts.js';

/** Time, for the platform's devices. */
export const CLOCK: Clock = { monotonicUs, wallMs: () => Date.now() };

/** The end of a machine as seen by a thread that runs no vCPU: nothing there can end it. */
export const NO_END: MachineEnd = {
  powerOff: () => undefined,
  reset: () => undefined,
  debugExit: () => undefined,
};

/** What a thread needs before it makes any device. */
export interface ThreadParts {
  readonly vm: Vm;
  readonly lines: SharedLines;
  readonly platformPorts: PlatformPorts;
}

/** @param end what happens when the guest ends the machine */
export function threadParts(parts: MachineParts, end: MachineEnd): ThreadParts {
  const vm = new Vm(parts.vm);
  const lines = new SharedLines(parts.platform.lines, (gsi, level) => void vm.irqLine(gsi, level ? 1 : 0));
  const doorbell = (): void => void eventfdSignal(parts.serialDoorbellFd);
  return { vm, lines, platformPorts: { lines, end, clock: CLOCK, doorbell, configPorts: undefined } };
}

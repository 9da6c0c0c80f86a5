// A PCI bus whose functions record what reaches them.
import { PCI_COMMAND } from '#lkvm/abi/pci.js';
import type { BusDevice } from '#lkvm/bus/bus.js';
import { PciEcam, PciPorts } from '#lkvm/bus/pci/config-access.js';
import { createPci } from '#lkvm/bus/pci/create.js';
import type { PciFunction, PciFunctionSpec } from '#lkvm/bus/pci/function.js';
import { HOST_BRIDGE } from '#lkvm/bus/pci/host-bridge.js';
import { PciSpace } from '#lkvm/bus/pci/space.js';
import { PciWindow } from '#lkvm/bus/pci/window.js';

export const ALL = 0xffff_ffff;
/** Small, so that its end is easily reached. */
export const WINDOW = { start: 0xf000_0000, bytes: 0x1_0000 };

/** Two BARs (0: 4 KiB, 2: 16 bytes) and two capabilities, of 12 and 8 bytes, two bits of the second writable. */
export const SIMPLE: PciFunctionSpec = {
  vendor: 0x1234,
  device: 0x5678,
  subsystemVendor: 0x9abc,
  subsystem: 0xdef0,
  revision: 1,
  classCode: 0xff_0000,
  interruptPin: 1,
  interruptLine: 11,
  bars: [
    { index: 0, bytes: 0x1000 },
    { index: 2, bytes: 16 },
  ],
  capabilities: [
    { bytes: Uint8Array.of(9, 0, 8, 0x14, 0, 0, 0, 0, 0, 0, 0, 0), writable: new Uint8Array(0) },
    { bytes: Uint8Array.of(0x11, 0, 2, 0, 0, 0, 0, 0), writable: Uint8Array.of(0, 0, 0, 0xc0) },
  ],
  scratch: [],
};

/** Reads as slot << 16 | BAR << 12 | offset. */
export class RecordingFunction implements PciFunction {
  readonly log: string[] = [];
  readonly dataRegister: number;
  readonly #slot: number;
  #reads = 0;

  constructor(slot: number, dataRegister: number) {
    this.#slot = slot;
    this.dataRegister = dataRegister;
  }

  read(bar: number, offset: number): number {
    return (this.#slot << 16) | (bar << 12) | offset;
  }

  write(bar: number, offset: number, bytes: number, value: number): void {
    this.log.push(`write ${bar}+0x${offset.toString(16)} ${bytes} 0x${value.toString(16)}`);
  }

  placed(bar: number, gpa: number): void {
    this.log.push(gpa < 0 ? `bar ${bar} nowhere` : `bar ${bar} at 0x${gpa.toString(16)}`);
  }

  configWritten(register: number, value: number): void {
    const name = register === PCI_COMMAND ? 'command' : `register 0x${register.toString(16)}`;
    this.log.push(`${name} 0x${(register === PCI_COMMAND ? value & 0xffff : value >>> 0).toString(16)}`);
  }

  readData(): number {
    return 0xdada_0000 + ++this.#reads;
  }

  writeData(value: number): void {
    this.log.push(`data 0x${(value >>> 0).toString(16)}`);
  }
}

/** Configuration space by slot and register, one way or the other. */
export interface ConfigAccess {
  readonly device: BusDevice;
  /** Masked to its width. */
  read(slot: number, register: number, bytes: number): number;
  write(slot: number, register: number, bytes: number, value: number): void;
}

/** @returns bits 0 ... 8 x bytes - 1, as a bus returns them to a guest */
function cut(value: number, bytes: number): number {
  return bytes === 4 ? value >>> 0 : (value & ((1 << (8 * bytes)) - 1)) >>> 0;
}

export function byPorts(device: BusDevice): ConfigAccess {
  const select = (slot: number, register: number): number => {
    device.write(0, 4, (0x8000_0000 | (slot << 11) | (register & 0xfc)) >>> 0);
    return 4 + (register & 3);
  };
  return {
    device,
    read: (slot, register, bytes) => cut(device.read(select(slot, register), bytes), bytes),
    write: (slot, register, bytes, value) => device.write(select(slot, register), bytes, value >>> 0),
  };
}

export function byEcam(device: BusDevice): ConfigAccess {
  return {
    device,
    read: (slot, register, bytes) => cut(device.read((slot << 15) | register, bytes), bytes),
    write: (slot, register, bytes, value) => device.write((slot << 15) | register, bytes, value >>> 0),
  };
}

/** The host bridge, and these functions from slot 1 on. @param dataRegister of each of them */
export function makePci(specs: readonly (PciFunctionSpec | undefined)[], dataRegister = -1) {
  const shared = createPci({ functions: [HOST_BRIDGE, ...specs], window: WINDOW });
  const functions = [
    undefined,
    ...specs.map((spec, i) => (spec === undefined ? undefined : new RecordingFunction(i + 1, dataRegister))),
  ];
  const space = new PciSpace(shared, functions);
  const ports = new PciPorts(shared, space);
  const window = new PciWindow(space, WINDOW.start);
  return {
    shared,
    space,
    functions,
    ports,
    config: byPorts(ports),
    ecam: byEcam(new PciEcam(space)),
    /** By offset in the window. */
    memory: {
      read: (offset: number, bytes: number): number => cut(window.read(offset, bytes), bytes),
      write: (offset: number, bytes: number, value: number): void => window.write(offset, bytes, value),
    },
  };
}

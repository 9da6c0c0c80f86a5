/**
 * What a KVM machine is made of: plain data, built by the command line or by a library user, checked once
 * (`build-config.ts`), and sent to the workers.
 */
import type { HvlConfig } from '../machine/hvl-config.js';
import type { DeviceSpec } from '../workers/reactor/device-spec.js';
import type { PollSpec } from '../workers/reactor/poll-of.js';

/** How the guest starts. Paths are absolute or relative to the process's directory. */
export interface BootSpec {
  /** Kernel: bzImage, ELF (PVH, multiboot or 64-bit vmlinux) or a flat real-mode binary. Exactly one of kernel and firmware. */
  readonly kernel: string | undefined;
  /** Firmware image, mapped to end at 4 GiB. */
  readonly firmware: string | undefined;
  readonly initrd: string | undefined;
  /** The whole command line, as the guest will see it. */
  readonly commandLine: string;
  /** The kernel is a VxWorks image: loaded and entered as the C tool does it. */
  readonly vxworks: boolean;
}

/** Host end of a serial port. */
export interface SerialSpec {
  /** -1 = no input, no output: the port is there and its output goes nowhere. */
  readonly inputFd: number;
  readonly outputFd: number;
  readonly escape: 'ctrl-a' | 'ctrl-c' | 'none';
}

/** Transport of one virtio device. */
export type TransportKind = 'pci' | 'mmio';

/** A virtio device of the machine. */
export interface VmDeviceSpec {
  readonly transport: TransportKind;
  readonly spec: DeviceSpec;
}

/** Hypervisorless devices of a KVM machine: a pool beside its RAM, a doorbell and an interrupt line. */
export interface VmHvlConfig extends HvlConfig {
  /** GSI of the one interrupt, an edge for whatever there is to say. */
  readonly irq: number;
  /** A store to a doorbell waits until the devices have been looked at; it is an exit then. For VxWorks. */
  readonly storesWait: boolean;
}

/** A checked configuration. */
export interface VmConfig {
  readonly name: string;
  /** KVM device node. */
  readonly kvmPath: string;
  /** 1 ... 255; checked against KVM when the machine is made. */
  readonly cpus: number;
  /** Multiple of 4096. */
  readonly ramBytes: number;
  /** Mount point of a hugetlbfs that backs RAM; undefined = anonymous memory. */
  readonly hugetlbfs: string | undefined;
  readonly boot: BootSpec;
  /** Ports ttyS0 ... ttyS3, always four. */
  readonly serial: readonly SerialSpec[];
  /** In slot order; PCI slot 1 is the first PCI device (slot 0 is the host bridge). */
  readonly devices: readonly VmDeviceSpec[];
  /** Further devices, which are reached without traps; undefined = none. */
  readonly hvl: VmHvlConfig | undefined;
  /** Port of the debug-exit device; undefined = none. */
  readonly debugExitPort: number | undefined;
  readonly debug: { readonly ioport: boolean; readonly mmio: boolean; readonly singleStep: boolean };
  /** When to look at queues instead of sleeping. */
  readonly poll: PollSpec;
}

/** All devices of a machine, in the order in which they are opened: those behind traps, then those in the pool. */
export function allDeviceSpecs({ devices, hvl }: Pick<VmConfig, 'devices' | 'hvl'>): DeviceSpec[] {
  return [...devices.map(({ spec }) => spec), ...(hvl?.devices ?? [])];
}

/** The same configuration with other specifications of its devices. @param change keeps each device's kind */
export function withDeviceSpecs(config: VmConfig, change: <T extends DeviceSpec>(spec: T) => T): VmConfig {
  const { devices, hvl } = config;
  return {
    ...config,
    devices: devices.map((device) => ({ ...device, spec: change(device.spec) })),
    hvl: hvl === undefined ? undefined : { ...hvl, devices: hvl.devices.map(change) },
  };
}

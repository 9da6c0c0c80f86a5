/**
 * The other machine: a stock Debian kernel in QEMU's plain emulation (no KVM), joined to this one by nothing but a file
 * that is memory there. Its shell runs the lines of a test (`test/guests/inner-init.sh`).
 */
import { join } from 'node:path';
import { type KernelName, kernelFiles, skipWithoutKernel } from '../bed/cache.js';
import { writeInnerInitrd } from '../bed/initrd.js';
import { skipWithout } from '../support/tools.js';
import { HostProcess } from './host-process.js';
import { compilerFor, frontEndModule, isArm, MODULE_PATH, program, skipWithoutHeaders } from './module.js';

/** An emulated boot takes 10 to 25 s on an idle machine. */
const BOOT_LIMIT_MS = 300_000;
const COMMAND_LIMIT_MS = 120_000;
const MEMORY_MIB = 256;

/** How the pool appears in the machine. */
export type PoolPlace =
  /** As BAR 2 of an ivshmem function without doorbell and interrupt: the module finds it by itself. */
  | 'ivshmem'
  /** The same, from an ivshmem server, with doorbell and interrupt. */
  | 'doorbell'
  /** As memory that the kernel's command line keeps it off, behind all other: `base=` (x86-64 only). */
  | 'reserved'
  /** Not at all: the machine has devices of QEMU instead. */
  | 'none';

/** A machine to boot. */
export interface PeerSpec {
  readonly kernel: KernelName;
  readonly place: PoolPlace;
  /** The pool: a file of `poolBytes`, or the socket of the ivshmem server. */
  readonly pool: string;
  readonly poolBytes: number;
  /** A folder for the initrd. */
  readonly folder: string;
  /** An initrd made before; without it, one with the module and `shortread` is made. */
  readonly initrd?: string;
  /** Processors. Both kinds of kernels' locking are to be seen: default 2 with a doorbell, else 1. */
  readonly cpus?: number;
  /** QEMU's words for devices of its own. */
  readonly devices?: readonly string[];
}

/** Address of a pool that is reserved memory. */
export const RESERVED_BASE = MEMORY_MIB * 0x10_0000;

/**
 * For `test({ skip })`: false if such a machine can be had here, else the reason. In continuous integration (CI=true) all
 * but the kernel has to be there.
 */
export function skipWithoutPeer(kernel: KernelName): string | false {
  if (process.env['CI'] === 'true') return skipWithoutKernel(kernel);
  const emulator = `qemu-system-${isArm(kernel) ? 'aarch64' : 'x86_64'}`;
  return (
    skipWithout('setpriv', 'make', emulator, compilerFor(kernel)) ||
    skipWithoutKernel(kernel) ||
    skipWithoutHeaders(kernel)
  );
}

function poolArguments({ place, pool, poolBytes }: PeerSpec): string[] {
  if (place === 'doorbell') {
    return ['-chardev', `socket,id=pool,path=${pool}`, '-device', 'ivshmem-doorbell,chardev=pool'];
  }
  if (place === 'none') return [];
  const file = `memory-backend-file,id=pool,share=on,mem-path=${pool},size=${poolBytes}`;
  if (place === 'ivshmem') return ['-object', file, '-device', 'ivshmem-plain,memdev=pool'];
  return [
    ...['-object', `memory-backend-ram,id=ram,size=${MEMORY_MIB}M`, '-object', file],
    ...['-numa', 'node,memdev=ram', '-numa', 'node,memdev=pool'],
  ];
}

function qemuCommand(spec: PeerSpec, initrd: string): string[] {
  const arm = isArm(spec.kernel);
  const reserved = spec.place === 'reserved';
  const memory = reserved ? MEMORY_MIB + spec.poolBytes / 0x10_0000 : MEMORY_MIB;
  const words = `console=${arm ? 'ttyAMA0' : 'ttyS0'} quiet panic=-1 ${
    reserved ? `memmap=${spec.poolBytes}$${RESERVED_BASE}` : ''
  }`;
  return [
    ...(arm ? ['qemu-system-aarch64', '-M', 'virt', '-cpu', 'cortex-a57'] : ['qemu-system-x86_64']),
    ...['-accel', 'tcg', '-m', `${memory}M`, '-nodefaults', '-display', 'none', '-no-reboot'],
    ...['-smp', String(spec.cpus ?? (spec.place === 'doorbell' ? 2 : 1))],
    ...['-serial', 'stdio', '-kernel', kernelFiles(spec.kernel).image, '-initrd', initrd, '-append', words],
    ...poolArguments(spec),
    ...(spec.devices ?? []),
  ];
}

/** @returns its path */
function writeInitrd({ folder, kernel }: PeerSpec): string {
  const path = join(folder, `${kernel}.cpio.gz`);
  writeInnerInitrd(path, kernel, { files: [frontEndModule(kernel), program(kernel, folder, 'shortread')] });
  return path;
}

/** A machine that runs. */
export class PeerMachine {
  readonly process: HostProcess;
  readonly #spec: PeerSpec;

  private constructor(process: HostProcess, spec: PeerSpec) {
    this.process = process;
    this.#spec = spec;
  }

  /** Boots it; the module is there, but not loaded. Rejects with the console's text. */
  static async boot(spec: PeerSpec): Promise<PeerMachine> {
    const initrd = spec.initrd ?? writeInitrd(spec);
    const process = new HostProcess(`machine with ${spec.kernel}`, qemuCommand(spec, initrd));
    try {
      await process.transcript.expect(/INNER-UP .*\r?\n/, BOOT_LIMIT_MS);
    } catch (error) {
      await process.end('SIGKILL');
      throw new Error(`${error}\n${process.transcript.tail()}`);
    }
    return new PeerMachine(process, spec);
  }

  /** Loads the module. @param parameters beside those that say where the pool is */
  async loadModule(parameters = ''): Promise<void> {
    const { place, poolBytes } = this.#spec;
    const where = place === 'reserved' ? `base=${RESERVED_BASE} size=${poolBytes}` : '';
    await this.sh(`insmod ${MODULE_PATH} ${where} ${parameters}`);
  }

  /** Runs one line of shell and expects it to succeed. @returns what it has printed */
  async sh(line: string, limitMs = COMMAND_LIMIT_MS): Promise<string> {
    const { transcript } = this.process;
    this.process.write(`${line}\n`);
    const [, number] = await transcript.expect(/<<begin (\d+)>>\r?\n/, limitMs);
    const [, output = '', status] = await transcript.expect(
      new RegExp(`([^]*?)<<end ${number} (\\d+)>>`),
      limitMs,
    );
    if (status !== '0') throw new Error(`status ${status} in the machine: ${line}\n${output}`);
    return output.replaceAll('\r\n', '\n');
  }

  /** Ends it as if its plug was pulled. */
  async kill(): Promise<void> {
    await this.process.end('SIGKILL');
  }
}

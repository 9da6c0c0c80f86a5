/** A guest under test, in the outer guest: started, driven over its console, and ended. */
import { commandOf, type MachineSpec, type Vmm } from './machine.js';
import type { OuterGuest, RunOptions } from './outer.js';
import type { OuterProcess, ProcessResult } from './outer-process.js';
import type { Transcript } from './transcript.js';

/** LKVM_BED_VMM=qemu runs scenarios under QEMU: to see whether a test is wrong, or lkvm. */
const DEFAULT_VMM: Vmm = process.env['LKVM_BED_VMM'] === 'qemu' ? 'qemu' : 'lkvm';
/** An inner boot takes 6 to 12 s on an idle machine. */
export const BOOT_LIMIT_MS = 240_000;
const COMMAND_LIMIT_MS = 120_000;
const END_LIMIT_MS = 60_000;

/** What a guest says of itself when it is up. */
export interface GuestFacts {
  /** Seconds since its kernel has started. */
  readonly uptime: number;
  readonly release: string;
  readonly cpus: number;
  readonly memoryKib: number;
}

/** Result of a command in the guest. */
export interface GuestResult {
  readonly status: number;
  readonly output: string;
}

/** A guest whose first process is ours (`test/guests/inner-init.sh`). */
export class Guest {
  /** The process of the VMM. */
  readonly process: OuterProcess;
  readonly facts: GuestFacts;
  /** Milliseconds from the start of the VMM until the guest was up, as seen from the host. */
  readonly bootMs: number;

  private constructor(process: OuterProcess, facts: GuestFacts, bootMs: number) {
    this.process = process;
    this.facts = facts;
    this.bootMs = bootMs;
  }

  /** Boots a guest. Rejects with the transcript if it does not come up. */
  static async boot(outer: OuterGuest, spec: MachineSpec, vmm: Vmm = DEFAULT_VMM): Promise<Guest> {
    return await Guest.start(outer, commandOf(vmm, spec));
  }

  /** As {@link boot}, from a whole command. */
  static async start(
    outer: OuterGuest,
    command: readonly string[],
    options: RunOptions = {},
  ): Promise<Guest> {
    const start = performance.now();
    const process = outer.spawn(command, options);
    try {
      const up = /INNER-UP (\S+) (\S+) cpus=(\d+) kib=(\d+)\r?\n/;
      const [, uptime, release = '', cpus, kib] = await process.transcript.expect(up, BOOT_LIMIT_MS);
      const facts = { uptime: Number(uptime), release, cpus: Number(cpus), memoryKib: Number(kib) };
      return new Guest(process, facts, performance.now() - start);
    } catch (error) {
      process.kill('SIGKILL');
      throw error;
    }
  }

  /** Everything the guest and the VMM have printed. */
  get transcript(): Transcript {
    return this.process.transcript;
  }

  /** Runs one line of shell. */
  async run(line: string, limitMs = COMMAND_LIMIT_MS): Promise<GuestResult> {
    this.process.write(`${line}\n`);
    const [, number] = await this.transcript.expect(/<<begin (\d+)>>\r?\n/, limitMs);
    const end = new RegExp(`([^]*?)<<end ${number} (\\d+)>>`);
    const [, output = '', status] = await this.transcript.expect(end, limitMs);
    return { status: Number(status), output: output.replaceAll('\r\n', '\n') };
  }

  /** Runs one line of shell and expects it to succeed. @returns what it has printed */
  async sh(line: string, limitMs = COMMAND_LIMIT_MS): Promise<string> {
    const { status, output } = await this.run(line, limitMs);
    if (status !== 0) throw new Error(`status ${status} in the guest: ${line}`);
    return output;
  }

  /** Asks the guest for its end. */
  async end(how: 'reboot -f' | 'poweroff -f' = 'reboot -f'): Promise<ProcessResult> {
    this.process.write(`${how}\n`);
    return await this.process.result(END_LIMIT_MS);
  }

  /** Ends the VMM whatever it does; for clean-up. */
  async kill(): Promise<void> {
    this.process.kill('SIGKILL');
    await this.process.result(END_LIMIT_MS);
  }
}

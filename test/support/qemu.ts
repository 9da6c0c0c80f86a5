/** QEMU machines of tests, in its emulation (no KVM). */
import { type ChildProcess, spawn } from 'node:child_process';
import type { TestContext } from 'node:test';
import { skipWithout } from './tools.js';

/** For `test({ skip })`: tests that compile a bare-metal image and boot it in QEMU. */
export function skipWithoutQemu(): string | false {
  return skipWithout('qemu-system-x86_64', 'gcc', 'setpriv');
}

/** How a machine has ended. */
export interface QemuEnd {
  /** QEMU's exit code: 1 after an image's `finish(0)`. */
  readonly code: number | null;
  /** The first serial port. */
  readonly serial: string;
  readonly stderr: string;
}

/** A running machine. */
export interface QemuMachine {
  readonly child: ChildProcess;
  readonly ended: Promise<QemuEnd>;
  /** The first serial port so far. */
  serial(): string;
}

const MACHINE = [
  ...['-accel', 'tcg', '-machine', 'pc', '-m', '32', '-display', 'none', '-vga', 'none', '-nodefaults'],
  ...['-no-reboot', '-serial', 'stdio', '-device', 'isa-debug-exit,iobase=0xf4,iosize=4'],
];

/** Boots a bare-metal image with an ivshmem device at a server's socket. Killed after the test. */
export function bootIvshmemImage(
  t: TestContext,
  image: string,
  socket: string,
  commandLine: string,
): QemuMachine {
  const device = [
    '-chardev',
    `socket,path=${socket},id=server`,
    '-device',
    'ivshmem-doorbell,chardev=server',
  ];
  const args = [...MACHINE, ...device, '-kernel', image, '-append', commandLine];
  // If the test process is killed, the kernel kills the machine.
  const words = ['--pdeathsig', 'KILL', '--', 'qemu-system-x86_64', ...args];
  const child = spawn('setpriv', words, { stdio: ['ignore', 'pipe', 'pipe'] });
  t.after(() => child.kill('SIGKILL'));
  let serial = '';
  let stderr = '';
  child.stdout.on('data', (data: Buffer) => {
    serial += data.toString('latin1');
  });
  child.stderr.on('data', (data: Buffer) => {
    stderr += data.toString('latin1');
  });
  const ended = new Promise<QemuEnd>((resolve) => {
    child.once('close', (code) => resolve({ code, serial, stderr }));
  });
  return { child, ended, serial: () => serial };
}

/** A child process with a pseudo-terminal of its own as controlling terminal. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { close, ioctl, read, write } from '#lkvm/sys/fd.js';
import { NativeBuffer } from '#lkvm/sys/map.js';
import { openPty, type Pty } from '#lkvm/sys/tty.js';

const TCGETS = 0x5401;
const LIMIT_MS = 120_000;

/** Terminal settings as bytes, to compare. */
export function terminalSettings(fd: number): Uint8Array {
  const memory = new NativeBuffer(64);
  assert.equal(ioctl(fd, TCGETS, memory.address), 0);
  return memory.u8.slice(0, 36);
}

/** See the file's head. Killed, and its terminal closed, after the test. */
export class TerminalChild {
  readonly process: ChildProcess;
  readonly pty: Pty;
  /** Settings of the terminal before the child started. */
  readonly before: Uint8Array;
  /** Settled at its end. */
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  /** Everything on the screen so far. */
  screen = '';
  readonly #reader: number;

  constructor(t: TestContext, program: string, args: readonly string[], cwd: string) {
    const pty = openPty();
    if (typeof pty === 'number') throw new Error(`no pseudo-terminal: errno ${-pty}`);
    this.pty = pty;
    this.before = terminalSettings(pty.terminal);
    this.process = spawn('setsid', ['--ctty', program, ...args], {
      cwd,
      stdio: [pty.terminal, pty.terminal, pty.terminal],
    });
    this.ended = once(this.process, 'exit').then(([code, signal]) => ({ code, signal }));
    this.#reader = pty.controller;
    const timer = setTimeout(() => this.process.kill('SIGKILL'), LIMIT_MS);
    t.after(() => {
      clearTimeout(timer);
      this.process.kill('SIGKILL');
      close(pty.controller);
      close(pty.terminal);
    });
  }

  /** Types. */
  type(text: string): void {
    write(this.#reader, Buffer.from(text));
  }

  /** Reads the screen until it shows `text`. Fails with the whole screen if it never does. */
  async shows(text: string): Promise<void> {
    const buffer = new Uint8Array(65536);
    for (const end = Date.now() + LIMIT_MS; Date.now() < end; await sleep(20)) {
      while (bytesWaiting(this.#reader) > 0) {
        this.screen += Buffer.from(buffer.subarray(0, Math.max(0, read(this.#reader, buffer)))).toString();
      }
      if (this.screen.includes(text)) return;
      if (this.process.exitCode !== null) break;
    }
    assert.fail(`the screen never shows ${JSON.stringify(text)}:\n${this.screen}`);
  }
}

const FIONREAD = 0x541b;
const waiting = new NativeBuffer(4);

function bytesWaiting(fd: number): number {
  return ioctl(fd, FIONREAD, waiting.address) < 0 ? 0 : waiting.view.getInt32(0, true);
}

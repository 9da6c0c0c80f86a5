/** A stand-in for /sys with one remote processor in it, which does what is written to its state. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { tempDir } from './temp.js';

const LOOK_MS = 2;

export class RemoteprocStandIn {
  /** Stands for /sys. */
  readonly sysfs: string;
  /** What was written to the state, and the firmware at that moment. */
  readonly orders: string[] = [];
  readonly #folder: string;
  readonly #timer: NodeJS.Timeout;

  /** @param works false: it stays "offline" whatever it is told */
  constructor(t: TestContext, works = true) {
    this.sysfs = tempDir(t);
    this.#folder = join(this.sysfs, 'class/remoteproc/remoteproc0');
    mkdirSync(this.#folder, { recursive: true });
    writeFileSync(join(this.#folder, 'firmware'), 'rproc-fw\n');
    this.become('offline');
    this.#timer = setInterval(() => this.#obey(works), LOOK_MS);
    t.after(() => clearInterval(this.#timer));
  }

  state(): string {
    return readFileSync(join(this.#folder, 'state'), 'ascii').trim();
  }

  become(state: string): void {
    writeFileSync(join(this.#folder, 'state'), `${state}\n`);
  }

  #obey(works: boolean): void {
    const state = this.state(); // a write to sysfs does not truncate
    const order = /^(start|stop)/.exec(state)?.[0];
    if (order === undefined) return;
    const firmware = readFileSync(join(this.#folder, 'firmware'), 'ascii').split('\n')[0] ?? '';
    this.orders.push(`${order} ${firmware}`);
    this.become(works && order === 'start' ? 'running' : 'offline');
  }
}

/** A PMM on this machine, another machine beside it, and a pool for both. Everything goes with the test. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { KernelName } from '../bed/cache.js';
import { lkvm, MAIN } from '../support/cli.js';
import { tempDir } from '../support/temp.js';
import { undo } from '../support/undo.js';
import { type DescribedBuffer, describedBuffers, type PoolReport, strayBuffers } from './descriptors.js';
import { HostProcess } from './host-process.js';
import { PeerMachine, type PoolPlace } from './machine.js';

const DEFAULT_POOL_BYTES = 16 << 20;
/** Where the PMM says the pool is. The other machine has it elsewhere, and has to translate. */
const PUBLISHED = 0x3700_0000;
const START_LIMIT_MS = 60_000;

/** What a rig is made of. */
export interface RigOptions {
  readonly kernel: KernelName;
  readonly place?: PoolPlace;
  readonly poolBytes?: number;
}

export class PeerRig {
  /** What 9p shows, under the tag "share". */
  readonly share: string;
  readonly #folder: string;
  readonly #pool: string;
  readonly #options: RigOptions;
  readonly #poolBytes: number;
  readonly #context: TestContext;
  #pmm: HostProcess | undefined;
  #machine: PeerMachine | undefined;

  constructor(t: TestContext, options: RigOptions) {
    this.#context = t;
    this.#options = options;
    this.#poolBytes = options.poolBytes ?? DEFAULT_POOL_BYTES;
    this.#folder = tempDir(t);
    const memory = mkdtempSync('/dev/shm/lkvm-test-');
    undo(t, () => rmSync(memory, { recursive: true, force: true }));
    this.#pool = join(memory, 'pool');
    this.share = join(this.#folder, 'share');
    mkdirSync(this.share);
  }

  /** The PMM that runs; its standard input and output are the virtio console. */
  get pmm(): HostProcess {
    if (this.#pmm === undefined) throw new Error('no PMM was started');
    return this.#pmm;
  }

  /** Starts a PMM, and waits until the pool is there. @param words its devices and layout */
  async startPmm(words: readonly string[]): Promise<HostProcess> {
    const pmm = new HostProcess('PMM', [
      ...[
        process.execPath,
        MAIN,
        'pmm',
        '--shmem-addr',
        String(PUBLISHED),
        '--shmem-size',
        String(this.#poolBytes),
      ],
      ...this.#backend(),
      ...words,
    ]);
    this.#pmm = pmm;
    undo(this.#context, async () => void (await pmm.end('SIGKILL')));
    await pmm.transcript.expect(/ready/, START_LIMIT_MS);
    return pmm;
  }

  #backend(): string[] {
    if (this.#options.place === 'doorbell') return ['--shmem-backend', `ivshmem-server:${this.#pool}`];
    return ['--shmem-backend', `file:${this.#pool}`, '--notify', 'poll:500'];
  }

  /** A path of the pool's memory. */
  get #memory(): string {
    if (this.#options.place !== 'doorbell') return this.#pool;
    const folder = `/proc/${this.pmm.pid}/fd`;
    const found = readdirSync(folder).find((name) => /memfd:/.test(readlinkSync(join(folder, name))));
    if (found === undefined) throw new Error('the PMM has no memfd');
    return join(folder, found);
  }

  /** Boots the other machine. */
  async boot(): Promise<PeerMachine> {
    const { kernel, place = 'ivshmem' } = this.#options;
    const machine = await PeerMachine.boot({
      ...{ kernel, place, pool: this.#pool, poolBytes: this.#poolBytes, folder: this.#folder },
    });
    this.#machine = machine;
    undo(this.#context, () => machine.kill());
    return machine;
  }

  /** Buffers that descriptors in the pool name or have named. */
  async describedBuffers(): Promise<DescribedBuffer[]> {
    return describedBuffers(await this.#inspect(), this.#memory);
  }

  /** Those of them that are not completely in the pool. */
  async strayBuffers(): Promise<DescribedBuffer[]> {
    return strayBuffers(await this.#inspect(), this.#memory);
  }

  async #inspect(): Promise<PoolReport> {
    const { stdout } = await lkvm(['inspect', '--json', '--shmem-backend', `file:${this.#memory}`]);
    return JSON.parse(stdout) as PoolReport;
  }

  /** Overwrites the pool with random bytes. */
  scribble(): void {
    writeFileSync(this.#pool, randomBytes(this.#poolBytes), { flag: 'r+' });
  }

  /** Runs a scenario; if it fails, the error shows what both sides have printed. */
  async run(scenario: () => Promise<void>): Promise<void> {
    try {
      await scenario();
    } catch (error) {
      const texts = [this.#pmm?.transcript, this.#machine?.process.transcript].map(
        (each) => each?.tail() ?? '',
      );
      throw new Error([error, ...texts].join('\n'), { cause: error });
    }
  }
}

/** `lkvm run`: in this release a PMM, with the fork's words. */

import type { WarmReactor } from '../pmm/warm-reactor.js';
import { ConfigError, StartError } from '../util/errors.js';
import type { CommandSpec } from './option-table.js';
import type { ParsedOptions } from './parse-options.js';
import { PMM_GROUPS } from './pmm-options.js';
import { servePmm } from './serve-pmm.js';

/** `run` without `--pmm`, or with half of it. */
function checkMode(options: ParsedOptions): void {
  if (options.has('pmm') && !options.has('rsld')) {
    throw new ConfigError('--pmm needs --rsld: write run --rsld --pmm ..., or the short form: lkvm pmm ...');
  }
  if (options.has('pmm')) {
    const [word] = options.words;
    if (word !== undefined) {
      throw new ConfigError(`unexpected word "${word}": it would be a kernel, but --pmm starts no guest`);
    }
    return;
  }
  throw new StartError(
    'KVM guests come with the next release; this one is a Physical Machine Monitor: lkvm run --rsld --pmm ..., or lkvm pmm ..., or try lkvm demo',
  );
}

export const command: CommandSpec = {
  name: 'run',
  usage: '--rsld --pmm --shmem-addr ADDR --shmem-size SIZE [OPTIONS]',
  about: [
    'Starts a machine and stays until it ends. In this release that is a PMM: it serves virtio devices to a peer (another processor, another process) over a pool of shared memory. "lkvm pmm" is the short form; its help has the details.',
  ],
  groups: PMM_GROUPS,
  examples: [
    {
      text: 'The pure PMM of the reference board, with all the words of the C tool:',
      command:
        'lkvm run --debug --vxworks --rsld --pmm --debug-nohostfs --transport mmio --shmem-addr 0x37000000 --shmem-size 0x1000000 --cpus 1 --mem 128 --no-dtb --rng --network mode=tap,tapif=tap0,trans=mmio --vproxy',
    },
  ],
  maxWords: 1,
  async run(options: ParsedOptions, reactor?: WarmReactor): Promise<number> {
    checkMode(options);
    return await servePmm(options, reactor);
  },
};

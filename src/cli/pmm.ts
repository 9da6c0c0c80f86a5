/** `lkvm pmm`: the short form of `lkvm run --rsld --pmm --transport mmio`. */
import type { WarmReactor } from '../pmm/warm-reactor.js';
import type { CommandSpec } from './option-table.js';
import type { ParsedOptions } from './parse-options.js';
import { PMM_GROUPS } from './pmm-options.js';
import { servePmm } from './serve-pmm.js';

export const command: CommandSpec = {
  name: 'pmm',
  usage: '--shmem-addr ADDR --shmem-size SIZE [OPTIONS]',
  about: [
    'Serves virtio devices to a peer over a pool of shared memory, without a hypervisor: the same as "lkvm run --rsld --pmm --transport mmio". Start it before the peer: most front ends look for the registers once.',
    'With nothing but an address and a size it expects a board: the pool in /dev/uio0 and a mailbox in /dev/umb. Without a board, name a file and a socket, and let another process be the peer.',
  ],
  groups: PMM_GROUPS,
  examples: [
    {
      text: 'Two processes on one machine: this one, and "lkvm aux" with the same file and socket',
      command:
        'lkvm pmm --shmem-addr 0x37000000 --shmem-size 16M --shmem-backend file:/dev/shm/pool --notify socket:/tmp/doorbell --console virtio --rng --9p .,share,ro',
    },
    {
      text: 'A board: pool and doorbell of the reference design, a network card on tap0, no device tree',
      command:
        'lkvm pmm --shmem-addr 0x37000000 --shmem-size 0x1000000 --no-dtb --rng --network mode=tap,tapif=tap0',
    },
    {
      text: 'Everything fixed beforehand: what is offered, queue sizes, and rings placed for a driver without handshake',
      command:
        'lkvm pmm --shmem-addr 0x37000000 --shmem-size 16M --network mode=user --features net=mac --queue-size net=64 --static=net --shmem-backend memfd --notify eventfd:/tmp/doorbell',
    },
  ],
  maxWords: 0,
  async run(options: ParsedOptions, reactor?: WarmReactor): Promise<number> {
    return await servePmm(options, reactor);
  },
};

/** From a notify setting to a doorbell. Thread: reactor. */
import { mailboxDoorbell, noDoorbell, uioDoorbell } from '../backends/doorbell/device.js';
import type { Doorbell } from '../backends/doorbell/doorbell.js';
import { type IvshmemPlace, ivshmemPeerDoorbell } from '../backends/doorbell/ivshmem-peer.js';
import { ivshmemServerDoorbell } from '../backends/doorbell/ivshmem-server.js';
import { eventfdDoorbell, type PoolHandOver, socketDoorbell } from '../backends/doorbell/socket.js';
import { InvariantError } from '../util/errors.js';
import type { EventLoop, Log } from '../util/ports.js';
import type { PmmConfig } from './config.js';

/** What some doorbells need of the pool. */
export interface PoolFacts extends PoolHandOver {
  /** Our place at an ivshmem server; only in such a pool. */
  readonly ivshmem: IvshmemPlace | undefined;
}

/** The doorbell a configuration asks for, not yet open. */
export function makeDoorbell(
  { notify, pool: spec }: PmmConfig,
  loop: EventLoop,
  log: Log,
  pool: PoolFacts,
): Doorbell {
  switch (notify.kind) {
    case 'umb':
      return mailboxDoorbell(notify.path, loop, log);
    case 'uio':
      return uioDoorbell(notify.path, loop, log);
    case 'socket':
      return socketDoorbell(notify.path, loop);
    case 'eventfd':
      return eventfdDoorbell(notify.path, loop, pool);
    case 'ivshmem-server': {
      const vectors = spec.kind === 'ivshmem-server' ? spec.vectors : 1;
      return ivshmemServerDoorbell({ path: notify.path, memoryFd: pool.fd, vectors }, loop, log);
    }
    case 'ivshmem':
      if (pool.ivshmem === undefined) throw new InvariantError('an ivshmem pool has a place at a server');
      return ivshmemPeerDoorbell(pool.ivshmem, loop, log);
    case 'poll':
      return noDoorbell();
  }
}

/** From a notify setting to a doorbell. Thread: reactor. */
import { mailboxDoorbell, noDoorbell, uioDoorbell } from '../backends/doorbell/device.js';
import type { Doorbell } from '../backends/doorbell/doorbell.js';
import { eventfdDoorbell, type PoolHandOver, socketDoorbell } from '../backends/doorbell/socket.js';
import type { EventLoop, Log } from '../util/ports.js';
import type { NotifySpec } from './config.js';

/** The doorbell a configuration asks for, not yet open. @param pool what an `eventfd:` peer is told */
export function makeDoorbell(notify: NotifySpec, loop: EventLoop, log: Log, pool: PoolHandOver): Doorbell {
  switch (notify.kind) {
    case 'umb':
      return mailboxDoorbell(notify.path, loop, log);
    case 'uio':
      return uioDoorbell(notify.path, loop, log);
    case 'socket':
      return socketDoorbell(notify.path, loop);
    case 'eventfd':
      return eventfdDoorbell(notify.path, loop, pool);
    case 'poll':
      return noDoorbell();
  }
}

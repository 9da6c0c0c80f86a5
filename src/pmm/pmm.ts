/**
 * A running Physical Machine Monitor, seen from main: starts the reactor worker over an open pool, passes on its
 * events, and takes everything down in reverse order.
 */
import { EventEmitter } from 'node:events';
import { getRandomValues } from 'node:crypto';
import { hvlDeviceTree } from '../virtio/transport/hvl/device-tree.js';
import type { HvlLayout } from '../virtio/transport/hvl/layout.js';
import { COUNTER_BYTES, COUNTER_COUNT, COUNTER_DOORBELLS, COUNTER_INTERRUPTS, COUNTER_REQUESTS, COUNTER_DROPPED, COUNTER_FAULTS, COUNTER_STARTS } from '../util/counters.js';
import type { LkvmError } from '../util/errors.js';
import type { Log } from '../util/ports.js';
import type { FileTree } from '../p9/js-tree.js';
import { serveRemoteTree } from '../p9/remote-tree.js';
import { WorkerThread } from '../workers/host.js';
import type { PmmConfig } from './config.js';
import { pmmLayout } from './memory-map.js';
import type { PmmMainMessage, PmmReactorData, PmmReactorMessage } from './messages.js';
import { openPool, type Pool } from './pool.js';

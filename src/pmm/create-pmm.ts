/**
 * The library's door: a Physical Machine Monitor from options. The command is a thin user of it.
 *
 *     await using pmm = await createPmm({ shmem: { address: 0x37000000, bytes: 16 << 20 }, devices: [{ type: 'rng' }] });
 *     pmm.on('device', ({ name, event }) => console.log(name, event));
 *     await pmm.exited;
 *
 * Thread: main.
 */
import { joinIvshmem } from '../backends/doorbell/ivshmem-peer.js';
import type { ConsoleStream } from '../machine/console-stream.js';
import { openHostEnds } from '../machine/host-ends.js';
import { poolLayout } from '../machine/pool-map.js';
import { checkServices, RemoteServices, type Services } from '../machine/remote-services.js';
import { runDownScripts, runUpScripts, tapScripts } from '../machine/tap-scripts.js';
import { COUNTER_COUNT } from '../util/counters.js';
import { fromWire, LkvmError, StartError, toWire } from '../util/errors.js';
import type { Log } from '../util/ports.js';
import { hvlDeviceTree } from '../virtio/transport/hvl/device-tree.js';
import type { ThreadOwner, WorkerThread } from '../workers/host.js';
import type { ServiceMessage } from '../workers/reactor/messages.js';
import { buildPmmConfig } from './build-config.js';
import type { PmmConfig } from './config.js';
import { FOREIGN_ID_LOOK_US, type PmmReactorData, type PmmReactorMessage } from './messages.js';
import type { PmmOptions } from './options.js';
import { Pmm } from './pmm.js';
import { openPool } from './pool.js';
import { QemuRemote } from './remote/qemu.js';
import { Remoteproc } from './remote/remoteproc.js';
import { WarmReactor } from './warm-reactor.js';

/** What is not part of the configuration. */
export interface PmmExtras extends Services {
  /** Where diagnostics go; default: nowhere. */
  readonly log?: Log | undefined;
  /** A worker that was started beforehand, to be ready sooner; it is used for this PMM. */
  readonly reactor?: WarmReactor | undefined;
  /** Put the console's host end into `pmm.console` instead of its file descriptors. */
  readonly consoleStream?: boolean | undefined;
  /** Gets what comes out of the serial port of a machine that was started with the PMM (`remote`), as it comes. */
  readonly remoteOutput?: ((bytes: Uint8Array) => void) | undefined;
  /** Ends a start that waits for such a machine; the promise is then rejected. */
  readonly signal?: AbortSignal | undefined;
}

const SILENT: Log = { info: () => undefined, warn: () => undefined };

/**
 * Checks the options, opens the pool, starts the devices and publishes them. Resolves when a driver can start.
 * Errors: ConfigError (the options), StartError (the machine); nothing is left half started.
 */
export async function createPmm(options: PmmOptions, extras: PmmExtras = {}): Promise<Pmm> {
  return await startPmm(buildPmmConfig(options), extras);
}

/** As {@link createPmm}, from a configuration that was checked already. */
export async function startPmm(config: PmmConfig, extras: PmmExtras = {}): Promise<Pmm> {
  try {
    return await start(config, extras);
  } catch (error) {
    // A system call that failed while starting: the machine could not give us what we need.
    if (error instanceof LkvmError && error.name === 'SysError') throw new StartError(error.message, error);
    throw error;
  }
}

async function start(config: PmmConfig, extras: PmmExtras): Promise<Pmm> {
  const log = extras.log ?? SILENT;
  checkServices(config.devices, extras);
  const layout = poolLayout(config);
  const place = config.pool.kind === 'ivshmem' ? await joinIvshmem(config.pool.path) : undefined;
  if (place !== undefined && place.id !== 0) {
    log.info(
      `this PMM is ivshmem peer ${place.id}, and drivers that ring peer 0 do not reach it; memory is looked at every ${FOREIGN_ID_LOOK_US / 1000} ms`,
    );
  }
  const pool = openPool(config, log, place);
  const { console, io } = openHostEnds(extras.consoleStream, log, () => {
    pool.close();
    pool.discard();
  });
  const counters = new SharedArrayBuffer((layout.slots.length + 1) * COUNTER_COUNT * 8);
  const pmm = new Pmm({ layout, pool, counters, console, io, log });
  const data: PmmReactorData = {
    config: console === undefined ? config : withConsole(config, console),
    layout,
    poolAddress: pool.mapping.address,
    poolAccess: pool.access,
    poolFd: pool.handOverFd,
    ivshmem: place,
    fdt: config.withDtb ? hvlDeviceTree(layout) : new Uint8Array(0),
    io: io.init,
    epoch: 1 + Math.floor(Math.random() * (2 ** 31 - 1)),
    counters,
  };
  try {
    await startReactor(pmm, data, extras);
    await startScripts(pmm, config, log);
  } catch (error) {
    pool.discard();
    throw error;
  }
  await startRemote(pmm, config, extras);
  pmm.takeTerminal(data.config);
  return pmm;
}

/** The other side comes last: it finds devices that are ready. Errors: StartError; then the PMM has ended. */
async function startRemote(pmm: Pmm, config: PmmConfig, extras: PmmExtras): Promise<void> {
  const { pool, remote: spec } = config;
  if (spec === undefined) return;
  const { signal, remoteOutput: output, log = SILENT } = extras;
  const abort = (): void => void pmm.stop();
  signal?.addEventListener('abort', abort);
  try {
    if (signal?.aborted === true) throw new StartError('the PMM was stopped while it started');
    await pmm.startRemote((owner) =>
      spec.kind === 'qemu'
        ? new QemuRemote({ spec, pool, owner, log, output })
        : new Remoteproc(spec, owner, log),
    );
  } catch (error) {
    await pmm.stop();
    throw (await pmm.exited).error ?? error;
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}

/** Runs the programs around taps; their counterparts run on every way out. */
async function startScripts(pmm: Pmm, config: PmmConfig, log: Log): Promise<void> {
  const scripts = tapScripts(config.devices, pmm.taps);
  if (scripts.every(({ up, down }) => up === undefined && down === undefined)) return;
  pmm.beforeStop(() => runDownScripts(scripts, log));
  try {
    runUpScripts(scripts);
  } catch (error) {
    await pmm.stop();
    throw error;
  }
}

function withConsole(config: PmmConfig, console: ConsoleStream): PmmConfig {
  const { inputFd, outputFd } = console;
  const devices = config.devices.map((device) =>
    device.name === 'console' ? { ...device, inputFd, outputFd, escape: 'none' as const } : device,
  );
  return { ...config, devices };
}

/** Starts the worker and waits until the devices are published, or throws what went wrong. */
async function startReactor(pmm: Pmm, data: PmmReactorData, extras: PmmExtras): Promise<void> {
  let services: RemoteServices | undefined;
  let ready: () => void = () => undefined;
  const started = new Promise<void>((resolve) => {
    ready = resolve;
  });
  let thread: WorkerThread;
  try {
    const reactor = extras.reactor ?? new WarmReactor();
    thread = reactor.begin(
      data,
      reactorOwner(pmm, () => services, ready),
    );
  } catch (error) {
    await pmm.ended({ error: toWire(error) }); // no thread: closes what was opened for it
    throw error;
  }
  const post = (message: ServiceMessage): void => thread.post(message);
  services = new RemoteServices(extras, post, extras.log ?? SILENT);
  pmm.attach(thread);
  await Promise.race([started, thread.ended]);
  const end = await Promise.race([thread.ended, undefined]);
  if (end === undefined) return;
  await pmm.exited;
  throw end.error === undefined
    ? new StartError('the PMM was stopped while it started')
    : fromWire(end.error);
}

function reactorOwner(pmm: Pmm, services: () => RemoteServices | undefined, ready: () => void): ThreadOwner {
  return {
    onMessage: (body) => {
      const message = body as PmmReactorMessage; // posted by pmm-reactor.ts only
      if (message.type === 'ready') {
        pmm.taps = message.taps;
        ready();
      } else if (message.type === 'tree' || message.type === 'network') services()?.onMessage(message);
      else pmm.handle(message);
    },
    onEnd: (end) => {
      services()?.close();
      void pmm.ended(end);
    },
  };
}

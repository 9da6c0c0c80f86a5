/**
 * The library's door to KVM machines, and the composition root: everything with a lifetime is made here, in one order, and
 * given back in the reverse one by `Machine`.
 *
 *     await using vm = await createVm({ kernel: 'vmlinuz', initrd: 'initrd.gz', memoryBytes: 512 << 20 });
 *     console.log((await vm.exited).text);
 *
 * Thread: main.
 */
import { writeFirmwareTables } from '../arch/x86_64/acpi/firmware-tables.js';
import { applyEntry } from '../arch/x86_64/entry.js';
import { loadGuest } from '../arch/x86_64/load-guest.js';
import { setUpVcpus } from '../arch/x86_64/vcpu-setup.js';
import type { ConsoleStream } from '../machine/console-stream.js';
import { openHostEnds } from '../machine/host-ends.js';
import { consoleTerminal, rawTerminal } from '../machine/raw-terminal.js';
import { checkServices, RemoteServices } from '../machine/remote-services.js';
import { runDownScripts, runUpScripts, tapScripts } from '../machine/tap-scripts.js';
import { attachPlatform } from '../platform/platform.js';
import { COUNTER_COUNT } from '../util/counters.js';
import { fromWire, LkvmError, StartError } from '../util/errors.js';
import type { Log } from '../util/ports.js';
import { shutdownGuard } from '../workers/guard.js';
import { WorkerThread } from '../workers/host.js';
import type { ReactorMessage } from '../workers/reactor/messages.js';
import { VcpuThread } from '../workers/vcpu/thread.js';
import { buildVmConfig } from './build-config.js';
import { allDeviceSpecs, type VmConfig, withDeviceSpecs } from './config.js';
import { Hardware } from './hardware.js';
import { Machine } from './machine.js';
import type { VmReactorData } from './messages.js';
import type { VmOptions } from './options.js';
import { NO_END, ThreadParts } from './thread-parts.js';
import type { VirtualMachine, VmExtras } from './vm-types.js';

const SILENT: Log = { info: () => undefined, warn: () => undefined };
const REACTOR_ENTRY = new URL('./vm-reactor.js', import.meta.url);
const VCPU_ENTRY = new URL('./vm-vcpu.js', import.meta.url);

/**
 * Checks the options, makes the machine, opens its devices, loads the guest and starts it. Resolves when the guest runs.
 * Errors: ConfigError (the options), StartError (the machine); nothing is left half started.
 */
export async function createVm(options: VmOptions, extras: VmExtras = {}): Promise<VirtualMachine> {
  return await startVm(buildVmConfig(options), extras);
}

/** As {@link createVm}, from a configuration that was checked already. */
export async function startVm(config: VmConfig, extras: VmExtras = {}): Promise<VirtualMachine> {
  try {
    return await start(config, extras);
  } catch (error) {
    // A system call that failed while starting: the host could not give us what we need.
    if (error instanceof LkvmError && error.name === 'SysError') throw new StartError(error.message, error);
    throw error;
  }
}

async function start(given: VmConfig, extras: VmExtras): Promise<Machine> {
  const log = extras.log ?? SILENT;
  checkServices(allDeviceSpecs(given), extras);
  const hardware = new Hardware(given, log);
  const { console, io } = openHostEnds(extras.consoleStream, log, () => hardware.close());
  const config = console === undefined ? given : withConsole(given, console);
  const machine = new Machine({
    io,
    console,
    log,
    powerButton: () => {
      const ports = new ThreadParts(hardware.parts).platformPorts(NO_END);
      attachPlatform(hardware.parts.platform, ports).pm.pressPowerButton();
    },
    release: () => hardware.close(),
  });
  try {
    const reactor = startReactor(machine, { config, parts: hardware.parts, io: io.init }, extras);
    machine.attach(reactor.thread, []);
    machine.attach(reactor.thread, startVcpus(machine, hardware, config, log));
    // Main loads the guest while the workers load their modules.
    prepareGuest(hardware, config, log);
    machine.taps = await reactor.ready;
    startScripts(machine, config, log);
  } catch (error) {
    await machine.stop();
    throw error;
  }
  takeTerminal(machine, config);
  await machine.resume();
  return machine;
}

/** Kernel, tables and the registers of all vCPUs. */
function prepareGuest(hardware: Hardware, config: VmConfig, log: Log): void {
  const { memory } = hardware;
  // A firmware image brings its own tables, or none; ours would be taken for them.
  const tables =
    config.boot.firmware === undefined ? writeFirmwareTables(memory, hardware.description) : undefined;
  const rsdp = tables?.rsdp;
  const guest = loadGuest(memory, { boot: config.boot, ramBytes: config.ramBytes, rsdp });
  log.debug?.(guest.description);
  hardware.addRegions(guest.extraRegions);
  setUpVcpus(hardware.kvm, hardware.vcpus);
  const [boot] = hardware.vcpus;
  if (boot !== undefined) applyEntry(boot, guest.entry);
  hardware.powerOn(log);
}

function startVcpus(
  machine: Machine,
  { vcpus, parts }: Hardware,
  { debug }: VmConfig,
  log: Log,
): VcpuThread[] {
  return vcpus.map(
    (vcpu, index) =>
      new VcpuThread({
        vcpu,
        memory: parts.memory,
        control: parts.channel.controls[index] as SharedArrayBuffer,
        entry: VCPU_ENTRY,
        port: parts,
        paused: true,
        singleStep: debug.singleStep,
        onLog: (text) => {
          for (const line of text.split('\n')) log.info(line); // a dump of registers has several
        },
        onEnd: (end) => machine.vcpuEnded(end),
        guard: shutdownGuard,
      }),
  );
}

interface StartedReactor {
  readonly thread: WorkerThread;
  /** Names of the taps, when all devices are open; or what went wrong. */
  readonly ready: Promise<readonly string[]>;
}

function startReactor(
  machine: Machine,
  data: Omit<VmReactorData, 'counters'>,
  extras: VmExtras,
): StartedReactor {
  const counters = new SharedArrayBuffer(Math.max(1, allDeviceSpecs(data.config).length) * COUNTER_COUNT * 8);
  const log = extras.log ?? SILENT;
  let services: RemoteServices | undefined;
  const { promise, resolve, reject } = withResolvers<readonly string[]>();
  const thread = new WorkerThread({
    name: 'lkvm reactor',
    entry: REACTOR_ENTRY,
    data: { ...data, counters } satisfies VmReactorData,
    wake: 'fd',
    guard: shutdownGuard,
    owner: {
      onMessage: (body) => {
        const message = body as ReactorMessage; // posted by vm-reactor.ts only
        if (message.type === 'ready') resolve(message.taps);
        else if (message.type === 'log') log[message.level]?.(message.text);
        else if (message.type !== 'escape') services?.onMessage(message);
        else machine.end({ reason: 'escape', exitCode: 0, text: 'ended from the console' });
      },
      onEnd: (end) => {
        services?.close();
        const { error } = end;
        reject(
          error === undefined ? new StartError('the machine was stopped while it started') : fromWire(error),
        );
        machine.reactorEnded(end);
      },
    },
  });
  promise.catch(() => undefined); // who waits for it hears of it
  services = new RemoteServices(extras, (message) => thread.post(message), log);
  return { thread, ready: promise };
}

function startScripts(machine: Machine, config: VmConfig, log: Log): void {
  const scripts = tapScripts(allDeviceSpecs(config), machine.taps);
  if (scripts.every(({ up, down }) => up === undefined && down === undefined)) return;
  machine.beforeStop(() => runDownScripts(scripts, log));
  runUpScripts(scripts);
}

/** The terminal that the guest's console is on passes every key on; it is put back on every way out. */
function takeTerminal(machine: Machine, config: VmConfig): void {
  const port = config.serial.find(({ inputFd }) => inputFd >= 0);
  const device = allDeviceSpecs(config).find(({ name }) => name === 'console');
  if (device?.name === 'console') {
    machine.onRestoreTerminal(consoleTerminal(device, shutdownGuard, () => machine.windowChanged()));
  } else if (port !== undefined) machine.onRestoreTerminal(rawTerminal(port.inputFd, shutdownGuard));
}

/** The console's host end becomes a stream: the virtio console if there is one, else ttyS0. */
function withConsole(config: VmConfig, { inputFd, outputFd }: ConsoleStream): VmConfig {
  const ends = { inputFd, outputFd, escape: 'none' as const };
  if (!allDeviceSpecs(config).some(({ name }) => name === 'console')) {
    return { ...config, serial: config.serial.map((port, i) => (i === 0 ? ends : port)) };
  }
  return withDeviceSpecs(config, (spec) => (spec.name === 'console' ? { ...spec, ...ends } : spec));
}

function withResolvers<T>(): {
  promise: Promise<T>;
  resolve: (value: T) => void;
  reject: (error: unknown) => void;
} {
  let resolve: (value: T) => void = () => undefined;
  let reject: (error: unknown) => void = () => undefined;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

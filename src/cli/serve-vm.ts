/** `lkvm run` for a KVM guest: from words to a checked configuration, and then to a machine that runs to its end. */
import { homedir, totalmem } from 'node:os';
import { resolveShare } from '../machine/host-paths.js';
import { HostTerminal } from '../machine/host-terminal.js';
import { onTerminationSignal } from '../pmm/termination.js';
import { LkvmError } from '../util/errors.js';
import type { Log } from '../util/ports.js';
import { buildVmConfig } from '../vmm/build-config.js';
import { type SerialSpec, type VmConfig, withDeviceSpecs } from '../vmm/config.js';
import { poolText } from '../vmm/hvl-config.js';
import type { VmOptions } from '../vmm/options.js';
import type { VmExit } from '../vmm/vm-types.js';
import { checkBootFiles, findKernel } from './kernel-search.js';
import { logOf, remarkAll } from './log-words.js';
import type { ParsedOptions } from './parse-options.js';
import { dumpDtb } from './pool-words.js';
import { type RunWords, readRunWords } from './run-words.js';

const MIB = 0x10_0000;
const ON_TERMINAL: SerialSpec = { inputFd: 0, outputFd: 1, escape: 'ctrl-a' };
const NOWHERE: SerialSpec = { inputFd: -1, outputFd: -1, escape: 'none' };

/** Runs a guest until it ends. @returns the exit code. Errors: ConfigError, StartError and what ended the machine. */
export async function serveVm(parsed: ParsedOptions): Promise<number> {
  const log = logOf(parsed, parsed.has('debug') ? 'debug' : 'info');
  const words = readRunWords(parsed, homedir());
  const terminals = new Map<number, HostTerminal>();
  try {
    const config = vmConfigOf(words, terminals);
    checkBootFiles(config.boot);
    remarkAll(words.remarks, log);
    if (words.dumpDtb !== undefined && config.hvl !== undefined) dumpDtb(config.hvl, words.dumpDtb);
    return await runToEnd(config, terminals, log);
  } finally {
    for (const terminal of terminals.values()) terminal.close();
  }
}

/** The checked configuration. Opens the terminals that `--tty` asks for, when the rest is known to be right. */
function vmConfigOf({ options, ttys }: RunWords, terminals: Map<number, HostTerminal>): VmConfig {
  const search = options.kernel === undefined && options.firmware === undefined;
  // What is wrong with the words themselves is said first: it is wrong on every host.
  if (search) buildVmConfig({ ...options, kernel: 'found below' });
  const whole: VmOptions = search ? { ...options, kernel: findKernel() } : options;
  let config = buildVmConfig(whole);
  if (ttys.length > 0) {
    for (const port of ttys) terminals.set(port, new HostTerminal());
    config = buildVmConfig({ ...whole, serial: serialEnds(options.console, terminals) });
  }
  return withDeviceSpecs(config, resolveShare);
}

function serialEnds(
  console: VmOptions['console'],
  terminals: ReadonlyMap<number, HostTerminal>,
): SerialSpec[] {
  return [0, 1, 2, 3].map((port) => {
    const terminal = terminals.get(port);
    if (terminal !== undefined) return { inputFd: terminal.fd, outputFd: terminal.fd, escape: 'none' };
    return port === 0 && (console ?? 'serial') === 'serial' ? ON_TERMINAL : NOWHERE;
  });
}

function announce(config: VmConfig, terminals: ReadonlyMap<number, HostTerminal>, log: Log): void {
  const { boot, ramBytes, cpus, name } = config;
  const what = boot.firmware === undefined ? `-k ${boot.kernel}` : `--firmware ${boot.firmware}`;
  log.info(`# lkvm run ${what} -m ${Math.floor(ramBytes / MIB)} -c ${cpus} --name ${name}`);
  if (config.hvl !== undefined) log.info(poolText(config.hvl));
  for (const [port, { path }] of terminals) log.info(`Assigned terminal ${port} to pty ${path}`);
  const host = totalmem();
  if (ramBytes > host) {
    log.warn(
      `--mem: ${Math.floor(ramBytes / MIB)} MiB is more than the ${Math.floor(host / MIB)} MiB of this host, which may end the guest when it uses them`,
    );
  }
}

async function runToEnd(
  config: VmConfig,
  terminals: ReadonlyMap<number, HostTerminal>,
  log: Log,
): Promise<number> {
  // Before the start, which takes a while: a signal that comes then must end the machine in order, too.
  const stop = new AbortController();
  const forget = onTerminationSignal(() => stop.abort());
  announce(config, terminals, log);
  const { startVm } = await import('../vmm/create-vm.js');
  await using vm = await startVm(config, { log });
  stop.signal.addEventListener('abort', () => void vm.stop());
  if (stop.signal.aborted) await vm.stop();
  const exit = await vm.exited;
  forget();
  return exitCodeOf(exit, log);
}

/** What the user is told about the end. @returns the exit code */
function exitCodeOf({ reason, exitCode, text, error }: VmExit, log: Log): number {
  if (reason === 'failed') {
    // What went wrong is one line; registers and code, if there are any, come before it.
    const [first = '', ...dump] = (error?.message ?? text).split('\n');
    for (const line of dump) log.warn(line);
    throw new LkvmError(error?.code ?? 'FAILED', first, exitCode, error);
  }
  if (reason !== 'guest') log.info(text);
  if (exitCode === 0) log.info('KVM session ended normally.');
  return exitCode;
}

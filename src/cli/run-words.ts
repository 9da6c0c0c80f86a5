/**
 * From the words of `lkvm run` to the options of a KVM machine. What is wrong with a single word is said here; what is
 * wrong with their combination, by `buildVmConfig`. Errors: ConfigError; StartError for what is not there on the host.
 */

import type { RngOptions } from '../machine/device-options.js';
import type { HvlDeviceOptions } from '../machine/hvl-options.js';
import { ConfigError } from '../util/errors.js';
import type { TransportKind } from '../vmm/config.js';
import type { VmDeviceOptions, VmHvlOptions, VmOptions } from '../vmm/options.js';
import { type Remark, readPoll, readShare } from './device-words.js';
import { readDisks } from './disk-words.js';
import { readNetworks } from './network-words.js';
import type { OptionSpec } from './option-table.js';
import type { ParsedOptions } from './parse-options.js';
import { readDumpDtb, readPoolShares, readPoolWords } from './pool-words.js';
import { HVL_OPTIONS, PMM_ONLY_OPTIONS, REFUSED_OPTIONS } from './run-options.js';
import { choiceOf, memoryOf, numberOf } from './values.js';

const SERIAL_PORTS = 4;
const DEFAULT_EXIT_PORT = 0xf4;
const TRANSPORTS: readonly TransportKind[] = ['pci', 'mmio'];

/** Everything that was said about a KVM guest. */
export interface RunWords {
  /** Without the host ends of serial ports, which have to be opened first. */
  readonly options: VmOptions;
  /** Serial ports that get a terminal of their own: 0 ... 3. */
  readonly ttys: readonly number[];
  readonly remarks: readonly Remark[];
  /** Where to write the pool's device tree, too. */
  readonly dumpDtb: string | undefined;
}

/** Reads all words about a KVM guest. @param home the user's home directory, where `setup` puts root directories */
export function readRunWords(parsed: ParsedOptions, home: string | undefined): RunWords {
  refuse(parsed);
  const pooled = parsed.has('rsld');
  const networks = readNetworks(parsed, pooled ? 'pool' : 'kvm');
  const disks = readDisks(parsed.values('disk'), home);
  const firmware = parsed.value('firmware');
  const initrd = parsed.value('initrd');
  const remarks: Remark[] = [...networks.remarks];
  if (firmware !== undefined && initrd !== undefined) {
    remarks.push({ level: 'warning', text: `--initrd ${initrd} is ignored: --firmware starts no kernel` });
  }
  const rng: RngOptions[] = wantsRng(parsed) ? [{ type: 'rng' }] : [];
  const devices: VmDeviceOptions[] = pooled
    ? [...disks.disks]
    : [...networks.nets, ...disks.disks, ...parsed.values('9p').map(readShare), ...rng];
  if (pooled && parsed.has('vproxy')) remarks.push(VPROXY);
  return {
    options: {
      name: parsed.value('name'),
      kvmPath: parsed.value('dev'),
      ...readSize(parsed),
      hugetlbfs: parsed.value('hugetlbfs'),
      kernel: readKernel(parsed),
      firmware,
      initrd: firmware === undefined ? initrd : undefined,
      vxworks: parsed.has('vxworks') ? true : undefined,
      commandLine: parsed.value('params'),
      noDefaults: parsed.has('nodefaults'),
      rootDirectory: disks.rootDirectory,
      console: readConsole(parsed.value('console')),
      transport: pooled ? undefined : readTransport(parsed),
      devices,
      hvl: pooled ? readHvl(parsed, [...networks.nets, ...rng]) : undefined,
      debugExitPort: readExitPort(parsed.value('debug-exit')),
      debug: {
        ioport: parsed.has('debug-ioport'),
        mmio: parsed.has('debug-mmio'),
        singleStep: parsed.has('debug-single-step'),
      },
      poll: readPoll(parsed.value('poll')),
    },
    ttys: readTtys(parsed.values('tty')),
    remarks,
    dumpDtb: readDumpDtb(parsed),
  };
}

const VPROXY: Remark = { level: 'info', text: 'without meaning here, ignored: --vproxy' };

/** The pool and its devices, but for the console, which follows from `console`. */
function readHvl(parsed: ParsedOptions, others: readonly HvlDeviceOptions[]): VmHvlOptions {
  if (readTransport(parsed) === 'pci') {
    throw new ConfigError(
      '--transport pci does not go with --rsld: there is no PCI bus in shared memory; use mmio, disks are on PCI anyway',
    );
  }
  const console: HvlDeviceOptions[] =
    readConsole(parsed.value('console')) === 'virtio' ? [{ type: 'console' }] : [];
  const irq = parsed.value('irq');
  return {
    ...readPoolWords(parsed, [...readPoolShares(parsed), ...others, ...console]),
    irq: irq === undefined ? undefined : numberOf('--irq', irq),
  };
}

/**
 * Whether there is an entropy device: with `--rng`; and for a guest that finds what is in its pool by the device tree, unless
 * `--no-rng`. A guest that has addresses built in gets no device it was not built for.
 */
function wantsRng(parsed: ParsedOptions): boolean {
  const looksUp = parsed.has('rsld') && !parsed.has('vxworks') && !parsed.has('no-dtb');
  return parsed.flag('rng') ?? looksUp;
}

function refusePoolWords(parsed: ParsedOptions): void {
  const given = ({ name }: OptionSpec): boolean => parsed.has(name) || parsed.flag(name) === false;
  const pmm = PMM_ONLY_OPTIONS.find(given);
  if (pmm !== undefined) {
    const needs = parsed.has('rsld') ? '--pmm' : '--rsld --pmm';
    throw new ConfigError(`--${pmm.name} is about the peer of a PMM: add ${needs}, or leave it out`);
  }
  const pool = parsed.has('rsld') ? undefined : HVL_OPTIONS.find(given);
  if (pool !== undefined || (parsed.has('irq') && !parsed.has('rsld'))) {
    throw new ConfigError(
      `--${pool?.name ?? 'irq'} is about devices in shared memory: add --rsld (with --pmm: without a guest), or leave it out`,
    );
  }
}

function refuse(parsed: ParsedOptions): void {
  refusePoolWords(parsed);
  for (const { name, instead } of REFUSED_OPTIONS) {
    if (!parsed.has(name) || (name === 'vproxy' && parsed.has('rsld'))) continue;
    if (name === 'vsock' && numberOf('--vsock', parsed.value(name) ?? '') === 0) continue;
    const given = parsed.value(name);
    const shown = given === undefined || given === '' ? `--${name}` : `--${name} ${given}`;
    throw new ConfigError(`${shown} is not supported yet; ${instead ?? 'leave it out'}`);
  }
}

function readSize(parsed: ParsedOptions): Pick<VmOptions, 'cpus' | 'memoryBytes'> {
  const cpus = parsed.value('cpus');
  const mem = parsed.value('mem');
  return {
    cpus: cpus === undefined ? undefined : numberOf('--cpus', cpus),
    memoryBytes: mem === undefined ? undefined : memoryOf('--mem', mem),
  };
}

function readKernel(parsed: ParsedOptions): string | undefined {
  const option = parsed.value('kernel');
  const [word] = parsed.words;
  if (option !== undefined && word !== undefined) {
    throw new ConfigError(
      `two kernels: --kernel ${option} and the word "${word}"; a word that is not an option is a kernel, too`,
    );
  }
  return option ?? word;
}

function readConsole(text: string | undefined): VmOptions['console'] {
  if (text === undefined) return undefined;
  if (text === 'hv') {
    throw new ConfigError('--console hv is for POWER guests; on x86 it is serial, virtio or none');
  }
  return choiceOf<'serial' | 'virtio' | 'none'>('--console', text, ['serial', 'virtio', 'none']);
}

function readTransport(parsed: ParsedOptions): TransportKind | undefined {
  const given = ['transport', 'virtio-transport'].flatMap((name) => {
    const value = parsed.value(name);
    return value === undefined ? [] : [transportOf(`--${name}`, value)];
  });
  const [first, second = first] = given;
  if (first !== second) {
    throw new ConfigError('--transport and --virtio-transport say different things; one of them is enough');
  }
  return first;
}

function transportOf(option: string, value: string): TransportKind {
  if (value === 'pci-legacy' || value === 'mmio-legacy') {
    throw new ConfigError(
      `${option} ${value}: legacy devices are not supported; use ${value.replace('-legacy', '')}`,
    );
  }
  return choiceOf(option, value, TRANSPORTS);
}

function readExitPort(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  return text === '' ? DEFAULT_EXIT_PORT : numberOf('--debug-exit', text);
}

function readTtys(values: readonly string[]): number[] {
  const ports = values.map((value) => {
    const port = numberOf('--tty', value);
    if (port < SERIAL_PORTS) return port;
    throw new ConfigError(`--tty ${value}: the serial ports are 0 ... ${SERIAL_PORTS - 1}`);
  });
  return [...new Set(ports)];
}

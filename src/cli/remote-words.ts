/** Words about the other side of a PMM, if it is to start and end with it. Errors: ConfigError. */
import type { PmmQemuOptions, PmmRemoteOptions, PmmRemoteprocOptions } from '../pmm/options.js';
import { ConfigError } from '../util/errors.js';
import type { ParsedOptions } from './parse-options.js';
import { REMOTE_OPTIONS } from './pmm-options.js';
import { choiceOf, memoryOf, numberOf, splitPair } from './values.js';

const MIB = 2 ** 20;
const ARCHES = ['x86_64', 'aarch64'] as const;

/** `--remote ...` or `--remoteproc ...`; undefined: the other side comes by itself. */
export function readRemote(parsed: ParsedOptions): PmmRemoteOptions | undefined {
  const remote = parsed.value('remote');
  const remoteproc = parsed.value('remoteproc');
  if (remote !== undefined && remoteproc !== undefined) {
    throw new ConfigError('--remote and --remoteproc exclude each other: a pool has one other side');
  }
  if (remote !== undefined) return readQemu(remote, parsed);
  const stray = REMOTE_OPTIONS.options.find(({ name }) => name.startsWith('remote-') && parsed.has(name));
  if (stray !== undefined) throw new ConfigError(`--${stray.name} needs --remote qemu`);
  return remoteproc === undefined ? undefined : readRemoteproc(remoteproc);
}

/** Whether what the machine says goes to this terminal. */
export function showsRemoteLog(parsed: ParsedOptions): boolean {
  return parsed.value('remote-log') === '';
}

function readQemu(remote: string, parsed: ParsedOptions): PmmQemuOptions {
  choiceOf('--remote', remote, ['qemu']);
  const kernel = parsed.value('remote-kernel');
  if (kernel === undefined) throw new ConfigError('--remote qemu needs a kernel: --remote-kernel FILE');
  const arch = parsed.value('remote-arch');
  const log = parsed.value('remote-log');
  return {
    kind: 'qemu',
    kernel,
    initrd: parsed.value('remote-initrd'),
    append: parsed.value('remote-append'),
    arch: arch === undefined ? undefined : choiceOf('--remote-arch', arch, ARCHES),
    memory: readMemory(parsed.value('remote-memory')),
    log: log === '' ? undefined : log,
  };
}

function readMemory(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const bytes = memoryOf('--remote-memory', text);
  if (bytes % MIB !== 0) throw new ConfigError(`--remote-memory ${text}: a whole number of MiB is expected`);
  return bytes / MIB;
}

/** N[,firmware=F][,sysfs=DIR] */
function readRemoteproc(text: string): PmmRemoteprocOptions {
  const [number = '', ...settings] = text.split(',');
  const given: { firmware?: string; sysfs?: string } = {};
  for (const setting of settings) {
    const { key, value } = splitPair(setting);
    if ((key !== 'firmware' && key !== 'sysfs') || value === undefined || value === '') {
      throw new ConfigError(
        `--remoteproc ${text}: "${setting}" is not known; write --remoteproc N[,firmware=NAME]`,
      );
    }
    given[key] = value;
  }
  return { kind: 'remoteproc', index: numberOf('--remoteproc', number), ...given };
}

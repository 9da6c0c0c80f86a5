/** `lkvm aux`: the driver side of a pool, as a process of its own. */
import {
  AUX_DEFAULTS,
  type AuxNotify,
  type AuxOptions,
  type AuxPool,
  checkAuxOptions,
  parseAuxNotify,
  parseAuxPoll,
  parseAuxPool,
} from '../aux/options.js';
import { ConfigError } from '../util/errors.js';
import { LOG_LEVELS, stderrLog } from './messages.js';
import type { CommandSpec, OptionGroup } from './option-table.js';
import type { ParsedOptions } from './parse-options.js';
import { choiceOf, numberOf, sizeOf } from './values.js';

const GROUPS: readonly OptionGroup[] = [
  {
    title: 'Where the PMM is',
    options: [
      {
        name: 'shmem-backend',
        argument: 'POOL',
        text: 'The shared memory: file:PATH, memfd (handed over by the doorbell), uio:DEV[,map=N], devmem[:PATH] or ivshmem:PATH (with the doorbell: no --notify then). The same words as for pmm.',
      },
      {
        name: 'notify',
        argument: 'DOORBELL',
        text: 'How the two sides signal each other: socket:PATH, eventfd:PATH, umb:DEV, uio:DEV or poll[:US]. This side connects, and keeps trying.',
      },
      {
        name: 'shmem-addr',
        argument: 'ADDR',
        text: 'Address of the pool for the PMM. Normally found in the pool.',
      },
      {
        name: 'shmem-size',
        argument: 'SIZE',
        text: 'Bytes of the pool. Normally the size of the file or device; give it when that is larger than what the PMM uses.',
      },
    ],
  },
  {
    title: 'What to do',
    options: [
      {
        name: 'script',
        text: 'Commands come from a program: no prompt, no echo, and a mark behind the output of each command (docs/aux.md). The exit code is 1 if a command failed.',
      },
      {
        name: 'net-tap',
        argument: 'NAME',
        text: 'Instead of the shell, join virtio-net to this tap interface of the host.',
      },
      {
        name: 'ip',
        argument: 'ADDR',
        text: `The shell's own address (default ${AUX_DEFAULTS.ip}); its gateway is the .1 of the same network.`,
      },
      {
        name: 'poll',
        argument: 'HOW',
        text: 'What happens between two doorbells: none, adaptive (default), interval=US or spin.',
      },
      {
        name: 'handshake',
        text: 'Start the devices the long way even where the PMM offers static mode.',
      },
      {
        name: 'confine',
        text: "Keep rings and buffers of each device in its own region: for a PMM started with --confine. Needs the PMM's device tree.",
      },
    ],
  },
  {
    title: 'Other',
    options: [
      {
        name: 'loglevel',
        argument: 'LEVEL',
        text: 'How much is said on stderr: error, warning, info (default) or debug.',
      },
      {
        name: 'die-with-parent',
        argument: 'PID',
        optional: 'attached',
        rare: true,
        text: 'End when the process that started this one ends. PID: who that must be.',
      },
    ],
  },
];

/** From words to a checked configuration. Errors: ConfigError. */
export function readAuxOptions(options: ParsedOptions): AuxOptions {
  const words = options.value('shmem-backend');
  const pool = words === undefined ? undefined : parseAuxPool(words);
  const notify = notifyOf(pool, options.value('notify'));
  if (pool === undefined || notify === undefined) {
    throw new ConfigError(
      'aux needs to know where the PMM is: --shmem-backend file:PATH --notify socket:PATH, the same words as pmm was given',
    );
  }
  const addr = options.value('shmem-addr');
  const size = options.value('shmem-size');
  const poll = options.value('poll');
  return checkAuxOptions({
    pool,
    notify,
    poll: poll === undefined ? AUX_DEFAULTS.poll : parseAuxPoll(poll),
    shmemAddr: addr === undefined ? undefined : numberOf('--shmem-addr', addr),
    shmemSize: size === undefined ? undefined : sizeOf('--shmem-size', size),
    handshake: options.has('handshake'),
    confine: options.has('confine'),
    script: options.has('script'),
    netTap: options.value('net-tap'),
    ip: options.value('ip') ?? AUX_DEFAULTS.ip,
    dieAt: process.env['LKVM_AUX_DIE_AT'],
  });
}

/** What was said, or what comes with the pool. */
function notifyOf(pool: AuxPool | undefined, words: string | undefined): AuxNotify | undefined {
  if (words !== undefined) return parseAuxNotify(words);
  return pool?.kind === 'ivshmem' ? pool : undefined;
}

function parentOf(word: string): number {
  return word === '' ? process.ppid : numberOf('--die-with-parent', word);
}

export const command: CommandSpec = {
  name: 'aux',
  usage: '--shmem-backend POOL --notify DOORBELL [OPTIONS]',
  about: [
    'Plays the other side: an auxiliary runtime that finds the devices in the pool, starts drivers for them, and runs a small shell on its virtio console. The shell is used from the PMM\'s terminal; type "help" there.',
    'Either side may start first, and either may be restarted at any time.',
  ],
  groups: GROUPS,
  examples: [
    {
      text: 'The peer of "lkvm pmm" with the same file and socket',
      command: 'lkvm aux --shmem-backend file:/dev/shm/pool --notify socket:/tmp/doorbell',
    },
    {
      text: 'A network cable: join the virtio-net of the pool to tap7 (for example in another network namespace)',
      command: 'lkvm aux --shmem-backend memfd --notify eventfd:/tmp/doorbell --net-tap tap7',
    },
  ],
  maxWords: 0,
  async run(options: ParsedOptions): Promise<number> {
    const aux = readAuxOptions(options);
    const parent = options.value('die-with-parent');
    const { dieWithParent, runAux } = await import('../aux/run-aux.js');
    if (parent !== undefined) dieWithParent(parentOf(parent));
    return runAux(aux, stderrLog(choiceOf('--loglevel', options.value('loglevel') ?? 'info', LOG_LEVELS)));
  },
};

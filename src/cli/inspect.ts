/** `lkvm inspect`: what is in a pool, and who waits for whom. */
import { inspectIvshmemPool, inspectPoolFile, type PoolReport } from '../pmm/inspect-file.js';
import { ConfigError } from '../util/errors.js';
import { print } from './messages.js';
import type { CommandSpec } from './option-table.js';
import type { ParsedOptions } from './parse-options.js';
import { numberOf, splitKind } from './values.js';

/** The pool, looked into. Errors: ConfigError, StartError. */
async function reportOf(options: ParsedOptions): Promise<PoolReport> {
  const text = options.value('shmem-backend');
  if (text === undefined) {
    throw new ConfigError(
      '--shmem-backend is missing: give the pool to look into, --shmem-backend file:PATH',
    );
  }
  const address = options.value('shmem-addr');
  const base = address === undefined ? undefined : numberOf('--shmem-addr', address);
  const { kind, rest = '' } = splitKind(text);
  if (rest !== '' && kind === 'file') return inspectPoolFile(rest, base);
  // A server's words may have settings behind the path; the words of `pmm` are to fit here, too.
  if (rest !== '' && kind === 'ivshmem-server') {
    return await inspectIvshmemPool(rest.replace(/,vectors=\d+$/, ''), base);
  }
  if (rest !== '' && kind === 'ivshmem') return await inspectIvshmemPool(rest, base);
  throw new ConfigError(
    `--shmem-backend "${text}": inspect reads pool files, and the memory of an ivshmem server; write --shmem-backend file:PATH or ivshmem:PATH`,
  );
}

export const command: CommandSpec = {
  name: 'inspect',
  usage: '--shmem-backend POOL [OPTIONS]',
  about: [
    'Decodes the pool of a running PMM from outside: the registers of every device by name, features, config space, rings and their indices, and what each side is waiting for. It only reads, and needs neither the PMM nor the driver to answer, so it also tells what happened after one of them died.',
  ],
  groups: [
    {
      title: 'Options',
      options: [
        {
          name: 'shmem-backend',
          argument: 'POOL',
          text: 'The pool, as given to pmm: file:PATH, ivshmem-server:PATH or ivshmem:PATH. Needed.',
        },
        {
          name: 'shmem-addr',
          argument: 'ADDR',
          text: 'Address of the pool as the peer sees it. Normally found in the pool.',
        },
        { name: 'registers', short: 'r', text: 'List all registers, also those that are 0.' },
        { name: 'json', text: 'Print one JSON object.' },
      ],
    },
  ],
  examples: [
    {
      text: 'Is the driver up, and if not, who has to move?',
      command: 'lkvm inspect --shmem-backend file:/dev/shm/pool',
    },
    {
      text: 'The same where the PMM is the ivshmem server of a machine',
      command: 'lkvm inspect --shmem-backend ivshmem:/run/hvl',
    },
  ],
  maxWords: 0,
  async run(options: ParsedOptions): Promise<number> {
    const report = await reportOf(options);
    const { reportJson, reportText } = await import('./inspect/report.js');
    print(options.has('json') ? reportJson(report) : reportText(report, options.has('registers')));
    return 0;
  },
};

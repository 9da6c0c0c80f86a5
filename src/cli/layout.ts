/** `lkvm layout`: the memory map of a PMM, without starting one. */

import { poolLayout } from '../machine/pool-map.js';
import { buildPmmConfig } from '../pmm/build-config.js';
import { ConfigError } from '../util/errors.js';
import type { LayoutInput } from './layout/facts.js';
import { logOf, remarkAll } from './log-words.js';
import { print } from './messages.js';
import type { CommandSpec } from './option-table.js';
import type { ParsedOptions } from './parse-options.js';
import { PMM_GROUPS } from './pmm-options.js';
import { readPmmWords } from './pmm-words.js';
import { dumpDtb } from './pool-words.js';

type Printer = (input: LayoutInput) => string;

/** Forms of output; each is loaded when it is asked for. */
const FORMS: Readonly<Record<string, () => Promise<Printer>>> = {
  json: async () => (await import('./layout/json.js')).layoutJson,
  dts: async () => (await import('./layout/dts.js')).layoutDts,
  overlay: async () => (await import('./layout/dts.js')).layoutOverlay,
  'c-header': async () => (await import('./layout/c-header.js')).layoutCHeader,
  svg: async () => (await import('./layout/svg.js')).layoutSvg,
};

async function printerOf(options: ParsedOptions): Promise<Printer> {
  const asked = Object.keys(FORMS).filter((name) => options.has(name));
  if (asked.length > 1) {
    throw new ConfigError(
      `${asked.map((name) => `--${name}`).join(' and ')} exclude each other; ask for one form`,
    );
  }
  const form = FORMS[asked[0] ?? ''];
  return form === undefined ? (await import('./layout/table.js')).layoutTable : await form();
}

export const command: CommandSpec = {
  name: 'layout',
  usage: '--shmem-addr ADDR --shmem-size SIZE [OPTIONS]',
  about: [
    'Prints where everything will be in the pool that "lkvm pmm" with the same options makes: register blocks, regions, rings placed beforehand, and what is left for buffers. Nothing is opened or started, so it also tells whether a pool is large enough.',
  ],
  groups: [
    {
      title: 'Form of the output (default: a table)',
      options: [
        { name: 'json', text: 'One JSON object.' },
        { name: 'dts', text: 'The device tree that is published, as source text. Not with --no-dtb.' },
        {
          name: 'overlay',
          text: "A fragment for the front end's own device tree (Zephyr style): reserved memory and one node per register block.",
        },
        { name: 'c-header', text: 'Definitions for a front end written in C.' },
        { name: 'svg', text: 'A picture.' },
      ],
    },
    ...PMM_GROUPS,
  ],
  examples: [
    {
      text: 'Where Zephyr has to look for its three devices',
      command: 'lkvm layout --shmem-addr 0x37000000 --shmem-size 16M --no-dtb --rng --console virtio',
    },
    {
      text: 'The same for its C code, and for its device tree',
      command:
        'lkvm layout --shmem-addr 0x37000000 --shmem-size 16M --no-dtb --rng --console virtio --c-header > hvl_layout.h',
    },
    {
      text: 'A picture of a pool with a larger region for 9p',
      command:
        'lkvm layout --shmem-addr 0xd4000000 --shmem-size 16M --9p /srv,share --region 9p=0x200000 --svg > pool.svg',
    },
  ],
  maxWords: 0,
  async run(options: ParsedOptions): Promise<number> {
    const printer = await printerOf(options);
    const words = readPmmWords(options);
    const config = buildPmmConfig(words.options);
    const layout = poolLayout(config);
    const text = printer({ config, layout });
    remarkAll(words.remarks, logOf(options));
    if (words.dumpDtb !== undefined) dumpDtb(config, words.dumpDtb);
    print(text);
    return 0;
  },
};

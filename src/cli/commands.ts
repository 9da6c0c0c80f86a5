/**
 * The sub-commands. Only names and summaries are here: a command's file is loaded when it is used, so that starting
 * one does not pay for the others.
 */
import type { WarmReactor } from '../pmm/warm-reactor.js';
import { compileSoon } from './compile-soon.js';
import type { CommandSummary } from './help-text.js';
import type { CommandSpec } from './option-table.js';

/** A sub-command before it is loaded. */
export interface CommandEntry extends CommandSummary {
  load(): Promise<{ readonly command: CommandSpec }>;
  /** Starts what takes long and will be needed, before the words are even read. @param args behind the command */
  early?(args: readonly string[]): Promise<WarmReactor | undefined>;
}

async function warmReactor(args: readonly string[]): Promise<WarmReactor | undefined> {
  compileSoon();
  if (args.some((word) => word.startsWith('--help') || word === '-h')) return undefined;
  const { WarmReactor } = await import('../pmm/warm-reactor.js');
  return new WarmReactor();
}

/** In the order in which help lists them. */
export const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'run',
    summary: 'Start a guest under KVM (or, with --rsld --pmm, a PMM)',
    load: () => import('./run.js'),
    early: async (args) => {
      if (args.includes('--pmm')) return await warmReactor(args);
      compileSoon();
      return undefined;
    },
  },
  {
    name: 'pmm',
    summary: 'Serve virtio devices over shared memory, without a hypervisor',
    load: () => import('./pmm.js'),
    early: warmReactor,
  },
  {
    name: 'aux',
    summary: 'Play the other side: drivers and a small shell over a pool',
    load: () => import('./aux.js'),
  },
  {
    name: 'demo',
    summary: 'Both sides on this machine: a PMM, and a shell that uses its devices',
    load: () => import('./demo.js'),
    early: warmReactor,
  },
  {
    name: 'layout',
    summary: 'Print the memory map that pmm would use, for people and for front ends',
    load: () => import('./layout.js'),
  },
  {
    name: 'inspect',
    summary: 'Decode a live pool: registers, rings, and who waits for whom',
    load: () => import('./inspect.js'),
  },
  { name: 'version', summary: 'Print the version', load: () => import('./version.js') },
  { name: 'help', summary: 'Print help, in general or on one command', load: () => import('./help.js') },
];

/** The command called `name`, or undefined. */
export function findCommand(name: string): CommandEntry | undefined {
  return COMMANDS.find((command) => command.name === name);
}

/** Kernel modules with what they need, in the order in which insmod takes them. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A module to put into an initrd. */
export interface KernelModule {
  readonly name: string;
  readonly data: Buffer;
}

/** Module names say - and _ for the same. */
function canonical(name: string): string {
  return name.replaceAll('-', '_');
}

/** Names in the `depends=` string of a module's .modinfo section. */
function dependencies(module: Buffer): string[] {
  const key = Buffer.from('\0depends=');
  const at = module.indexOf(key);
  if (at < 0) return [];
  const start = at + key.length;
  const text = module.toString('latin1', start, module.indexOf(0, start));
  return text === '' ? [] : text.split(',');
}

/**
 * Reads modules and, before each, those it depends on.
 * @param folder with one file per module
 * @param names wanted; one that the folder does not have is left out: it is built into that kernel, or not made for it
 */
export function loadModules(folder: string, names: readonly string[]): KernelModule[] {
  const files = new Map<string, string>();
  if (existsSync(folder)) {
    for (const name of readdirSync(folder)) files.set(canonical(name.replace(/\.ko$/, '')), name);
  }
  const done = new Set<string>();
  const modules: KernelModule[] = [];
  const add = (wanted: string): void => {
    const name = canonical(wanted);
    const found = files.get(name);
    if (found === undefined || done.has(name)) return;
    done.add(name);
    const data = readFileSync(join(folder, found));
    for (const needed of dependencies(data)) add(needed);
    modules.push({ name, data });
  };
  for (const name of names) add(name);
  return modules;
}

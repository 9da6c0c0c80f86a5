// Asks a C compiler for the values of expressions: writes a small program, compiles it, runs it.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ArchAbi } from '#lkvm/sys/arch.js';
import { EXPRESSIONS, type Group, NOT_IN_HEADERS, STRUCTS } from './table.js';

/** A compiler, and what runs its programs here. */
export interface Toolchain {
  readonly cc: readonly string[];
  readonly run: readonly string[];
}

export function isInstalled(command: string): boolean {
  return spawnSync(command, ['--version']).error === undefined;
}

/** The C expression for one of our constants. */
function expression(group: Group, name: string): string {
  const own = group.expressions?.[name] ?? EXPRESSIONS[name];
  if (own !== undefined) return own;
  for (const [struct, [type, fieldPrefix]] of longestFirst()) {
    if (name === `${struct}_BYTES`) return `sizeof(${type})`;
    if (name.startsWith(`${struct}_`) && name.endsWith('_OFF')) {
      const member = name.slice(struct.length + 1, -'_OFF'.length).toLowerCase();
      return `offsetof(${type}, ${fieldPrefix}${member})`;
    }
  }
  return name;
}

function longestFirst(): [string, readonly [string, string]][] {
  return Object.entries(STRUCTS).sort(([a], [b]) => b.length - a.length);
}

/** Constants of a group that the headers must know. */
function asked(group: Group, abi: ArchAbi): [name: string, value: number][] {
  return Object.entries(group.values(abi)).filter(
    (entry): entry is [string, number] =>
      typeof entry[1] === 'number' && !(entry[0] in NOT_IN_HEADERS) && group.own?.test(entry[0]) !== true,
  );
}

function translationUnit(group: Group, index: number, names: readonly string[]): string {
  const lines = names.map((name) => {
    const c = expression(group, name);
    const print = `printf("${name} %lld\\n", (long long)(${c}));`;
    // A plain name may be missing in older headers: that is a result, not a compiler error.
    return /^\w+$/.test(c) ? `#ifdef ${c}\n${print}\n#else\nputs("${name} missing");\n#endif` : print;
  });
  return [
    '#define _GNU_SOURCE',
    '#include <stddef.h>',
    '#include <stdio.h>',
    ...group.headers.map((header) => `#include <${header}>`),
    `void group_${index}(void) {`,
    ...lines,
    '}',
    '',
  ].join('\n');
}

function run(command: readonly string[], ...more: string[]): string {
  const [program = '', ...args] = command;
  const result = spawnSync(program, [...args, ...more], { encoding: 'utf8' });
  if (result.status !== 0) throw new Error(`${program}: ${result.error?.message ?? result.stderr}`);
  return result.stdout;
}

/**
 * Compares every constant of the groups with the toolchain's headers.
 * @returns one line per difference
 */
export function differences(all: readonly Group[], abi: ArchAbi, toolchain: Toolchain): string[] {
  const groups = all.filter(({ only }) => only === undefined || only === abi);
  const dir = mkdtempSync(join(tmpdir(), 'lkvm-abi-'));
  try {
    const files = groups.map((group, index) => {
      const file = join(dir, `group-${index}.c`);
      writeFileSync(
        file,
        translationUnit(
          group,
          index,
          asked(group, abi).map(([name]) => name),
        ),
      );
      return file;
    });
    const calls = groups.map((_, index) => `void group_${index}(void); puts("group"); group_${index}();`);
    const main = join(dir, 'main.c');
    writeFileSync(main, `#include <stdio.h>\nint main(void) {\n${calls.join('\n')}\nreturn 0;\n}\n`);
    const program = join(dir, 'program');
    run(toolchain.cc, '-o', program, main, ...files);
    const answers = run([...toolchain.run, program])
      .split('group\n')
      .slice(1);
    return groups.flatMap((group, index) => compare(group, asked(group, abi), answers[index] ?? ''));
  } finally {
    rmSync(dir, { recursive: true });
  }
}

function compare(group: Group, ours: readonly [string, number][], answer: string): string[] {
  const theirs = new Map(answer.split('\n').map((line) => line.split(' ') as [string, string]));
  return ours
    .filter(([name, value]) => theirs.get(name) !== String(value))
    .map(([name, value]) => {
      const says = theirs.get(name);
      if (says !== 'missing') return `${group.name}: ${name} is ${value}, C says ${says}`;
      return `${group.name}: ${name} is not in the headers; give its C expression in test/abi/table.ts`;
    });
}

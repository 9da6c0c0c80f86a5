// Our writer, reader and text against the reference compiler.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fdtToDts } from '#lkvm/fdt/dts.js';
import { readFdt } from '#lkvm/fdt/reader.js';
import {
  type FdtTree,
  fdtNode,
  fdtTree,
  fdtU64,
  propBytes,
  propEmpty,
  propString,
  propU32,
  propU64,
} from '#lkvm/fdt/tree.js';
import { writeFdt } from '#lkvm/fdt/writer.js';
import { runTool, skipWithout } from '../../support/tools.js';

const skip = skipWithout('dtc');

const tree: FdtTree = fdtTree(
  fdtNode(
    '',
    [
      propU32('#address-cells', 2),
      propU32('#size-cells', 2),
      propString('compatible', 'lkvm,test', 'plain "quotes" and \\'),
      propString('model', ''),
      propBytes('odd', Uint8Array.of(1, 2, 3, 0xff, 0)),
      propBytes('two-strings-with-gap', Uint8Array.of(65, 0, 0, 66, 0)),
      propU32('text-like-cells', 0x61626300),
    ],
    [
      fdtNode('virtio@d4010000', [
        propString('compatible', 'virtio,mmio'),
        propU64('reg', 0x1_d401_0000, 0x200),
        propEmpty('dma-coherent'),
      ]),
      fdtNode('bus', [propU64('big', Number.MAX_SAFE_INTEGER)], [fdtNode('leaf', [propEmpty('x')])]),
    ],
  ),
  {
    reservations: [{ address: { high: 0xffff_ffff, low: 0xf000_0000 }, size: fdtU64(0x1000) }],
    bootCpu: 3,
  },
);

test('dtc: our blob → dtc reads it, and its own blob of it reads back equal', { skip }, () => {
  const again = runTool('dtc', ['-q', '-I', 'dtb', '-O', 'dtb', '-b', '3'], writeFdt(tree));
  assert.equal(again.status, 0, again.stderr);
  assert.deepEqual(readFdt(again.stdout), tree);
});

test('dtc: our source text compiled → the same tree', { skip }, () => {
  const compiled = runTool('dtc', ['-q', '-I', 'dts', '-O', 'dtb', '-b', '3'], fdtToDts(tree));
  assert.equal(compiled.status, 0, compiled.stderr);
  assert.deepEqual(readFdt(compiled.stdout), tree);
});

test('dtc: padded blob made by dtc → read by us', { skip }, () => {
  const padded = runTool('dtc', ['-q', '-I', 'dts', '-O', 'dtb', '-p', '4096', '-b', '3'], fdtToDts(tree));
  assert.deepEqual(readFdt(padded.stdout), tree);
});

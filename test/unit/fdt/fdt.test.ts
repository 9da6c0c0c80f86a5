import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fdtToDts } from '#lkvm/fdt/dts.js';
import { fdtTotalBytes, readFdt } from '#lkvm/fdt/reader.js';
import {
  cellsOf,
  type FdtNode,
  type FdtProperty,
  type FdtTree,
  fdtNode,
  fdtTree,
  fdtU64,
  findProperty,
  propBytes,
  propEmpty,
  propString,
  propU32,
  propU64,
  stringsOf,
  u64sOf,
} from '#lkvm/fdt/tree.js';
import { writeFdt } from '#lkvm/fdt/writer.js';

const letters = 'abcdefghijklmnopqrstuvwxyz0123456789,._+-'.split('');
const nameOf = fc.array(fc.constantFrom(...letters), { minLength: 1, maxLength: 12 }).map((c) => c.join(''));

const property: fc.Arbitrary<FdtProperty> = fc.oneof(
  nameOf.map(propEmpty),
  fc.tuple(nameOf, fc.uint8Array({ maxLength: 40 })).map(([name, bytes]) => propBytes(name, bytes)),
  fc.tuple(nameOf, fc.array(fc.nat(0xffff_ffff), { maxLength: 6 })).map(([name, v]) => propU32(name, ...v)),
  fc.tuple(nameOf, fc.maxSafeNat()).map(([name, value]) => propU64(name, value)),
  fc
    .tuple(nameOf, fc.array(fc.string({ minLength: 1 }), { minLength: 1, maxLength: 3 }))
    .map(([name, texts]) => propString(name, ...texts.map((text) => text.replaceAll('\0', '?')))),
);

const uniqueName = { selector: (each: { name: string }) => each.name, maxLength: 4 };

const { node } = fc.letrec<{ node: FdtNode }>((tie) => ({
  node: fc
    .tuple(
      nameOf,
      fc.uniqueArray(property, uniqueName),
      fc.oneof({ maxDepth: 4 }, fc.constant([]), fc.uniqueArray(tie('node'), uniqueName)),
    )
    .map(([name, properties, children]) => fdtNode(name, properties, children)),
}));

const u32 = fc.nat(0xffff_ffff);
const u64 = fc.tuple(u32, fc.integer({ min: 1, max: 0xffff_ffff })).map(([high, low]) => ({ high, low }));
const reservation = fc.tuple(u64, u64).map(([address, size]) => ({ address, size }));
const tree: fc.Arbitrary<FdtTree> = fc
  .tuple(node, fc.array(reservation, { maxLength: 3 }), u32)
  .map(([root, reservations, bootCpu]) => fdtTree({ ...root, name: '' }, { reservations, bootCpu }));

/** A blob with every kind of value in it. */
const sample = writeFdt(
  fdtTree(
    fdtNode(
      '',
      [propU32('#address-cells', 2), propString('compatible', 'a,b', 'c')],
      [fdtNode('virtio@37010000', [propString('compatible', 'virtio,mmio'), propEmpty('dma-coherent')])],
    ),
    { reservations: [{ address: fdtU64(0x1000), size: fdtU64(0x2000) }] },
  ),
);

function patched(change: (view: DataView, bytes: Uint8Array) => void): Uint8Array {
  const bytes = Uint8Array.from(sample);
  change(new DataView(bytes.buffer), bytes);
  return bytes;
}

test('fdt: any tree written and read → the same tree', () => {
  fc.assert(
    fc.property(tree, (original) => {
      const blob = writeFdt(original);
      assert.equal(fdtTotalBytes(blob), blob.length);
      assert.deepEqual(readFdt(blob), original);
    }),
  );
});

test('fdt: a blob inside a longer memory → read by its own size', () => {
  const memory = new Uint8Array(sample.length + 4096).fill(0xff);
  memory.set(sample);
  assert.deepEqual(readFdt(memory), readFdt(sample));
});

test('readFdt: memory that changes afterwards → the tree keeps what was read', () => {
  const memory = Buffer.from(sample);
  const tree = readFdt(memory);
  memory.fill(0xff);
  assert.deepEqual(tree, readFdt(sample));
});

test('writeFdt: one name in several nodes → stored once', () => {
  const children = ['a', 'b', 'c'].map((name) => fdtNode(name, [propEmpty('dma-coherent')]));
  const blob = Buffer.from(writeFdt(fdtTree(fdtNode('', [], children))));
  assert.equal(blob.toString('latin1').split('dma-coherent').length, 2);
});

test('fdt: accessors → the values put in', () => {
  const root = readFdt(
    writeFdt(
      fdtTree(
        fdtNode('', [
          propU64('reg', 0x1_3701_0000, 0x200),
          propString('names', 'x', 'yz'),
          propU32('n', 1, 2),
        ]),
      ),
    ),
  ).root;
  const value = (name: string): FdtProperty => findProperty(root, name) ?? propEmpty('missing');
  assert.deepEqual(u64sOf(value('reg')), [0x1_3701_0000, 0x200]);
  assert.deepEqual(cellsOf(value('reg')), [1, 0x3701_0000, 0, 0x200]);
  assert.deepEqual(stringsOf(value('names')), ['x', 'yz']);
  assert.deepEqual(cellsOf(value('n')), [1, 2]);
  assert.equal(findProperty(root, 'other'), undefined);
});

test('fdt: accessors on a value of another shape → FdtError', () => {
  assert.throws(() => cellsOf(propBytes('p', Uint8Array.of(1, 2, 3))), { code: 'FDT' });
  assert.throws(() => u64sOf(propU32('p', 1, 2, 3)), { code: 'FDT' });
  assert.throws(() => u64sOf(propU32('p', 0xffff_ffff, 0)), { code: 'FDT' });
  assert.throws(() => stringsOf(propBytes('p', Uint8Array.of(65))), { code: 'FDT' });
});

test('writeFdt: names that are not legal or used twice → FdtError', () => {
  const write = (root: FdtNode) => () => writeFdt(fdtTree(root));
  assert.throws(write(fdtNode('root')), { code: 'FDT' });
  assert.throws(write(fdtNode('', [propEmpty('a b')])), { code: 'FDT' });
  assert.throws(write(fdtNode('', [propEmpty('a'), propU32('a', 1)])), { code: 'FDT' });
  assert.throws(write(fdtNode('', [], [fdtNode('x'), fdtNode('x')])), { code: 'FDT' });
  assert.throws(write(fdtNode('', [], [fdtNode('x/y')])), { code: 'FDT' });
  assert.throws(write(fdtNode('', [], [fdtNode('')])), { code: 'FDT' });
  assert.throws(() => propU32('p', -1), { code: 'FDT' });
  assert.throws(() => propU32('p', 2 ** 32), { code: 'FDT' });
  assert.throws(() => propString('p', 'a\0b'), { code: 'FDT' });
});

test('readFdt: header fields outside the blob → FdtError', () => {
  const totalSize = 4;
  const offsets = [8, 12, 16, 32, 36];
  for (const field of [totalSize, ...offsets]) {
    // 3 is not aligned, or a strings block in which no name is found
    for (const value of [0xffff_ffff, 0x7fff_fff0, 3]) {
      assert.throws(
        () => readFdt(patched((view) => view.setUint32(field, value))),
        { code: 'FDT' },
        `${field}`,
      );
    }
  }
  assert.throws(() => readFdt(patched((view) => view.setUint32(20, 16))), { code: 'FDT' }, 'version too old');
  assert.throws(() => readFdt(patched((view) => view.setUint32(24, 18))), { code: 'FDT' }, 'version too new');
});

test('readFdt: shorter than its header says → FdtError', () => {
  for (let length = 0; length < sample.length; length++) {
    assert.throws(() => readFdt(sample.subarray(0, length)), { code: 'FDT' }, `${length} bytes`);
  }
});

test('readFdt: truncated, unending, nested too deep, misplaced tokens → FdtError', () => {
  const build = (tokens: readonly number[]): Uint8Array => {
    const bytes = new Uint8Array(56 + tokens.length * 4 + 8);
    const view = new DataView(bytes.buffer);
    const header = [
      0xd00dfeed,
      bytes.length,
      56,
      56 + tokens.length * 4,
      40,
      17,
      16,
      0,
      8,
      tokens.length * 4,
    ];
    for (const [index, word] of header.entries()) view.setUint32(index * 4, word);
    for (const [index, token] of tokens.entries()) view.setUint32(56 + index * 4, token);
    bytes.set([0x70, 0, 0x71, 0], bytes.length - 8);
    return bytes;
  };
  const child = [1, 0x61000000];
  assert.equal(readFdt(build([4, 1, 0, 4, 3, 4, 0, 7, ...child, 2, 2, 4, 9])).root.children.length, 1);

  assert.throws(() => readFdt(build([])), { code: 'FDT' }, 'nothing');
  assert.throws(() => readFdt(build([9])), { code: 'FDT' }, 'no root');
  assert.throws(() => readFdt(build([1, 0, 9])), { code: 'FDT' }, 'root not ended');
  assert.throws(() => readFdt(build([1, 0, 2])), { code: 'FDT' }, 'no end token');
  assert.throws(() => readFdt(build([1, 0, 2, 1, 0, 2, 9])), { code: 'FDT' }, 'two roots');
  assert.throws(() => readFdt(build([2, 9])), { code: 'FDT' }, 'end without begin');
  assert.throws(() => readFdt(build([3, 0, 0, 9])), { code: 'FDT' }, 'property outside');
  assert.throws(() => readFdt(build([1, 0, 3, 0, 0, 3, 0, 0, 2, 9])), { code: 'FDT' }, 'property twice');
  assert.throws(
    () => readFdt(build([1, 0, ...child, 2, 3, 0, 0, 2, 9])),
    { code: 'FDT' },
    'property after child',
  );
  assert.throws(() => readFdt(build([1, 0, ...child, 2, ...child, 2, 2, 9])), { code: 'FDT' }, 'child twice');
  assert.throws(() => readFdt(build([1, 0, 3, 0xffff_fff0, 0, 2, 9])), { code: 'FDT' }, 'huge value');
  assert.throws(() => readFdt(build([1, 0, 3, 0, 99, 2, 9])), { code: 'FDT' }, 'name outside');
  assert.throws(() => readFdt(build([1, 0, 7, 2, 9])), { code: 'FDT' }, 'unknown token');
  assert.throws(() => readFdt(build([1, 0x61616161])), { code: 'FDT' }, 'name without end');
  assert.throws(() => readFdt(build([1, 0, 1, 0x2f000000, 2, 2, 9])), { code: 'FDT' }, 'slash in a name');
  const nested = (depth: number) => {
    const levels = Array.from({ length: depth }, () => child).flat();
    return build([1, 0, ...levels, ...Array.from({ length: depth + 1 }, () => 2), 9]);
  };
  assert.equal(readFdt(nested(63)).root.children.length, 1);
  assert.throws(() => readFdt(nested(64)), { code: 'FDT', message: /deeper than 64/ });
});

test('readFdt: random damage and random bytes → a tree or FdtError, never anything else', () => {
  const outcome = (bytes: Uint8Array): void => {
    try {
      readFdt(bytes);
    } catch (error) {
      assert.equal((error as { code: string }).code, 'FDT');
    }
  };
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(sample.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 }),
      (damage) =>
        outcome(
          patched((_view, bytes) => {
            for (const [at, value] of damage) bytes[at] = value;
          }),
        ),
    ),
    { numRuns: 2000 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 40, maxLength: 200 }), (bytes) => {
      bytes.set([0xd0, 0x0d, 0xfe, 0xed, 0, 0, 0, 40]);
      outcome(bytes);
    }),
  );
});

test('fdtToDts: a tree with every kind of value → the text dtc would print', () => {
  const text = fdtToDts(
    fdtTree(
      fdtNode(
        '',
        [
          propU32('#size-cells', 2),
          propU32('zero', 0),
          propString('quoted', 'a "b" \\'),
          propBytes('odd', Uint8Array.of(1, 0xab, 3)),
        ],
        [fdtNode('virtio@10', [propEmpty('dma-coherent')], [fdtNode('leaf')])],
      ),
      { reservations: [{ address: fdtU64(0x1_0000_0000), size: fdtU64(0x1000) }] },
    ),
  );
  assert.equal(
    text,
    `/dts-v1/;

/memreserve/ 0x0000000100000000 0x0000000000001000;
/ {
	#size-cells = <0x2>;
	zero = <0x0>;
	quoted = "a \\"b\\" \\\\";
	odd = [01 ab 03];

	virtio@10 {
		dma-coherent;

		leaf {
		};
	};
};
`,
  );
});

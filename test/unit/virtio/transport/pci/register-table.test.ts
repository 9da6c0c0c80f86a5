// The declared registers against what the function does with each.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VIRTIO_PCI_COMMON_BYTES } from '#lkvm/abi/virtio-pci.js';
import { COMMON_REGISTERS } from '#lkvm/virtio/transport/pci/register-table.js';
import { makeVirtioPci } from '../../../../support/virtio-pci-rig.js';

/** The whole structure, as dwords. */
function dump(rig: ReturnType<typeof makeVirtioPci>): number[] {
  return Array.from({ length: VIRTIO_PCI_COMMON_BYTES / 4 }, (_, i) => rig.read(4 * i, 4));
}

test('COMMON_REGISTERS: offsets and widths → every byte of the structure, once', () => {
  let next = 0;
  for (const { offset, bytes } of COMMON_REGISTERS) {
    assert.equal(offset, next);
    next += bytes;
  }
  assert.equal(next, VIRTIO_PCI_COMMON_BYTES);
});

for (const { name, offset, bytes, access } of COMMON_REGISTERS) {
  test(`${name} at ${offset}: writes of other widths${access === 'r' ? ', and its own' : ''} → nothing changes`, () => {
    const rig = makeVirtioPci();
    rig.place();
    const before = dump(rig);
    for (const width of [1, 2, 4].filter((each) => each !== bytes || access === 'r')) {
      for (const value of [0, 1, 2, 0xff]) rig.write(offset, width, value);
    }
    assert.deepEqual(dump(rig), before);
    assert.deepEqual(rig.take(), []);
  });
}

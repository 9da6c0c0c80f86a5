// docs/kvm.md names addresses and lines of the memory map: they stay the same on both sides.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import * as map from '#lkvm/arch/x86_64/memory-map.js';
import { projectRoot } from '../../support/project.js';

const page = readFileSync(join(projectRoot, 'docs', 'kvm.md'), 'utf8');
const picture = page.split('```')[1] ?? '';

/** As the picture writes addresses: at least eight digits, in groups of four. */
function address(value: number): string {
  return `0x${value
    .toString(16)
    .padStart(8, '0')
    .replace(/(?<=.)(?=(?:.{4})+$)/g, '_')}`;
}

test('docs/kvm.md: the memory picture → every border of the memory map, in ascending order', () => {
  const borders = [
    0,
    map.EBDA,
    map.FIRMWARE_TABLES,
    map.HIGH_MEMORY,
    map.HOLE_START,
    map.VIRTIO_MMIO_BASE,
    map.HVL_POOL_START,
    map.HVL_DOORBELL,
    map.PCI_ECAM,
    map.PCI_MEMORY,
    map.IOAPIC_ADDRESS,
    map.LAPIC_ADDRESS,
    map.IDENTITY_MAP,
    map.TSS + 3 * 4096,
    map.FOUR_GIB,
  ].map(address);
  assert.deepEqual(
    picture.match(/^ 0x\S+/gm)?.map((text) => text.trim()),
    borders,
  );
  assert.ok(picture.includes(`to ${address(map.PCI_MEMORY + map.PCI_MEMORY_BYTES - 1)}`));
});

test('docs/kvm.md: places below 1 MiB and ports → as in the memory map', () => {
  const places = [map.ZERO_PAGE, map.BOOT_TABLES, map.FLAT_IMAGE, map.COMMAND_LINE];
  const named = places.filter((place) => !picture.includes(` 0x${place.toString(16)} `));
  const ports = [
    ...map.SERIAL_PORTS,
    map.PM_EVENT_PORT,
    map.PM_CONTROL_PORT,
    map.PM_TIMER_PORT,
    map.RESET_PORT,
  ];
  const missing = ports.filter((port) => !page.includes(`0x${port.toString(16)}`));
  assert.deepEqual([named, missing], [[], []]);
});

test('docs/kvm.md: the interrupt table → lines of the memory map', () => {
  assert.deepEqual(map.VIRTIO_MMIO_GSIS, [5, 6, 7, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23]);
  assert.deepEqual([map.KEYBOARD_GSI, map.RTC_GSI, map.SCI_GSI], [1, 8, 9]);
  assert.deepEqual([map.pciIntxGsi(2), map.pciIntxGsi(1)], [10, 11]);
  assert.deepEqual(map.SERIAL_GSIS, [4, 3, 4, 3]);
  const rows = ['| 5, 6, 7, 13, 14, 15, 16 … 23 | virtio-mmio', '| 9 | ACPI (SCI)', '| 10, 11 | PCI'];
  assert.deepEqual(
    rows.filter((row) => !page.includes(row)),
    [],
  );
});

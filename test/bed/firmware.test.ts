// What our firmware says to Linux: ACPI tables, the MP table, and interrupt lines in every way a kernel can use them.
import assert from 'node:assert/strict';
import { useBed } from './bed.js';
import { Guest } from './guest.js';
import type { MachineSpec } from './machine.js';
import type { OuterGuest } from './outer.js';

const { scenario } = useBed();

/** Slots 1 and 2: INTA# is GSI 11 and 10. */
async function diskAndRng(outer: OuterGuest, words: string, cpus = 1): Promise<Guest> {
  await outer.sh('seq -w 100000 > /run/disk; truncate -s 1M /run/disk');
  const spec: MachineSpec = {
    kernel: '6.1',
    initrd: outer.initrd('6.1'),
    cpus,
    words,
    disks: ['/run/disk'],
    rng: true,
  };
  const guest = await Guest.boot(outer, spec);
  assert.equal(
    await guest.sh('head -n 2 /dev/vda; head -c 1000 /dev/hwrng | wc -c'),
    '000001\n000002\n1000\n',
  );
  return guest;
}

/** Lines of /proc/interrupts without their counts: "10 IO-APIC 10-fasteoi virtio1". */
async function lines(guest: Guest): Promise<string[]> {
  const table = await guest.sh('cat /proc/interrupts');
  const rows = table.split('\n').filter((row) => /^ *\d+:/.test(row));
  return rows.map((row) => row.replace(/^ *(\d+):[ \d]* (?=[A-Z])/, '$1 ').replaceAll(/ +/g, ' '));
}

scenario(
  'ACPI with interrupt lines of PCI: read → no complaint, all found, reset by the reset register',
  async (outer) => {
    const guest = await diskAndRng(outer, 'pci=nomsi reboot=a');
    // The whole log would take minutes on a serial line.
    const log = await guest.sh("dmesg | grep -iE 'acpi|mmconfig|ecam'");
    // "if necessary, use ... and report a bug" is advice that every machine gets.
    const complaints = log.match(/^.*ACPI.*(error|warning|exception|\bbug:).*$/gim);
    assert.equal(complaints, null);
    assert.match(log, /reserved (in E820|in ACPI motherboard|as ACPI motherboard)/, 'ECAM is used');
    assert.match(log, /ACPI: PM: \(supports S0 S5\)/);
    assert.deepEqual(
      await guest.sh('cat /sys/bus/pnp/devices/*/id | sort'),
      [...['PNP0303', 'PNP0501', 'PNP0501', 'PNP0501', 'PNP0501', 'PNP0b00', 'PNP0c02', '']].join('\n'),
    );
    const found = await lines(guest);
    assert.deepEqual(
      [
        '4 IO-APIC 4-edge ttyS0',
        '9 IO-APIC 9-fasteoi acpi',
        '10 IO-APIC 10-fasteoi virtio1',
        '11 IO-APIC 11-fasteoi virtio0',
      ].filter((line) => !found.includes(line)),
      [],
    );
    assert.equal((await guest.end('reboot -f')).code, 0);
  },
);

scenario('acpi=off: the MP table → both processors, lines of PCI on the IOAPIC', async (outer) => {
  const guest = await diskAndRng(outer, 'acpi=off pci=nomsi', 2);
  assert.equal(guest.facts.cpus, 2);
  const found = await lines(guest);
  assert.ok(found.includes('10 IO-APIC 10-fasteoi virtio1'), found.join('\n'));
  assert.ok(found.includes('11 IO-APIC 11-fasteoi virtio0'), found.join('\n'));
  assert.equal((await guest.end('reboot -f')).code, 0);
});

scenario('acpi=off noapic: lines of PCI on the PICs → level-triggered, nothing is lost', async (outer) => {
  const guest = await diskAndRng(outer, 'acpi=off noapic pci=nomsi');
  const found = await lines(guest);
  assert.ok(found.includes('10 XT-PIC virtio1'), found.join('\n'));
  assert.ok(found.includes('11 XT-PIC virtio0'), found.join('\n'));
  assert.equal((await guest.end('reboot -f')).code, 0);
});

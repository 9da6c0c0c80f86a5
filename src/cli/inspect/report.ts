/** What `lkvm inspect` prints, for people and for programs. */
import type { PoolReport, RingReport, SlotReport } from '../../pmm/inspect-file.js';
import { hex } from '../../util/numbers.js';
import { bytesText } from '../layout/facts.js';

/** Text with a trailing newline. @param all also registers that are 0 */
export function reportText(report: PoolReport, all: boolean): string {
  const { base, bytes, layout, fdtBytes, slots, notes } = report;
  const count = `${slots.length} device${slots.length === 1 ? '' : 's'}`;
  const where = base === 0 ? 'pool' : `pool at ${hex(base)}`;
  const tree = fdtBytes > 0 ? ` (${fdtBytes} bytes)` : '';
  const lines = [`${where}, ${bytesText(bytes)}, ${layout}${tree}, ${count}`];
  for (const note of notes) lines.push(`note: ${note}`);
  if (layout === 'nothing published')
    lines.push('No PMM has published devices here, or it is just starting.');
  for (const slot of slots) lines.push('', ...slotLines(slot, all));
  return `${lines.join('\n')}\n`;
}

function words(list: readonly string[]): string {
  return list.length === 0 ? 'none' : list.join(' ');
}

function slotLines(slot: SlotReport, all: boolean): string[] {
  const lines = [
    `slot ${slot.index}: ${slot.name} at ${hex(slot.block, 8)}${slot.valid ? '' : ' (MAGIC is wrong)'}`,
  ];
  const fact = (name: string, text: string): void => {
    lines.push(`  ${name.padEnd(9)} ${text}`);
  };
  fact('PMM', slot.device);
  fact('driver', slot.driver);
  fact('status', words(slot.status));
  if (slot.config !== '') fact('config', slot.config);
  fact('offered', words(slot.offered));
  fact('accepted', words(slot.accepted));
  fact('memory', `${hex(slot.shmBase, 8)}, ${bytesText(slot.shmBytes)} (SHM_BASE, SHM_LEN)`);
  if (slot.static !== undefined) {
    const { epoch, fresh, attach, features, arenaOffset, arenaBytes } = slot.static;
    const state =
      attach === epoch ? 'a driver is attached' : attach === 0 ? 'nobody attached' : 'asked to be made fresh';
    fact(
      'static',
      `${fresh ? 'fresh' : 'used'}, ${state}; epoch ${hex(epoch, 8)}, features ${words(features)}`,
    );
    fact('', `arena ${hex(slot.shmBase + arenaOffset, 8)}, ${bytesText(arenaBytes)}`);
  }
  for (const ring of slot.rings) lines.push(`  queue ${ring.queue}   ${ringText(ring)}`);
  if (slot.ringsNote !== '') fact('rings', slot.ringsNote);
  lines.push('  registers');
  for (const { register, value } of slot.registers) {
    if (value === 0 && !all) continue;
    lines.push(
      `    ${register.offset.toString(16).padStart(3, '0')} ${register.name.padEnd(20)} ${hex(value, register.bytes * 2)}`,
    );
  }
  return lines;
}

function ringText(ring: RingReport): string {
  const { gpa, size, availIdx, usedIdx, availFlags, usedFlags, inFlight } = ring;
  const flags = [];
  if ((availFlags & 1) !== 0) flags.push('driver wants no interrupts');
  if ((usedFlags & 1) !== 0) flags.push('PMM wants no doorbells');
  const odd = inFlight > size ? ' (more than the ring holds: not a ring, or garbage)' : '';
  const tail = flags.length === 0 ? '' : `; ${flags.join(', ')}`;
  return `${hex(gpa, 8)}, ${size} entries; avail.idx ${availIdx}, used.idx ${usedIdx}, ${inFlight} in flight${odd}${tail}`;
}

/** One JSON object with a trailing newline. Registers are an object by name. */
export function reportJson(report: PoolReport): string {
  const slots = report.slots.map((slot) => ({
    ...slot,
    static: slot.static ?? null,
    registers: Object.fromEntries(slot.registers.map(({ register, value }) => [register.name, value])),
  }));
  return `${JSON.stringify({ ...report, slots }, null, 2)}\n`;
}

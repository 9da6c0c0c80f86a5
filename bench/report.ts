/** The two forms of the report: a table for people, one JSON object for programs. */
import { type BenchRow, type Goal, meets, ratioOf } from './bench.js';

/** Three or four digits that mean something. */
function short(value: number): number {
  if (value === 0 || !Number.isFinite(value)) return 0;
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return Number(value.toFixed(Math.min(digits, 6)));
}

function goalText({ of, atMost, atLeast }: Goal): string {
  const limit = atMost === undefined ? `>= ${atLeast ?? 0}` : `<= ${atMost}`;
  return of === 'value' ? limit : `${limit}x`;
}

function extraText(extra: Readonly<Record<string, number | string>> = {}): string {
  return Object.entries(extra)
    .map(([name, value]) => `${name}=${typeof value === 'number' ? short(value) : value}`)
    .join(' ');
}

function cells(row: BenchRow): string[] {
  const { measured, goal } = row;
  if (measured === undefined) {
    const why = row.skipped === undefined ? `failed: ${row.failed ?? ''}` : `skipped: ${row.skipped}`;
    return [row.name, '-', row.unit, '-', '-', goal === undefined ? '' : goalText(goal), '', why];
  }
  return [
    row.name,
    String(short(measured.value)),
    row.unit,
    String(short(measured.floor)),
    String(short(ratioOf(measured))),
    goal === undefined ? '' : goalText(goal),
    goal === undefined ? '' : meets(goal, measured) ? 'met' : 'MISSED',
    extraText(measured.extra),
  ];
}

const HEAD = ['bench', 'value', 'unit', 'floor', 'ratio', 'goal', '', 'more'];
const RIGHT = [1, 3, 4];

/** Prints rows as they come, so that a long run shows where it is. */
export class Table {
  readonly #widths = [13, 10, 10, 10, 8, 9, 7, 0];

  /** The first line. */
  head(): string {
    return this.#line(HEAD);
  }

  /** One bench. */
  row(row: BenchRow): string {
    return this.#line(cells(row));
  }

  #line(texts: readonly string[]): string {
    return texts
      .map((text, i) => {
        const width = this.#widths[i] ?? 0;
        return RIGHT.includes(i) ? text.padStart(width) : text.padEnd(width);
      })
      .join('  ')
      .trimEnd();
  }
}

/** One object, in one line. A bench that was skipped or has failed has null for its numbers and says why. */
export function jsonReport(rows: readonly BenchRow[]): string {
  const benches = rows.map(({ name, unit, measured, skipped, failed }) => {
    if (measured === undefined) {
      return { name, value: null, unit, floor: null, ratio: null, ...(failed ? { failed } : { skipped }) };
    }
    const { value, floor, extra } = measured;
    return {
      name,
      value: short(value),
      unit,
      floor: short(floor),
      ratio: short(ratioOf(measured)),
      ...extra,
    };
  });
  return JSON.stringify({ benches });
}

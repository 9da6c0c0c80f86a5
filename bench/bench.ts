/** What a bench is, and what it reports. */

/** What the command line says to every bench. */
export interface BenchOptions {
  /** Small sizes: shows that the bench works, the numbers mean little. */
  readonly quick: boolean;
  /** A folder of the bench's own on disk; removed afterwards, whatever happens. */
  readonly folder: string;
  /** The same in memory (/dev/shm where there is one). */
  readonly memoryFolder: string;
}

/** Numbers of one run. `value` and `floor` have the bench's unit. */
export interface Measurement {
  readonly value: number;
  /** The same job without us, measured in the same run. */
  readonly floor: number;
  /** More numbers, by name with unit: "p99_us". */
  readonly extra?: Readonly<Record<string, number | string>>;
}

/** The bench cannot run here. */
export interface Skipped {
  readonly skipped: string;
}

/** One bench. Each run has a process of its own. */
export interface Bench {
  readonly name: string;
  readonly unit: string;
  /** One line: what is measured, and what the floor is. */
  readonly about: string;
  /** What we want to reach; undefined = reported only. */
  readonly goal?: Goal;
  run(options: BenchOptions): Promise<Measurement | Skipped> | Measurement | Skipped;
}

/** A limit on the value, or on the ratio of value to floor. */
export interface Goal {
  readonly of: 'value' | 'ratio';
  readonly atMost?: number;
  readonly atLeast?: number;
}

/** One row of the report. */
export interface BenchRow {
  readonly name: string;
  readonly unit: string;
  /** undefined: skipped or failed. */
  readonly measured?: Measurement;
  readonly goal?: Goal | undefined;
  readonly skipped?: string;
  readonly failed?: string;
}

/** value / floor, or 0 if there is no floor. */
export function ratioOf({ value, floor }: Measurement): number {
  return floor === 0 ? 0 : value / floor;
}

/** Whether a goal is met. */
export function meets(goal: Goal, measured: Measurement): boolean {
  const number = goal.of === 'value' ? measured.value : ratioOf(measured);
  return number <= (goal.atMost ?? Number.POSITIVE_INFINITY) && number >= (goal.atLeast ?? 0);
}

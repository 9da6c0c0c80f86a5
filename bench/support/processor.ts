/**
 * Which processor a process runs on. Waking a process on the same processor is a task switch, on an idle one an
 * interrupt between processors: five to ten times as long, and the scheduler's choice between the two is a coin toss. A
 * comparison needs the same for both sides.
 */
import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';

/** Processors that {@link pinTo} can choose from; 1 if processes cannot be pinned here. */
export function processors(): number {
  return pinTo(process.pid, allProcessors()) ? availableParallelism() : 1;
}

/** "0-3". */
export function allProcessors(): string {
  return `0-${availableParallelism() - 1}`;
}

/** Pins all threads of a process, and what it starts from then on. @param list as for taskset: "1", "0-3" */
export function pinTo(pid: number, list: string): boolean {
  return spawnSync('taskset', ['-a', '-p', '-c', list, String(pid)]).status === 0;
}

/** Parts of a file that are loaded at addresses the file itself names. */
import { StartError } from '../../util/errors.js';
import { alignUp, hex } from '../../util/numbers.js';
import { mebibytes } from './guest-bytes.js';
import type { LoadContext } from './load-request.js';
import {
  COMMAND_LINE,
  COMMAND_LINE_BYTES,
  EBDA,
  FOUR_GIB,
  HIGH_MEMORY,
  HOLE_START,
  ramRanges,
  ZERO_PAGE,
} from './memory-map.js';

/** A part of a file and its place in memory. Sizes and offsets in bytes, any number a file may hold. */
export interface Segment {
  readonly offset: number;
  readonly fileBytes: number;
  readonly gpa: number;
  /** At least `fileBytes`; what is behind them is zeros. */
  readonly memoryBytes: number;
}

/** Low memory that the loader itself fills: boot parameters, tables, command line; BIOS areas. */
const TAKEN: readonly (readonly [start: number, end: number])[] = [
  [ZERO_PAGE, COMMAND_LINE + COMMAND_LINE_BYTES],
  [EBDA, HIGH_MEMORY],
];

/**
 * Checks and loads segments. Fresh memory is zeros, so nothing has to be cleared.
 * @param entry physical address at which the guest starts
 * @returns first address behind the segments below 4 GiB
 * Errors: StartError: outside the file, outside RAM, in low memory that is in use, on top of each other; or the entry is
 *   in none of them.
 */
export function loadSegments(context: LoadContext, segments: readonly Segment[], entry: number): number {
  const sorted = [...segments].sort((a, b) => a.gpa - b.gpa);
  let behind = 0;
  for (const segment of sorted) {
    checkSegment(context, segment, behind);
    behind = segment.gpa + segment.memoryBytes;
  }
  const { file, memory } = context;
  if (!sorted.some(({ gpa, fileBytes }) => entry >= gpa && entry < gpa + fileBytes) || entry >= FOUR_GIB) {
    throw new StartError(
      `kernel ${file.path} cannot be started: its entry point ${hex(entry)} is not in what is loaded`,
    );
  }
  for (const { gpa, offset, fileBytes } of sorted) file.load(memory, gpa, offset, fileBytes);
  return Math.max(
    ...sorted.map(({ gpa, memoryBytes }) => gpa + memoryBytes).filter((end) => end <= FOUR_GIB),
  );
}

function checkSegment({ file, request }: LoadContext, segment: Segment, behind: number): void {
  const { gpa, offset, fileBytes, memoryBytes } = segment;
  const end = gpa + memoryBytes;
  const refuse = (why: string): StartError =>
    new StartError(
      `kernel ${file.path} cannot be started: its segment at ${hex(gpa)} ... ${hex(end)} ${why}`,
    );
  if (fileBytes > memoryBytes)
    throw refuse(`has ${fileBytes} bytes in the file, more than it takes in memory`);
  if (offset + fileBytes > file.bytes) throw refuse(`is cut off: the file has only ${file.bytes} bytes`);
  if (gpa < behind) throw refuse('overlaps another one');
  if (TAKEN.some(([from, to]) => gpa < to && end > from)) {
    throw refuse(`lies in memory that is in use below 1 MiB`);
  }
  const inRam = ramRanges(request.ramBytes).some((ram) => gpa >= ram.gpa && end <= ram.gpa + ram.bytes);
  if (inRam) return;
  const hint = end <= HOLE_START ? `: give the guest at least ${mebibytes(alignUp(end, 4096))} with -m` : '';
  throw refuse(`is not in the guest's ${mebibytes(request.ramBytes)} of RAM${hint}`);
}

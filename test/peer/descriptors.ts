/** What a driver has put into the descriptor tables of a pool, read from the pool itself. */
import { readFileSync } from 'node:fs';

const DESCRIPTOR_BYTES = 16;

/** A ring, as `lkvm inspect --json` reports it. */
interface Ring {
  readonly gpa: number;
  readonly size: number;
}

/** The part of the report that is needed here. */
export interface PoolReport {
  readonly base: number;
  readonly bytes: number;
  readonly slots: readonly { readonly name: string; readonly rings: readonly Ring[] }[];
}

/** A buffer that a descriptor names. */
export interface DescribedBuffer {
  readonly device: string;
  readonly address: number;
  readonly bytes: number;
}

/** All descriptors that were ever written. */
export function describedBuffers(report: PoolReport, path: string): DescribedBuffer[] {
  const pool = readFileSync(path);
  return report.slots.flatMap(({ name, rings }) =>
    rings.flatMap(({ gpa, size }) =>
      Array.from({ length: size }, (_, i) => {
        const at = gpa - report.base + i * DESCRIPTOR_BYTES;
        return { device: name, address: Number(pool.readBigUInt64LE(at)), bytes: pool.readUInt32LE(at + 8) };
      }).filter(({ bytes }) => bytes !== 0),
    ),
  );
}

/** Those of them that are not completely in the pool. */
export function strayBuffers(report: PoolReport, path: string): DescribedBuffer[] {
  const end = report.base + report.bytes;
  return describedBuffers(report, path).filter(
    ({ address, bytes }) => address < report.base || address + bytes > end,
  );
}

/**
 * Puts the tables of our own firmware in guest memory: ACPI in the first 64 KiB of FIRMWARE_TABLES, the MP table in the
 * second. A kernel finds both by scanning, without being told.
 *
 * Spec: ACPI 6.3 section 5.2.5.1; MP 1.4 chapter 4. Thread: main, before the guest starts.
 */
import { ACPI_DSDT_REVISION, ACPI_FACS_ALIGN, ACPI_RSDP_BYTES, ACPI_SIG_DSDT } from '../../../abi/acpi.js';
import { MP_SCAN_START } from '../../../abi/mp-table.js';
import type { GuestMemory } from '../../../memory/guest-memory.js';
import { invariant } from '../../../util/errors.js';
import { FIRMWARE_TABLES, FIRMWARE_TABLES_BYTES } from '../memory-map.js';
import { mpTable } from '../mptable.js';
import { checkDescription, type FirmwareDescription } from './description.js';
import { dsdtTerms } from './dsdt.js';
import { facs, fadt, madt, mcfg, rsdp, rsdt, systemTable, xsdt } from './tables.js';

/** A run of bytes at a guest address. */
export interface PlacedTable {
  readonly gpa: number;
  readonly bytes: Uint8Array;
}

/** All tables and where they go. */
export interface FirmwareTables {
  /** Address of the RSDP. */
  readonly rsdp: number;
  /** Address of the MP floating pointer. */
  readonly mp: number;
  /** Ascending, disjoint, inside FIRMWARE_TABLES. */
  readonly tables: readonly PlacedTable[];
}

/** Lays tables out one after the other. */
class Placement {
  readonly tables: PlacedTable[] = [];
  #next: number;

  constructor(start: number) {
    this.#next = start;
  }

  /** @returns the table's address: the FACS needs a multiple of 64, the others take the same */
  add(bytes: Uint8Array): number {
    const gpa = Math.ceil(this.#next / ACPI_FACS_ALIGN) * ACPI_FACS_ALIGN;
    this.tables.push({ gpa, bytes });
    this.#next = gpa + bytes.length;
    return gpa;
  }

  get end(): number {
    return this.#next;
  }
}

/** The tables of a machine. Errors: InvariantError if the description is not as its type says. */
export function firmwareTables(description: FirmwareDescription): FirmwareTables {
  checkDescription(description);
  const acpi = new Placement(FIRMWARE_TABLES + ACPI_RSDP_BYTES);
  const facsAt = acpi.add(facs());
  const dsdtAt = acpi.add(systemTable(ACPI_SIG_DSDT, ACPI_DSDT_REVISION, dsdtTerms(description)));
  const roots = [acpi.add(fadt(facsAt, dsdtAt)), acpi.add(madt(description))];
  if (description.ecam) roots.push(acpi.add(mcfg()));
  const rsdtAt = acpi.add(rsdt(roots));
  const root = rsdp(rsdtAt, acpi.add(xsdt(roots)));
  invariant(acpi.end <= MP_SCAN_START, 'ACPI tables end before the MP table');
  const mp = mpTable(MP_SCAN_START, description);
  invariant(
    MP_SCAN_START + mp.length <= FIRMWARE_TABLES + FIRMWARE_TABLES_BYTES,
    'the MP table ends with the firmware tables',
  );
  return {
    rsdp: FIRMWARE_TABLES,
    mp: MP_SCAN_START,
    tables: [{ gpa: FIRMWARE_TABLES, bytes: root }, ...acpi.tables, { gpa: MP_SCAN_START, bytes: mp }],
  };
}

/**
 * Writes the tables of a machine that boots without a firmware image.
 * @param memory guest RAM; it covers FIRMWARE_TABLES
 * @returns the RSDP's address, for boot protocols that pass it on
 * Errors: InvariantError if the description is not as its type says, or there is no memory.
 */
export function writeFirmwareTables(
  memory: GuestMemory,
  description: FirmwareDescription,
): { readonly rsdp: number } {
  const { rsdp: root, tables } = firmwareTables(description);
  for (const { gpa, bytes } of tables) {
    invariant(memory.translate(gpa, bytes.length), 'there is RAM where firmware tables go');
    memory.chunk.u8.set(bytes, memory.offset);
  }
  return { rsdp: root };
}

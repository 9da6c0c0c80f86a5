/**
 * The memory map of a pool: which device has which slot, register block, region and (static mode) rings.
 * Pure arithmetic: used by the PMM before it touches anything, and by `lkvm layout`.
 */

/** What a device needs in the pool. */
export interface HvlDeviceRequest {
  /** "p9", "vsock", "rng", "net", "console": the key of `--region`, `--queue-size`, `--features`, `--static`. */
  readonly name: string;
  /** VIRTIO_ID_... */
  readonly deviceId: number;
  /** What the user sees: a 9p tag, a NIC's MAC; "" if there is nothing to say. */
  readonly label: string;
  /** Largest size of each queue, by index. */
  readonly queueMaxSizes: readonly number[];
  readonly configBytes: number;
  /** Bytes of the device's region, a multiple of 4096. */
  readonly regionBytes: number;
  /** Publish a static descriptor (protocol extension) with PMM-placed rings. */
  readonly static: boolean;
}

/** A ring placed by the PMM (static mode). */
export interface StaticRing {
  /** Driver-visible address, multiple of 4096. */
  readonly gpa: number;
  readonly size: number;
  readonly bytes: number;
}

/** One device's place in the pool. Addresses are driver-visible (gpa). */
export interface HvlSlot {
  readonly index: number;
  readonly request: HvlDeviceRequest;
  /** Register block, 0x200 bytes; config space at block + 0x100. */
  readonly block: number;
  /** Device region. Without a device tree it is not published and holds nothing. */
  readonly region: number;
  readonly regionBytes: number;
  /** Published in SHM_BASE and SHM_LEN. */
  readonly shmBase: number;
  readonly shmBytes: number;
  /** Static mode: rings by queue index; empty otherwise. */
  readonly rings: readonly StaticRing[];
  /** Static mode: the driver's buffer arena, offset from shmBase and length; 0, 0 otherwise. */
  readonly arenaOffset: number;
  readonly arenaBytes: number;
}

/** The whole map. */
export interface HvlLayout {
  /** `--shmem-addr`: driver-visible address of the pool's first byte. */
  readonly base: number;
  /** `--shmem-size`. */
  readonly bytes: number;
  readonly withDtb: boolean;
  readonly slots: readonly HvlSlot[];
  /** Memory no device owns: the front end's common arena. */
  readonly tail: number;
  readonly tailBytes: number;
}

/**
 * What a guest's port or memory access becomes. The vCPU's thread handles it: the state of devices is in shared words.
 *
 * Hot path: no exception, no allocation. Values and addresses come from the guest: anything is possible, nothing is an
 * error. An access wider than 4 bytes arrives as several, low address first; an unusual width (3, 5, ...) likewise as 4, 2
 * and 1.
 */
export interface AccessPort {
  /** @param port 0 ... 65535 @param bytes 1, 2 or 4 @param value unsigned, below 2^(8 x bytes) */
  pioWrite(port: number, bytes: number, value: number): void;
  /** @returns the value; bits above `bytes` are ignored. A port nobody claims reads all ones: {@link ALL_ONES} */
  pioRead(port: number, bytes: number): number;
  /** @param gpa guest-physical, below 2^52 @param bytes 1, 2 or 4 @param value as {@link pioWrite} */
  mmioWrite(gpa: number, bytes: number, value: number): void;
  /** As {@link pioRead}. */
  mmioRead(gpa: number, bytes: number): number;
}

/** What a vCPU's loop calls. */
export interface VcpuPort extends AccessPort {
  /**
   * VCPU_GO_ON, or how the machine ends because of the last access (power-off, reset, ...): looked at after each one, and
   * then the vCPU enters the guest no more.
   */
  readonly outcome: number;
  /** What {@link outcome} carries: the number written to the debug-exit port; else 0. */
  readonly outcomeValue: number;
  /** The vCPU's loop has ended, whatever the reason. */
  close(): void;
}

/** What reads as nothing. */
export const ALL_ONES = 0xffff_ffff;

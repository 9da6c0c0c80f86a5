/** Interrupt lines as devices see them. */

/**
 * Where a device shows the level of its interrupt line. Lines may be shared: a line is up while any of its sources is.
 * Thread: any. Hot path.
 */
export interface LineSink {
  /**
   * @param gsi 0 ... 23
   * @param source number of the device on that line, 0 ... 31, its own
   */
  setLevel(gsi: number, source: number, level: boolean): void;
}

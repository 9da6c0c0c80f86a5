/** What the parts of one slot need from the transport around them. Thread: reactor. */
export interface SlotPort {
  /** Some device wants an interrupt: the end of the round collects it. Hot path. */
  interruptWanted(): void;
  /** The driver must be signalled at the end of the round, whatever INTERRUPT_STATUS says (it waits for an ACK word). */
  signal(): void;
  /** Microseconds, monotonic. */
  nowUs(): number;
  /** Look at all devices again after so many microseconds, even if no doorbell arrives. */
  lookAgain(us: number): void;
  /** A line for the log, about this slot; rate-limited. */
  warn(text: string): void;
  started(): void;
  reset(): void;
  fault(text: string): void;
}

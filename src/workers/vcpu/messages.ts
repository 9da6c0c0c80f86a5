/** What passes between a vCPU's worker and main. */
import type { VcpuRecord } from '../../kvm/vcpu.js';
import type { RegionRecord } from '../../memory/guest-memory.js';

/** `data` of a vCPU's thread. */
export interface VcpuInit {
  readonly vcpu: VcpuRecord;
  /** The guest's memory, for dumps. */
  readonly memory: readonly RegionRecord[];
  /** Report each instruction. */
  readonly singleStep: boolean;
  /** For the function that makes the access port. */
  readonly port: unknown;
}

/** Worker to main. */
export type VcpuMessage =
  | {
      readonly kind: 'paused';
      /** The value of VCPU_PAUSE it is parked for. */
      readonly pause: number;
    }
  | {
      /** A line (or a dump of registers) for the log. */
      readonly kind: 'log';
      readonly text: string;
    }
  | {
      readonly kind: 'ended';
      /** A VCPU_ constant of `outcome.ts`. */
      readonly outcome: number;
      /** What the outcome carries: the number written to the debug-exit port; else 0. */
      readonly value: number;
      /** One line that says why, and for a failure the registers and code below it; empty after a stop. */
      readonly text: string;
    };

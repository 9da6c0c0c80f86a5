/**
 * The worker's end of a vCPU. A machine's worker module calls {@link runVcpu} once, with a function that makes its access
 * port.
 *
 * Thread: vCPU.
 */
import { dumpVcpu, isAtReset } from '../../kvm/dump.js';
import { describeExit } from '../../kvm/exit-text.js';
import { Vcpu } from '../../kvm/vcpu.js';
import { GuestMemory } from '../../memory/guest-memory.js';
import type { ControlBlock } from '../control-block.js';
import { runThread } from '../entry.js';
import type { VcpuPort } from './access-port.js';
import type { VcpuInit, VcpuMessage } from './messages.js';
import { VCPU_CRASHED, VCPU_FAILED, VCPU_TRIPLE_FAULT } from './outcome.js';
import { VcpuRunLoop } from './run-loop.js';

/** What a port is made from. */
export interface VcpuSurroundings<T> {
  /** `VcpuThreadOptions.port` */
  readonly data: T;
  readonly vcpu: Vcpu;
  readonly control: ControlBlock;
  readonly memory: GuestMemory;
  /** Writes a line to the machine's log. */
  readonly log: (text: string) => void;
}

/** Runs this thread's vCPU to its end, and tells main. */
export function runVcpu<T>(makePort: (surroundings: VcpuSurroundings<T>) => VcpuPort): Promise<void> {
  return runThread<VcpuInit>((context) => {
    const { data, control } = context;
    const vcpu = new Vcpu(data.vcpu);
    const memory = new GuestMemory(data.memory);
    const send = (message: VcpuMessage): void => context.post(message);
    const log = (text: string): void => send({ kind: 'log', text });
    const port = makePort({ data: data.port as T, vcpu, control, memory, log });
    if (data.singleStep) vcpu.singleStep();
    const loop = new VcpuRunLoop(vcpu, control, port, {
      onPaused: (pause) => send({ kind: 'paused', pause }),
      onDebug: () => log(`vCPU ${vcpu.index}: one instruction done\n${dumpVcpu(vcpu, memory)}`),
    });
    const outcome = loop.run();
    port.close();
    send({
      kind: 'ended',
      outcome,
      value: port.outcomeValue,
      text: endText(outcome, loop.lastResult, vcpu, memory),
    });
  });
}

function endText(outcome: number, result: number, vcpu: Vcpu, memory: GuestMemory): string {
  switch (outcome) {
    case VCPU_TRIPLE_FAULT:
    case VCPU_FAILED:
    case VCPU_CRASHED: {
      const reset = outcome === VCPU_TRIPLE_FAULT && isAtReset(vcpu);
      const note = reset ? '; KVM has reset the processor, these are not the registers of the fault' : '';
      return `vCPU ${vcpu.index}: ${describeExit(vcpu.run, result)}${note}\n${dumpVcpu(vcpu, memory)}`;
    }
    default:
      return '';
  }
}

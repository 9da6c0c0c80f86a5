// A thread that changes messages of some slots' vectors: nonsense a few times, then the right one.
import { workerData } from 'node:worker_threads';
import { SharedMsiRoutes } from '#lkvm/kvm/msi-routes.js';
import { Vm, type VmRecord } from '#lkvm/kvm/vm.js';

export interface MsiWorkerData {
  readonly vm: VmRecord;
  readonly routes: SharedArrayBuffer;
  readonly slots: readonly number[];
  /** Vectors of each slot. */
  readonly vectors: number;
  /** One word: threads that are ready; all begin when it reaches `threads`. */
  readonly gate: Int32Array;
  readonly threads: number;
}

/** The processor's vector for a vector of a slot: 0x20 ... */
export function dataOf(slot: number, vector: number, vectors: number): number {
  return 0x20 + slot * vectors + vector;
}

if (workerData !== null) {
  const { vm, routes, slots, vectors, gate, threads } = workerData as MsiWorkerData;
  const own = new SharedMsiRoutes(routes, new Vm(vm));
  if (Atomics.add(gate, 0, 1) + 1 === threads) Atomics.notify(gate, 0);
  for (let seen = Atomics.load(gate, 0); seen < threads; seen = Atomics.load(gate, 0))
    Atomics.wait(gate, 0, seen);
  for (let round = 0; round < 3; round++) {
    for (const slot of slots) {
      for (let vector = 0; vector < vectors; vector++) {
        // Until the last round every vector delivers what belongs to another processor that is not there.
        own.setMessage(slot, vector, round < 2 ? 0xfee0_f000 : 0xfee0_0000, 0, dataOf(slot, vector, vectors));
      }
    }
  }
}

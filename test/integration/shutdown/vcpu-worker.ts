// The vCPU's worker of the shutdown tests: every access throws, as no port may.
import type { VcpuPort } from '#lkvm/workers/vcpu/access-port.js';
import { runVcpu } from '#lkvm/workers/vcpu/entry.js';

function fail(): never {
  throw new Error('thrown in the worker');
}

const port: VcpuPort = {
  pioRead: fail,
  pioWrite: fail,
  mmioRead: fail,
  mmioWrite: fail,
  outcome: 0,
  outcomeValue: 0,
  close: () => undefined,
};

await runVcpu(() => port);

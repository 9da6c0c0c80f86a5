/** The library: KVM guests, and a Physical Machine Monitor, in a few lines. See README.md. */
import type { VmOptions } from './vmm/options.js';
import type { VirtualMachine, VmExtras } from './vmm/vm-types.js';

export type { JsNetwork, NetworkPort, RemoteNetwork } from './backends/js-network/network.js';
export { remoteNetwork } from './backends/js-network/network.js';
export type { HvlDeviceOptions, HvlOptions } from './machine/hvl-options.js';
export type { FileTree } from './p9/file-tree.js';
export { type RemoteTree, type RemoteTreeServer, remoteTree } from './p9/remote-tree.js';
export type {
  SimpleTree,
  TreeAttributes,
  TreeChange,
  TreeDone,
  TreeOpen,
  TreeResult,
} from './p9/simple-tree.js';
export type { NotifySpec, PollSpec } from './pmm/config.js';
export { createPmm, type PmmExtras } from './pmm/create-pmm.js';
export type {
  PmmConsoleOptions,
  PmmDeviceOptions,
  PmmNetOptions,
  PmmOptions,
  PmmPoolOptions,
  PmmQemuOptions,
  PmmRemoteOptions,
  PmmRemoteprocOptions,
  PmmRngOptions,
  PmmShareOptions,
} from './pmm/options.js';
export type { Pmm, PmmDeviceCounters, PmmDeviceEvent, PmmExit } from './pmm/pmm.js';
export type { RemoteEvent as PmmRemoteEvent } from './pmm/remote/remote.js';
export { ConfigError, LkvmError, StartError, SysError } from './util/errors.js';
export type { Log } from './util/ports.js';
export type { VmDeviceOptions, VmDiskOptions, VmHvlOptions, VmOptions } from './vmm/options.js';
export type { VirtualMachine, VmExit, VmExitReason, VmExtras } from './vmm/vm-types.js';

/**
 * Starts a KVM guest; see `createVm` in vmm/create-vm.ts. The KVM side is loaded at the first call: programs that only
 * want a PMM do not pay for it.
 * Errors: ConfigError (the options), StartError (the machine).
 */
export async function createVm(options: VmOptions, extras: VmExtras = {}): Promise<VirtualMachine> {
  const { createVm: create } = await import('./vmm/create-vm.js');
  return await create(options, extras);
}

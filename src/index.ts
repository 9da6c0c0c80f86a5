/** The library: a Physical Machine Monitor in a few lines. See README.md. */

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
  PmmRngOptions,
  PmmShareOptions,
} from './pmm/options.js';
export type { Pmm, PmmDeviceCounters, PmmDeviceEvent, PmmExit } from './pmm/pmm.js';
export { ConfigError, LkvmError, StartError, SysError } from './util/errors.js';
export type { Log } from './util/ports.js';

/**
 * The KVM device. `Kvm` makes a `Vm`, a `Vm` makes a `Vcpu`; each handle holds the descriptor of its level and issues
 * only the ioctls of that level.
 *
 * Whether the host can run guests is decided by this interface alone, never by processor flags: there are hosts without
 * vmx and svm whose KVM works.
 *
 * Thread: main.
 */
import { EACCES, EINVAL, ENODEV, ENOENT, ENOTTY, ENXIO, EPERM } from '../abi/errno.js';
import { KVM_API_VERSION, KVM_CAP_MAX_VCPUS, KVM_CAP_NR_VCPUS } from '../abi/kvm.js';
import { O_RDWR } from '../sys/arch.js';
import { close, open } from '../sys/fd.js';
import { errnoName } from '../sys/libc.js';
import { StartError } from '../util/errors.js';
import { capabilityName } from './capabilities.js';
import { Cpuid } from './cpuid.js';
import {
  asKvmFd,
  CHECK_EXTENSION,
  CREATE_VM,
  call,
  GET_API_VERSION,
  GET_VCPU_MMAP_SIZE,
  type KvmFd,
  mustCall,
} from './ioctls.js';
import { Vm } from './vm.js';

/** Where the device is unless `--dev` says otherwise. */
export const KVM_PATH = '/dev/kvm';

/** Recommended number of vCPUs where the kernel does not tell. */
const DEFAULT_VCPUS = 4;

/** An open /dev/kvm. */
export class Kvm {
  readonly path: string;
  readonly fd: KvmFd<'system'>;
  /** Size in bytes of the mapping of each vCPU's `kvm_run`. */
  readonly runBytes: number;
  readonly #supported = new Map<number, number>();

  /**
   * Opens the device and checks that it is KVM of API version 12.
   * Errors: StartError, one line with what to do.
   */
  constructor(path = KVM_PATH) {
    this.path = path;
    this.fd = asKvmFd(openDevice(path));
    const version = call(this.fd, GET_API_VERSION);
    if (version !== KVM_API_VERSION) {
      close(this.fd);
      throw new StartError(wrongVersion(path, version));
    }
    this.runBytes = mustCall(this.fd, GET_VCPU_MMAP_SIZE);
  }

  /** Value of a capability: 0 = not there, else 1 or a number with a meaning of its own. Asked once. */
  capability(capability: number): number {
    const known = this.#supported.get(capability);
    if (known !== undefined) return known;
    const value = mustCall(this.fd, CHECK_EXTENSION, capability);
    this.#supported.set(capability, value);
    return value;
  }

  /** Errors: StartError that names every capability that is missing. */
  require(capabilities: readonly number[]): void {
    const missing = capabilities.filter((each) => this.capability(each) === 0).map(capabilityName);
    if (missing.length === 0) return;
    throw new StartError(
      `${this.path}: this kernel's KVM lacks ${missing.join(', ')}; a newer kernel is needed`,
    );
  }

  /** Most vCPUs that make sense on this host (KVM_CAP_NR_VCPUS). */
  get recommendedVcpus(): number {
    return this.capability(KVM_CAP_NR_VCPUS) || DEFAULT_VCPUS;
  }

  /** Most vCPUs a VM may have. */
  get maxVcpus(): number {
    return this.capability(KVM_CAP_MAX_VCPUS) || this.recommendedVcpus;
  }

  /** The processor features that KVM can give to a guest. */
  supportedCpuid(): Cpuid {
    return Cpuid.supported(this.fd);
  }

  /** Makes a VM without memory, devices and vCPUs. Errors: SysError. */
  createVm(): Vm {
    return new Vm({ fd: mustCall(this.fd, CREATE_VM, 0, this.path), runBytes: this.runBytes });
  }

  /** Closes the device. VMs made from it live on. */
  close(): void {
    close(this.fd);
  }
}

function openDevice(path: string): number {
  const fd = open(path, O_RDWR);
  if (fd >= 0) return fd;
  throw new StartError(`${path}: ${advice(fd)}`);
}

function advice(error: number): string {
  switch (error) {
    case -ENOENT:
    case -ENODEV:
    case -ENXIO:
      return 'there is no such device: load the module (modprobe kvm_intel or kvm_amd) and switch virtualisation on in the firmware or, inside a VM, on its host; or name another device with --dev PATH';
    case -EACCES:
    case -EPERM:
      return 'permission denied: join the group kvm (usermod -aG kvm USER, then log in again), or run as root';
    default:
      return `cannot be opened: ${errnoName(-error)}`;
  }
}

function wrongVersion(path: string, version: number): string {
  if (version === -ENOTTY || version === -EINVAL) {
    return `${path}: this is not a KVM device; name one with --dev PATH (usually ${KVM_PATH})`;
  }
  const found = version < 0 ? errnoName(-version) : `version ${version}`;
  return `${path}: KVM's API answers ${found}, and version ${KVM_API_VERSION} is needed: boot a Linux kernel of 2.6.22 or newer`;
}

/** CPUID tables: what KVM supports, and what a vCPU's guest sees. Thread: any; set-up only. */
import {
  KVM_CPUID_BYTES,
  KVM_CPUID_ENTRY_BYTES,
  KVM_CPUID_ENTRY_EAX_OFF,
  KVM_CPUID_ENTRY_EBX_OFF,
  KVM_CPUID_ENTRY_ECX_OFF,
  KVM_CPUID_ENTRY_EDX_OFF,
  KVM_CPUID_ENTRY_FLAGS_OFF,
  KVM_CPUID_ENTRY_FUNCTION_OFF,
  KVM_CPUID_ENTRY_INDEX_OFF,
  KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
  KVM_CPUID_NENT_OFF,
} from '../abi/kvm-x86.js';
import { NativeBuffer } from '../memory/native-buffer.js';
import { ConfigError } from '../util/errors.js';
import { GET_CPUID2, GET_SUPPORTED_CPUID, type Ioctl, type KvmFd, type Level, mustCall } from './ioctls.js';

/** What one leaf answers. All values unsigned 32-bit. */
export interface CpuidEntry {
  readonly function: number;
  /** Sub-leaf; 0 where the leaf has none. */
  readonly index: number;
  /** KVM_CPUID_FLAG_SIGNIFCANT_INDEX if the leaf has sub-leaves. */
  readonly flags: number;
  eax: number;
  ebx: number;
  ecx: number;
  edx: number;
}

/** Most entries of a table; KVM itself allows 256. */
const MAX_ENTRIES = 256;

/** A table of entries, changed in place and given to a vCPU with `Vcpu.setCpuid`. */
export class Cpuid {
  readonly entries: CpuidEntry[];

  constructor(entries: CpuidEntry[]) {
    this.entries = entries;
  }

  /** Everything KVM can give to a guest on this host. Errors: SysError. */
  static supported(fd: KvmFd<'system'>): Cpuid {
    return read(fd, GET_SUPPORTED_CPUID);
  }

  /** What a vCPU's guest sees. Errors: SysError. */
  static ofVcpu(fd: KvmFd<'vcpu'>): Cpuid {
    return read(fd, GET_CPUID2);
  }

  /** The entry of a leaf, or undefined. @param index matters only for leaves with sub-leaves */
  find(leaf: number, index = 0): CpuidEntry | undefined {
    return this.entries.find(
      (each) =>
        each.function === leaf &&
        ((each.flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) === 0 || each.index === index),
    );
  }

  /** A copy whose entries can be changed on their own: each vCPU has its APIC id in it. */
  clone(): Cpuid {
    return new Cpuid(this.entries.map((each) => ({ ...each })));
  }

  /** The table as struct kvm_cpuid2. Errors: ConfigError for more than 256 entries. */
  encode(): NativeBuffer {
    if (this.entries.length > MAX_ENTRIES) throw new ConfigError('a CPUID table has at most 256 entries');
    const buffer = new NativeBuffer(KVM_CPUID_BYTES + this.entries.length * KVM_CPUID_ENTRY_BYTES);
    const { view } = buffer;
    view.setUint32(KVM_CPUID_NENT_OFF, this.entries.length, true);
    this.entries.forEach((each, i) => {
      const at = KVM_CPUID_BYTES + i * KVM_CPUID_ENTRY_BYTES;
      view.setUint32(at + KVM_CPUID_ENTRY_FUNCTION_OFF, each.function, true);
      view.setUint32(at + KVM_CPUID_ENTRY_INDEX_OFF, each.index, true);
      view.setUint32(at + KVM_CPUID_ENTRY_FLAGS_OFF, each.flags, true);
      view.setUint32(at + KVM_CPUID_ENTRY_EAX_OFF, each.eax, true);
      view.setUint32(at + KVM_CPUID_ENTRY_EBX_OFF, each.ebx, true);
      view.setUint32(at + KVM_CPUID_ENTRY_ECX_OFF, each.ecx, true);
      view.setUint32(at + KVM_CPUID_ENTRY_EDX_OFF, each.edx, true);
    });
    return buffer;
  }
}

function read<L extends Level>(fd: KvmFd<L>, command: Ioctl<L>): Cpuid {
  const buffer = new NativeBuffer(KVM_CPUID_BYTES + MAX_ENTRIES * KVM_CPUID_ENTRY_BYTES);
  buffer.view.setUint32(KVM_CPUID_NENT_OFF, MAX_ENTRIES, true);
  mustCall(fd, command, buffer.address);
  const count = Math.min(MAX_ENTRIES, buffer.view.getUint32(KVM_CPUID_NENT_OFF, true));
  return new Cpuid(Array.from({ length: count }, (_, i) => entryAt(buffer.view, i)));
}

function entryAt(view: DataView, i: number): CpuidEntry {
  const at = KVM_CPUID_BYTES + i * KVM_CPUID_ENTRY_BYTES;
  return {
    function: view.getUint32(at + KVM_CPUID_ENTRY_FUNCTION_OFF, true),
    index: view.getUint32(at + KVM_CPUID_ENTRY_INDEX_OFF, true),
    flags: view.getUint32(at + KVM_CPUID_ENTRY_FLAGS_OFF, true),
    eax: view.getUint32(at + KVM_CPUID_ENTRY_EAX_OFF, true),
    ebx: view.getUint32(at + KVM_CPUID_ENTRY_EBX_OFF, true),
    ecx: view.getUint32(at + KVM_CPUID_ENTRY_ECX_OFF, true),
    edx: view.getUint32(at + KVM_CPUID_ENTRY_EDX_OFF, true),
  };
}

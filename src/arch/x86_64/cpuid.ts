/**
 * What the guest's CPUID answers: everything KVM supports, with the topology of our machine: one socket, one core per
 * vCPU, one thread per core, APIC id = number of the vCPU.
 *
 * All leaves that speak of topology have to agree, or Linux complains, and schedules as if cores were hyper-threads.
 * Pure; unit-tested without KVM.
 */
import { KVM_CPUID_FLAG_SIGNIFCANT_INDEX } from '../../abi/kvm-x86.js';
import {
  CPUID_1_ECX_HYPERVISOR,
  CPUID_1_ECX_TSC_DEADLINE,
  CPUID_1_ECX_VMX,
  CPUID_1_EDX_HTT,
  CPUID_6_ECX_EPB,
  CPUID_AMD_CACHES,
  CPUID_AMD_TOPOLOGY,
  CPUID_AMD_TOPOLOGY_V2,
  CPUID_CACHES,
  CPUID_EXT_ECX_CMP_LEGACY,
  CPUID_EXT_ECX_SVM,
  CPUID_EXT_ECX_TOPOEXT,
  CPUID_EXTENDED_FEATURES,
  CPUID_FEATURES,
  CPUID_LEVEL_CORE,
  CPUID_LEVEL_SMT,
  CPUID_PERFMON,
  CPUID_POWER,
  CPUID_SIZES,
  CPUID_SVM,
  CPUID_TOPOLOGY,
  CPUID_TOPOLOGY_V2,
  CPUID_VENDOR,
} from '../../abi/x86-cpu.js';
import { Cpuid, type CpuidEntry } from '../../kvm/cpuid.js';

/** What a table depends on beside what KVM supports. */
export interface CpuidOptions {
  /** Number of the vCPU, 0 ... `cpus` - 1: its APIC id. */
  readonly index: number;
  /** vCPUs of the machine. */
  readonly cpus: number;
  /** KVM has a TSC deadline timer (KVM_CAP_TSC_DEADLINE_TIMER); it does not say so in its table. */
  readonly tscDeadline: boolean;
}

const BYTE = 0xff;
/** Cores a leaf 4 can count. */
const CORES_FIELD_MAX = 63;
const SHARING_FIELD_MAX = 4095;
const LAST_LEVEL_CACHE = 3;

/** Leaves about the host's topology: ours are made anew, AMD's extended one is left out, which means that it is not there. */
const REPLACED = [CPUID_TOPOLOGY, CPUID_TOPOLOGY_V2, CPUID_AMD_TOPOLOGY_V2];

/** The table of one vCPU. @param supported what KVM supports; not changed */
export function guestCpuid(supported: Cpuid, options: CpuidOptions): Cpuid {
  const kept = supported.clone().entries.filter((each) => !REPLACED.includes(each.function));
  const table = new Cpuid(kept);
  setFeatures(table, options);
  setCaches(table, options);
  setAmdTopology(table, options);
  setOthers(table);
  const highest = table.find(CPUID_VENDOR)?.eax ?? 0;
  for (const leaf of [CPUID_TOPOLOGY, CPUID_TOPOLOGY_V2]) {
    if (highest >= leaf) kept.push(...topologyLeaf(leaf, options));
  }
  return table;
}

/** Bits of an APIC id that number the cores of a socket. */
function coreBits(cpus: number): number {
  return Math.ceil(Math.log2(cpus));
}

function setFeatures(table: Cpuid, { index, cpus, tscDeadline }: CpuidOptions): void {
  const leaf = table.find(CPUID_FEATURES);
  if (leaf === undefined) return;
  const ids = Math.min(BYTE, 2 ** coreBits(cpus));
  leaf.ebx = ((leaf.ebx & 0xffff) | (ids << 16) | ((index & BYTE) << 24)) >>> 0;
  leaf.edx = withBit(leaf.edx, CPUID_1_EDX_HTT, cpus > 1);
  leaf.ecx = withBit(leaf.ecx, CPUID_1_ECX_HYPERVISOR, true);
  if (tscDeadline) leaf.ecx = withBit(leaf.ecx, CPUID_1_ECX_TSC_DEADLINE, true);
  // A guest inside the guest needs more than the bits: what the host's set-up happens to allow is not offered.
  leaf.ecx = withBit(leaf.ecx, CPUID_1_ECX_VMX, false);
}

/** Cache descriptions, Intel's and AMD's, say how many APIC ids share a cache: the last level is the socket's. */
function setCaches(table: Cpuid, { cpus }: CpuidOptions): void {
  const sharing = 2 ** coreBits(cpus) - 1;
  for (const leaf of table.entries) {
    const intel = leaf.function === CPUID_CACHES;
    if (!intel && leaf.function !== CPUID_AMD_CACHES) continue;
    if ((leaf.eax & 0x1f) === 0) continue; // no more caches
    const shared = ((leaf.eax >>> 5) & 7) >= LAST_LEVEL_CACHE ? Math.min(sharing, SHARING_FIELD_MAX) : 0;
    const cores = intel ? Math.min(sharing, CORES_FIELD_MAX) : 0;
    leaf.eax = ((leaf.eax & 0x3fff) | (shared << 14) | (cores << 26)) >>> 0;
  }
}

/** Leaf 0Bh, or 1Fh, which is the same with more levels where there are any. */
function topologyLeaf(leaf: number, { index, cpus }: CpuidOptions): CpuidEntry[] {
  const level = (number: number, type: number, shift: number, processors: number): CpuidEntry => ({
    function: leaf,
    index: number,
    flags: KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
    eax: shift,
    ebx: processors,
    ecx: number | (type << 8),
    edx: index,
  });
  return [
    level(0, CPUID_LEVEL_SMT, 0, 1),
    level(1, CPUID_LEVEL_CORE, coreBits(cpus), cpus),
    level(2, 0, 0, 0), // the end
  ];
}

function setAmdTopology(table: Cpuid, { index, cpus }: CpuidOptions): void {
  const features = table.find(CPUID_EXTENDED_FEATURES);
  if (features !== undefined) features.ecx = withBit(features.ecx, CPUID_EXT_ECX_SVM, false);
  const topology = table.find(CPUID_AMD_TOPOLOGY);
  const isAmd = features !== undefined && (features.ecx >>> CPUID_EXT_ECX_TOPOEXT) % 2 === 1;
  if (topology !== undefined) {
    topology.eax = isAmd ? index : 0; // the APIC id
    topology.ebx = isAmd ? index & BYTE : 0; // core id; threads of a core - 1 = 0
    topology.ecx = 0; // one node
    topology.edx = 0;
  }
  // Core counts of leaf 80000008h are AMD's; Intel has zeros there.
  const sizes = table.find(CPUID_SIZES);
  if (sizes === undefined || !isAmdVendor(table)) return;
  sizes.ecx = (sizes.ecx & ~0xf0ff) | Math.min(BYTE, cpus - 1) | (coreBits(cpus) << 12);
  if (features !== undefined) features.ecx = withBit(features.ecx, CPUID_EXT_ECX_CMP_LEGACY, cpus > 1);
}

function setOthers(table: Cpuid): void {
  const svm = table.find(CPUID_SVM);
  if (svm !== undefined) Object.assign(svm, { eax: 0, ebx: 0, ecx: 0, edx: 0 });
  const power = table.find(CPUID_POWER);
  if (power !== undefined) power.ecx = withBit(power.ecx, CPUID_6_ECX_EPB, false);
  const perfmon = table.find(CPUID_PERFMON);
  // A unit without counters only makes the guest touch registers that are not there.
  if (perfmon !== undefined && ((perfmon.eax & BYTE) < 2 || ((perfmon.eax >>> 8) & BYTE) === 0)) {
    Object.assign(perfmon, { eax: 0, ebx: 0, ecx: 0, edx: 0 });
  }
}

/** "AuthenticAMD" and "HygonGenuine", by the first word. */
function isAmdVendor(table: Cpuid): boolean {
  const first = table.find(CPUID_VENDOR)?.ebx;
  return first === 0x6874_7541 || first === 0x6f67_7948;
}

function withBit(word: number, bit: number, on: boolean): number {
  return (on ? word | (1 << bit) : word & ~(1 << bit)) >>> 0;
}

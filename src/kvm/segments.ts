/** Segment and table registers inside struct kvm_sregs. Set-up and dumps only. */
import {
  KVM_DTABLE_BASE_OFF,
  KVM_DTABLE_LIMIT_OFF,
  KVM_SEGMENT_AVL_OFF,
  KVM_SEGMENT_BASE_OFF,
  KVM_SEGMENT_DB_OFF,
  KVM_SEGMENT_DPL_OFF,
  KVM_SEGMENT_G_OFF,
  KVM_SEGMENT_L_OFF,
  KVM_SEGMENT_LIMIT_OFF,
  KVM_SEGMENT_PRESENT_OFF,
  KVM_SEGMENT_S_OFF,
  KVM_SEGMENT_SELECTOR_OFF,
  KVM_SEGMENT_TYPE_OFF,
  KVM_SEGMENT_UNUSABLE_OFF,
} from '../abi/kvm-x86.js';
import { getU64, setU64 } from '../util/u64.js';

/** A segment register with its hidden part. Spec: Intel SDM volume 3, section 3.4.5. */
export interface Segment {
  /** Linear address, below 2^53. */
  readonly base: number;
  /** Last valid offset, in bytes whatever `g` is. */
  readonly limit: number;
  readonly selector: number;
  /** 4 bits; bit 3 = code. */
  readonly type: number;
  readonly present: number;
  readonly dpl: number;
  /** 1 = 32-bit. */
  readonly db: number;
  /** 1 = code or data, 0 = system. */
  readonly s: number;
  /** 1 = 64-bit code. */
  readonly l: number;
  /** 1 = the descriptor counts its limit in pages. */
  readonly g: number;
  readonly avl: number;
  readonly unusable: number;
}

/** Reads the segment register at `offset` (KVM_SREGS_CS_OFF, ...). */
export function readSegment(sregs: DataView, offset: number): Segment {
  return {
    base: getU64(sregs, offset + KVM_SEGMENT_BASE_OFF),
    limit: sregs.getUint32(offset + KVM_SEGMENT_LIMIT_OFF, true),
    selector: sregs.getUint16(offset + KVM_SEGMENT_SELECTOR_OFF, true),
    type: sregs.getUint8(offset + KVM_SEGMENT_TYPE_OFF),
    present: sregs.getUint8(offset + KVM_SEGMENT_PRESENT_OFF),
    dpl: sregs.getUint8(offset + KVM_SEGMENT_DPL_OFF),
    db: sregs.getUint8(offset + KVM_SEGMENT_DB_OFF),
    s: sregs.getUint8(offset + KVM_SEGMENT_S_OFF),
    l: sregs.getUint8(offset + KVM_SEGMENT_L_OFF),
    g: sregs.getUint8(offset + KVM_SEGMENT_G_OFF),
    avl: sregs.getUint8(offset + KVM_SEGMENT_AVL_OFF),
    unusable: sregs.getUint8(offset + KVM_SEGMENT_UNUSABLE_OFF),
  };
}

/** Writes the segment register at `offset`. */
export function writeSegment(sregs: DataView, offset: number, segment: Segment): void {
  setU64(sregs, offset + KVM_SEGMENT_BASE_OFF, segment.base);
  sregs.setUint32(offset + KVM_SEGMENT_LIMIT_OFF, segment.limit, true);
  sregs.setUint16(offset + KVM_SEGMENT_SELECTOR_OFF, segment.selector, true);
  sregs.setUint8(offset + KVM_SEGMENT_TYPE_OFF, segment.type);
  sregs.setUint8(offset + KVM_SEGMENT_PRESENT_OFF, segment.present);
  sregs.setUint8(offset + KVM_SEGMENT_DPL_OFF, segment.dpl);
  sregs.setUint8(offset + KVM_SEGMENT_DB_OFF, segment.db);
  sregs.setUint8(offset + KVM_SEGMENT_S_OFF, segment.s);
  sregs.setUint8(offset + KVM_SEGMENT_L_OFF, segment.l);
  sregs.setUint8(offset + KVM_SEGMENT_G_OFF, segment.g);
  sregs.setUint8(offset + KVM_SEGMENT_AVL_OFF, segment.avl);
  sregs.setUint8(offset + KVM_SEGMENT_UNUSABLE_OFF, segment.unusable);
}

/** Writes GDTR or IDTR at `offset`. @param limit size of the table in bytes - 1 */
export function writeTable(sregs: DataView, offset: number, base: number, limit: number): void {
  setU64(sregs, offset + KVM_DTABLE_BASE_OFF, base);
  sregs.setUint16(offset + KVM_DTABLE_LIMIT_OFF, limit, true);
}

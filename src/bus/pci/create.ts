/** The shared memory of a PCI bus, filled with what its functions are. Thread: main, once. */
import {
  PCI_BASE_ADDRESS_0,
  PCI_CACHE_LINE_SIZE,
  PCI_CAPABILITY_LIST,
  PCI_CFG_SPACE_SIZE,
  PCI_CLASS_REVISION,
  PCI_COMMAND,
  PCI_COMMAND_INTX_DISABLE,
  PCI_COMMAND_IO,
  PCI_COMMAND_MASTER,
  PCI_COMMAND_MEMORY,
  PCI_COMMAND_PARITY,
  PCI_COMMAND_SERR,
  PCI_DEVICE_ID,
  PCI_INTERRUPT_LINE,
  PCI_INTERRUPT_PIN,
  PCI_STATUS,
  PCI_STATUS_CAP_LIST,
  PCI_STD_HEADER_SIZEOF,
  PCI_SUBSYSTEM_ID,
  PCI_SUBSYSTEM_VENDOR_ID,
  PCI_VENDOR_ID,
} from '../../abi/pci.js';
import { invariant } from '../../util/errors.js';
import { checkBar, layCapabilities, type PciFunctionSpec } from './function.js';
import {
  maskWord,
  PCI_SHARED_BYTES,
  PCI_SLOTS,
  PCI_WINDOW_END,
  PCI_WINDOW_START,
  sizeWord,
  valueWord,
} from './words.js';

/** Bits of the command register a guest may write. */
const COMMAND_WRITABLE =
  PCI_COMMAND_IO |
  PCI_COMMAND_MEMORY |
  PCI_COMMAND_MASTER |
  PCI_COMMAND_PARITY |
  PCI_COMMAND_SERR |
  PCI_COMMAND_INTX_DISABLE;

/** A bus. */
export interface PciSpec {
  /** By slot, up to 32; undefined = the slot is empty. */
  readonly functions: readonly (PciFunctionSpec | undefined)[];
  /** Where memory BARs can be: below 4 GiB, and not at 0. */
  readonly window: { readonly start: number; readonly bytes: number };
}

/** One function's 256 bytes: values, and the bits a guest may write. */
interface Image {
  readonly values: DataView;
  readonly writable: DataView;
}

function headerOf(spec: PciFunctionSpec, { values, writable }: Image): void {
  values.setUint16(PCI_VENDOR_ID, spec.vendor, true);
  values.setUint16(PCI_DEVICE_ID, spec.device, true);
  values.setUint32(PCI_CLASS_REVISION, spec.classCode * 0x100 + spec.revision, true);
  values.setUint16(PCI_SUBSYSTEM_VENDOR_ID, spec.subsystemVendor, true);
  values.setUint16(PCI_SUBSYSTEM_ID, spec.subsystem, true);
  values.setUint8(PCI_INTERRUPT_PIN, spec.interruptPin);
  writable.setUint16(PCI_COMMAND, COMMAND_WRITABLE, true);
  writable.setUint8(PCI_CACHE_LINE_SIZE, 0xff);
  if (spec.interruptPin !== 0) {
    values.setUint8(PCI_INTERRUPT_LINE, spec.interruptLine);
    writable.setUint8(PCI_INTERRUPT_LINE, 0xff);
  }
}

function capabilitiesOf(spec: PciFunctionSpec, { values, writable }: Image): void {
  if (spec.capabilities.length === 0) return;
  values.setUint16(PCI_STATUS, PCI_STATUS_CAP_LIST, true);
  values.setUint8(PCI_CAPABILITY_LIST, PCI_STD_HEADER_SIZEOF);
  const laid = layCapabilities(spec.capabilities, PCI_STD_HEADER_SIZEOF);
  for (const [i, { offset, bytes }] of laid.entries()) {
    invariant(offset + bytes.length <= PCI_CFG_SPACE_SIZE, 'PCI capabilities do not fit');
    bytes.forEach((byte, at) => {
      values.setUint8(offset + at, byte);
      writable.setUint8(offset + at, spec.capabilities[i]?.writable[at] ?? 0);
    });
  }
}

function imageOf(spec: PciFunctionSpec): Image {
  const image = {
    values: new DataView(new ArrayBuffer(PCI_CFG_SPACE_SIZE)),
    writable: new DataView(new ArrayBuffer(PCI_CFG_SPACE_SIZE)),
  };
  headerOf(spec, image);
  capabilitiesOf(spec, image);
  for (const bar of spec.bars) {
    checkBar(bar);
    image.writable.setUint32(PCI_BASE_ADDRESS_0 + 4 * bar.index, -bar.bytes >>> 0, true);
  }
  for (const { register, bytes } of spec.scratch) {
    for (let i = 0; i < bytes; i++) image.writable.setUint8(register + i, 0xff);
  }
  return image;
}

/** The configuration space of all functions as after power-on: no BAR has an address, memory is off. */
export function createPci(spec: PciSpec): SharedArrayBuffer {
  invariant(spec.functions.length <= PCI_SLOTS, 'a PCI bus has 32 slots');
  const shared = new SharedArrayBuffer(PCI_SHARED_BYTES);
  const words = new Int32Array(shared);
  words[PCI_WINDOW_START] = spec.window.start;
  words[PCI_WINDOW_END] = spec.window.start + spec.window.bytes;
  for (let slot = 0; slot < PCI_SLOTS; slot++) {
    const functionSpec = spec.functions[slot];
    // Nobody there: every register is all ones, and stays so.
    if (functionSpec === undefined) words.fill(-1, valueWord(slot, 0), valueWord(slot, PCI_CFG_SPACE_SIZE));
    else fill(words, slot, functionSpec);
  }
  return shared;
}

function fill(words: Int32Array, slot: number, spec: PciFunctionSpec): void {
  const { values, writable } = imageOf(spec);
  for (let register = 0; register < PCI_CFG_SPACE_SIZE; register += 4) {
    words[valueWord(slot, register)] = values.getInt32(register, true);
    words[maskWord(slot, register)] = writable.getInt32(register, true);
  }
  for (const { index, bytes } of spec.bars) words[sizeWord(slot, index)] = bytes;
}

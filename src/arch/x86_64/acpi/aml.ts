/**
 * Encoder for ACPI Machine Language: each function returns the bytes of one term, and terms are nested by passing them
 * on. Only what our DSDT uses.
 *
 * Spec: ACPI 6.3 section 20.2. Thread: any.
 */
import * as abi from '../../../abi/aml.js';
import { invariant } from '../../../util/errors.js';
import { ascii, bytesOf, concat, u16, u32, u64 } from './bytes.js';

/** Encoded terms. */
export type Aml = Uint8Array;

const NAME_SEGMENT = /^[A-Z_][A-Z0-9_]{0,3}$/;
const EISA_ID = /^[A-Z]{3}[0-9A-F]{4}$/;

/** An integer in its shortest form. @param value 0 ... 2^53 - 1 */
export function amlInteger(value: number): Aml {
  if (value === 0) return bytesOf(abi.AML_ZERO_OP);
  if (value === 1) return bytesOf(abi.AML_ONE_OP);
  if (value <= 0xff) return bytesOf(abi.AML_BYTE_PREFIX, value);
  if (value <= 0xffff) return concat([bytesOf(abi.AML_WORD_PREFIX), u16(value)]);
  if (value <= 0xffff_ffff) return concat([bytesOf(abi.AML_DWORD_PREFIX), u32(value)]);
  return concat([bytesOf(abi.AML_QWORD_PREFIX), u64(value)]);
}

/** @param value ASCII without NUL */
export function amlString(value: string): Aml {
  return concat([bytesOf(abi.AML_STRING_PREFIX), ascii(value), bytesOf(0)]);
}

/**
 * A hardware ID as the compressed integer that `EISAID()` stands for.
 * @param id three letters and four hexadecimal digits, like PNP0A03
 */
export function amlEisaId(id: string): Aml {
  invariant(EISA_ID.test(id), `${id} is an EISA ID`);
  const letter = (index: number) => (id.charCodeAt(index) - 0x40) & 0x1f;
  const vendor = (letter(0) << 10) | (letter(1) << 5) | letter(2);
  const product = Number.parseInt(id.slice(3), 16);
  // The compressed ID is big-endian, the integer that holds it is not.
  return bytesOf(abi.AML_DWORD_PREFIX, vendor >>> 8, vendor, product >>> 8, product);
}

/** A path of names. @param path like "_CRS", "\\_SB.PCI0", "\\": segments of 1 to 4 characters */
export function amlPath(path: string): Aml {
  const rooted = path.startsWith('\\');
  const text = rooted ? path.slice(1) : path;
  const segments = text === '' ? [] : text.split('.');
  invariant(
    segments.every((segment) => NAME_SEGMENT.test(segment)),
    `${path} is a path`,
  );
  const names = segments.map((segment) => ascii(segment.padEnd(abi.AML_NAME_SEG_BYTES, '_')));
  return concat([bytesOf(...(rooted ? [abi.AML_ROOT_CHAR] : []), ...pathPrefix(names.length)), ...names]);
}

function pathPrefix(segments: number): number[] {
  if (segments === 0) return [abi.AML_NULL_NAME];
  if (segments === 1) return [];
  if (segments === 2) return [abi.AML_DUAL_NAME_PREFIX];
  return [abi.AML_MULTI_NAME_PREFIX, segments];
}

/**
 * A length in front of `bytes` bytes. It counts itself, so it may take a byte more because of its own size.
 * @param bytes 0 ... 2^28 - 5
 */
export function amlPackageLength(bytes: number): Aml {
  if (bytes + 1 <= abi.AML_PKG_LENGTH_1) return bytesOf(bytes + 1);
  const extra = bytes + 2 <= abi.AML_PKG_LENGTH_2 ? 1 : bytes + 3 <= abi.AML_PKG_LENGTH_3 ? 2 : 3;
  const length = bytes + 1 + extra;
  invariant(length <= abi.AML_PKG_LENGTH_4, `${bytes} bytes of AML fit in a package`);
  return concat([bytesOf((extra << 6) | (length & 0xf)), u32(length >>> 4).subarray(0, extra)]);
}

function packaged(opcode: readonly number[], ...content: readonly Aml[]): Aml {
  const body = concat(content);
  return concat([bytesOf(...opcode), amlPackageLength(body.length), body]);
}

/** Name (path, value) */
export function amlName(path: string, value: Aml): Aml {
  return concat([bytesOf(abi.AML_NAME_OP), amlPath(path), value]);
}

/** Scope (path) { terms } */
export function amlScope(path: string, ...terms: readonly Aml[]): Aml {
  return packaged([abi.AML_SCOPE_OP], amlPath(path), ...terms);
}

/** Device (path) { terms } */
export function amlDevice(path: string, ...terms: readonly Aml[]): Aml {
  return packaged([abi.AML_EXT_OP_PREFIX, abi.AML_DEVICE_OP], amlPath(path), ...terms);
}

/** Method (path, arguments, NotSerialized) { terms }. @param args 0 ... 7 */
export function amlMethod(path: string, args: number, ...terms: readonly Aml[]): Aml {
  return packaged([abi.AML_METHOD_OP], amlPath(path), bytesOf(args), ...terms);
}

/** Package { elements }. @param elements at most 255 */
export function amlPackage(...elements: readonly Aml[]): Aml {
  invariant(elements.length <= 0xff, 'a package has at most 255 elements');
  return packaged([abi.AML_PACKAGE_OP], bytesOf(elements.length), ...elements);
}

/** Buffer () { bytes } */
export function amlBuffer(bytes: Uint8Array): Aml {
  return packaged([abi.AML_BUFFER_OP], amlInteger(bytes.length), bytes);
}

/** ToUUID (text), a buffer. @param text 36 characters */
export function amlUuid(text: string): Aml {
  const hex = text.replaceAll('-', '');
  const byte = (index: number) => Number.parseInt(hex.slice(2 * index, 2 * index + 2), 16);
  // The first three groups are numbers, stored little-endian; the rest is a string of bytes.
  const order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
  return amlBuffer(bytesOf(...order.map(byte)));
}

/** ArgN. @param index 0 ... 6 */
export function amlArg(index: number): Aml {
  return bytesOf(abi.AML_ARG0_OP + index);
}

/** CreateDWordField (buffer, offset in bytes, name) */
export function amlDwordField(buffer: Aml, offset: number, name: string): Aml {
  return concat([bytesOf(abi.AML_CREATE_DWORD_FIELD_OP), buffer, amlInteger(offset), amlPath(name)]);
}

/** LEqual (a, b) */
export function amlEqual(a: Aml, b: Aml): Aml {
  return concat([bytesOf(abi.AML_LEQUAL_OP), a, b]);
}

/** Or (a, b, target) */
export function amlOr(a: Aml, b: Aml, target: Aml): Aml {
  return concat([bytesOf(abi.AML_OR_OP), a, b, target]);
}

/** Store (value, target) */
export function amlStore(value: Aml, target: Aml): Aml {
  return concat([bytesOf(abi.AML_STORE_OP), value, target]);
}

/** If (condition) { terms } */
export function amlIf(condition: Aml, ...terms: readonly Aml[]): Aml {
  return packaged([abi.AML_IF_OP], condition, ...terms);
}

/** Else { terms }, right behind an If */
export function amlElse(...terms: readonly Aml[]): Aml {
  return packaged([abi.AML_ELSE_OP], ...terms);
}

/** Return (value) */
export function amlReturn(value: Aml): Aml {
  return concat([bytesOf(abi.AML_RETURN_OP), value]);
}

/**
 * Device tree source text of a tree, in the form dtc understands and prints: values that look like text are printed
 * as strings, values of whole cells as cells, anything else as bytes. Compiling the text gives the same values back.
 *
 * Thread: any.
 */
import { cellsOf, type FdtNode, type FdtProperty, type FdtTree, type FdtU64 } from './tree.js';

/** The whole tree as a source file, with the version tag and a newline at the end. */
export function fdtToDts(tree: FdtTree): string {
  const lines = ['/dts-v1/;', ''];
  for (const { address, size } of tree.reservations) {
    lines.push(`/memreserve/ ${hex64(address)} ${hex64(size)};`);
  }
  lines.push(...nodeLines(tree.root, 0, '/'), '');
  return lines.join('\n');
}

/**
 * One node as source text lines, without the file's head: for a fragment of an overlay.
 *
 * @param depth how many tabs to put in front
 * @param heading what stands before the brace: the node's name, or a label and the name
 */
export function nodeLines(node: FdtNode, depth: number, heading: string): string[] {
  const indent = '\t'.repeat(depth);
  const lines = [`${indent}${heading} {`];
  for (const property of node.properties) lines.push(`${indent}\t${propertyText(property)}`);
  for (const child of node.children) {
    if (lines.length > 1) lines.push('');
    lines.push(...nodeLines(child, depth + 1, child.name));
  }
  lines.push(`${indent}};`);
  return lines;
}

function propertyText(property: FdtProperty): string {
  const { name, value } = property;
  if (value.length === 0) return `${name};`;
  if (isText(value)) return `${name} = ${texts(value)};`;
  if (value.length % 4 === 0) {
    const cells = cellsOf(property).map((cell) => `0x${cell.toString(16)}`);
    return `${name} = <${cells.join(' ')}>;`;
  }
  const bytes = Array.from(value, (byte) => byte.toString(16).padStart(2, '0'));
  return `${name} = [${bytes.join(' ')}];`;
}

/** One or more printable strings, none of them empty, each with its NUL. */
function isText(value: Uint8Array): boolean {
  if (value[value.length - 1] !== 0) return false;
  let previous = 0;
  for (const byte of value) {
    const printable = byte >= 0x20 && byte <= 0x7e;
    if (!printable && (byte !== 0 || previous === 0)) return false;
    previous = byte;
  }
  return true;
}

function texts(value: Uint8Array): string {
  const strings = new TextDecoder().decode(value.subarray(0, -1)).split('\0');
  return strings.map((text) => `"${text.replace(/[\\"]/g, '\\$&')}"`).join(', ');
}

function hex64({ high, low }: FdtU64): string {
  return `0x${high.toString(16).padStart(8, '0')}${low.toString(16).padStart(8, '0')}`;
}

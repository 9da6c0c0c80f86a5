/** Console device: config space. Spec: virtio 1.2 section 5.3.4. */
import {
  VIRTIO_CONSOLE_COLS_OFF,
  VIRTIO_CONSOLE_CONFIG_BYTES,
  VIRTIO_CONSOLE_MAX_NR_PORTS_OFF,
  VIRTIO_CONSOLE_ROWS_OFF,
} from '../../../abi/virtio.js';

/**
 * A config space with one port.
 * @param cols characters per line, 0 ... 65535
 * @param rows lines, 0 ... 65535
 */
export function consoleConfig(cols: number, rows: number): Uint8Array {
  const config = new Uint8Array(VIRTIO_CONSOLE_CONFIG_BYTES);
  new DataView(config.buffer).setUint32(VIRTIO_CONSOLE_MAX_NR_PORTS_OFF, 1, true);
  setConsoleSize(config, cols, rows);
  return config;
}

/** Writes the size into a config space. Parameters as {@link consoleConfig}. @returns false if it has that already */
export function setConsoleSize(config: Uint8Array, cols: number, rows: number): boolean {
  const view = new DataView(config.buffer, config.byteOffset, config.byteLength);
  const sameCols = view.getUint16(VIRTIO_CONSOLE_COLS_OFF, true) === cols;
  if (sameCols && view.getUint16(VIRTIO_CONSOLE_ROWS_OFF, true) === rows) return false;
  view.setUint16(VIRTIO_CONSOLE_COLS_OFF, cols, true);
  view.setUint16(VIRTIO_CONSOLE_ROWS_OFF, rows, true);
  return true;
}

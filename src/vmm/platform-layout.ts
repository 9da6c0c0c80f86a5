/** Where the platform's devices are: its share of the memory map, as plain data. */
import * as map from '../arch/x86_64/memory-map.js';
import type { PlatformLayout } from '../platform/ports.js';

export const PLATFORM_LAYOUT: PlatformLayout = {
  serialPorts: map.SERIAL_PORTS,
  serialGsis: map.SERIAL_GSIS,
  keyboardGsi: map.KEYBOARD_GSI,
  sciGsi: map.SCI_GSI,
  pmEventPort: map.PM_EVENT_PORT,
  pmControlPort: map.PM_CONTROL_PORT,
  pmTimerPort: map.PM_TIMER_PORT,
  sleepTypeOff: map.SLEEP_TYPE_OFF,
  resetPort: map.RESET_PORT,
};

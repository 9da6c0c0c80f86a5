// ACPI power management registers: ACPI 6.5 section 4.8.3.

/** PM1 event block: status, then enable, two bytes each. */
export const PM1_STATUS_OFF = 0;
export const PM1_ENABLE_OFF = 2;
export const PM1_EVENT_BYTES = 4;
export const PM1_CONTROL_BYTES = 2;
export const PM_TIMER_BYTES = 4;
/** Ticks of the PM timer per second. */
export const PM_TIMER_HZ = 3_579_545;

// PM1 status and enable
export const PM1_TIMER = 0x0001;
export const PM1_GLOBAL = 0x0020;
export const PM1_POWER_BUTTON = 0x0100;
export const PM1_SLEEP_BUTTON = 0x0200;
export const PM1_RTC = 0x0400;
export const PM1_WAKE = 0x8000;

// PM1 control
export const PM1_SCI_ENABLE = 0x0001;
export const PM1_SLEEP_TYPE_SHIFT = 10;
export const PM1_SLEEP_TYPE_MASK = 0x1c00;
export const PM1_SLEEP_ENABLE = 0x2000;

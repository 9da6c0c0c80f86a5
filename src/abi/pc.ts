// Ports and registers that every PC has at the same place: IBM PC/AT technical reference; Intel 8042; Motorola MC146818.

// Ports
/** First of 32 ports of the first DMA controller. */
export const DMA1_PORT = 0x00;
export const KEYBOARD_DATA_PORT = 0x60;
export const SYSTEM_CONTROL_B_PORT = 0x61;
export const KEYBOARD_COMMAND_PORT = 0x64;
export const CMOS_INDEX_PORT = 0x70;
export const CMOS_DATA_PORT = 0x71;
/** Diagnostic codes (POST codes). Linux also writes here to wait for about a microsecond. */
export const DIAGNOSTIC_PORT = 0x80;
/** 15 page registers of the DMA controllers, the one at 0x80 being the diagnostic port. */
export const DMA_PAGE_PORT = 0x81;
/** Fast A20 gate and fast reset. */
export const SYSTEM_CONTROL_A_PORT = 0x92;
/** First of 32 ports of the second DMA controller. */
export const DMA2_PORT = 0xc0;
/** Debug output of Bochs and QEMU. */
export const DEBUG_PORT = 0xe9;
/** What a debug output port reads where it exists. */
export const DEBUG_PORT_READBACK = 0xe9;
/** The other port that is written in order to wait. */
export const DELAY_PORT = 0xed;
/** Clears the coprocessor's error; two ports. */
export const COPROCESSOR_PORT = 0xf0;
/** Debug output of SeaBIOS. */
export const FIRMWARE_DEBUG_PORT = 0x402;
/** PCI configuration mechanism #1: address and data, eight ports. */
export const PCI_CONFIG_PORT = 0xcf8;
export const PCI_CONFIG_PORTS = 8;

// System control port A
export const SYSTEM_A_RESET = 0x01;
export const SYSTEM_A_A20 = 0x02;

// System control port B
export const SYSTEM_B_GATE = 0x01;
export const SYSTEM_B_SPEAKER = 0x02;
export const SYSTEM_B_WRITABLE = 0x0f;
export const SYSTEM_B_REFRESH = 0x10;
export const SYSTEM_B_TIMER2 = 0x20;

// Keyboard controller: status
export const I8042_STR_OBF = 0x01;
export const I8042_STR_SYSTEM = 0x04;
export const I8042_STR_CMDDAT = 0x08;
/** Set = the keyboard is not locked. */
export const I8042_STR_KEYLOCK = 0x10;

// Keyboard controller: command byte ("control register" in Linux)
export const I8042_CTR_KBDINT = 0x01;
export const I8042_CTR_SYSTEM = 0x04;
export const I8042_CTR_KBDDIS = 0x10;
export const I8042_CTR_AUXDIS = 0x20;
export const I8042_CTR_XLATE = 0x40;

// Keyboard controller: commands
export const I8042_CMD_READ_RAM = 0x20;
export const I8042_CMD_WRITE_RAM = 0x60;
export const I8042_CMD_AUX_DISABLE = 0xa7;
export const I8042_CMD_AUX_ENABLE = 0xa8;
export const I8042_CMD_AUX_TEST = 0xa9;
export const I8042_CMD_CTL_TEST = 0xaa;
export const I8042_CMD_KBD_TEST = 0xab;
export const I8042_CMD_KBD_DISABLE = 0xad;
export const I8042_CMD_KBD_ENABLE = 0xae;
export const I8042_CMD_READ_INPUT_PORT = 0xc0;
export const I8042_CMD_READ_OUTPUT_PORT = 0xd0;
export const I8042_CMD_WRITE_OUTPUT_PORT = 0xd1;
export const I8042_CMD_KBD_LOOP = 0xd2;
export const I8042_CMD_AUX_LOOP = 0xd3;
export const I8042_CMD_AUX_SEND = 0xd4;
/** 0xf0 ... 0xff: pulses the output lines whose bit is 0; line 0 is the processor's reset. */
export const I8042_CMD_PULSE = 0xf0;
/** Answer of the controller's self test. */
export const I8042_RET_CTL_TEST = 0x55;
/** Answer of the test of an interface whose clock line is stuck low: nothing is plugged in. */
export const I8042_RET_STUCK = 0x01;

// Keyboard: commands and answers
export const KBD_CMD_SET_LEDS = 0xed;
export const KBD_CMD_ECHO = 0xee;
export const KBD_CMD_SCANCODE_SET = 0xf0;
export const KBD_CMD_GET_ID = 0xf2;
export const KBD_CMD_SET_RATE = 0xf3;
export const KBD_CMD_ENABLE = 0xf4;
export const KBD_CMD_DISABLE = 0xf5;
export const KBD_CMD_DEFAULTS = 0xf6;
export const KBD_CMD_RESEND = 0xfe;
export const KBD_CMD_RESET = 0xff;
export const KBD_RET_ACK = 0xfa;
export const KBD_RET_BAT = 0xaa;
export const KBD_RET_NAK = 0xfe;
/** The two bytes of a keyboard's identity. */
export const KBD_ID_1 = 0xab;
export const KBD_ID_2 = 0x83;

// Real-time clock: registers
export const RTC_SECONDS = 0x00;
export const RTC_SECONDS_ALARM = 0x01;
export const RTC_MINUTES = 0x02;
export const RTC_MINUTES_ALARM = 0x03;
export const RTC_HOURS = 0x04;
export const RTC_HOURS_ALARM = 0x05;
export const RTC_DAY_OF_WEEK = 0x06;
export const RTC_DAY_OF_MONTH = 0x07;
export const RTC_MONTH = 0x08;
export const RTC_YEAR = 0x09;
export const RTC_REG_A = 0x0a;
export const RTC_REG_B = 0x0b;
export const RTC_REG_C = 0x0c;
export const RTC_REG_D = 0x0d;
/** Also named in ACPI's FADT. */
export const RTC_CENTURY = 0x32;

// Real-time clock: bits of registers A, B, D
export const RTC_UIP = 0x80;
/** Divider for a crystal of 32768 Hz, and a periodic rate of 1024 Hz: what firmware sets. */
export const RTC_REF_CLCK_32KHZ = 0x20;
export const RTC_RATE_1024HZ = 0x06;
export const RTC_SET = 0x80;
export const RTC_DM_BINARY = 0x04;
export const RTC_24H = 0x02;
export const RTC_VRT = 0x80;
/** Top bit of an hour in the 12-hour mode. */
export const RTC_PM = 0x80;

// CMOS RAM: what firmware keeps there
export const CMOS_EQUIPMENT = 0x14;
/** KiB below 640 KiB, two bytes. */
export const CMOS_BASE_MEMORY = 0x15;
/** KiB above 1 MiB, at most 63 MiB, two bytes; and a copy. */
export const CMOS_EXTENDED_MEMORY = 0x17;
export const CMOS_EXTENDED_MEMORY_COPY = 0x30;
/** 64 KiB units above 16 MiB and below 4 GiB, two bytes. */
export const CMOS_MEMORY_ABOVE_16M = 0x34;
/** Boot order for SeaBIOS: device numbers in nibbles, first one lowest; 2 = disk, 3 = CD. */
export const CMOS_BOOT_ORDER = 0x3d;
/** 64 KiB units above 4 GiB, three bytes. */
export const CMOS_MEMORY_ABOVE_4G = 0x5b;
/** Processors besides the first. */
export const CMOS_PROCESSORS = 0x5f;
export const CMOS_BYTES = 128;

// Linux's x86 boot protocol: <asm/bootparam.h> and Documentation/arch/x86/boot.rst, zero-page.rst.
// A bzImage begins with the same setup header, at the same offsets, as struct boot_params holds.

// struct boot_params ("zero page")
export const BOOT_PARAMS_ACPI_RSDP_ADDR_OFF = 0x70;
export const BOOT_PARAMS_E820_ENTRIES_OFF = 0x1e8;
export const BOOT_PARAMS_HDR_SETUP_SECTS_OFF = 0x1f1;
export const BOOT_PARAMS_HDR_SYSSIZE_OFF = 0x1f4;
export const BOOT_PARAMS_HDR_VID_MODE_OFF = 0x1fa;
export const BOOT_PARAMS_HDR_BOOT_FLAG_OFF = 0x1fe;
export const BOOT_PARAMS_HDR_JUMP_OFF = 0x200;
export const BOOT_PARAMS_HDR_HEADER_OFF = 0x202;
export const BOOT_PARAMS_HDR_VERSION_OFF = 0x206;
export const BOOT_PARAMS_HDR_TYPE_OF_LOADER_OFF = 0x210;
export const BOOT_PARAMS_HDR_LOADFLAGS_OFF = 0x211;
export const BOOT_PARAMS_HDR_CODE32_START_OFF = 0x214;
export const BOOT_PARAMS_HDR_RAMDISK_IMAGE_OFF = 0x218;
export const BOOT_PARAMS_HDR_RAMDISK_SIZE_OFF = 0x21c;
export const BOOT_PARAMS_HDR_CMD_LINE_PTR_OFF = 0x228;
export const BOOT_PARAMS_HDR_INITRD_ADDR_MAX_OFF = 0x22c;
export const BOOT_PARAMS_HDR_KERNEL_ALIGNMENT_OFF = 0x230;
export const BOOT_PARAMS_HDR_RELOCATABLE_KERNEL_OFF = 0x234;
export const BOOT_PARAMS_HDR_XLOADFLAGS_OFF = 0x236;
export const BOOT_PARAMS_HDR_CMDLINE_SIZE_OFF = 0x238;
export const BOOT_PARAMS_HDR_SETUP_DATA_OFF = 0x250;
export const BOOT_PARAMS_HDR_PREF_ADDRESS_OFF = 0x258;
export const BOOT_PARAMS_HDR_INIT_SIZE_OFF = 0x260;
export const BOOT_PARAMS_EDD_MBR_SIG_BUFFER_OFF = 0x290;
export const BOOT_PARAMS_E820_TABLE_OFF = 0x2d0;
export const BOOT_PARAMS_BYTES = 0x1000;

// struct setup_header: loadflags and xloadflags
export const LOADED_HIGH = 0x01;
export const KEEP_SEGMENTS = 0x40;
export const XLF_KERNEL_64 = 0x01;

// struct setup_data
export const SETUP_DATA_NEXT_OFF = 0;
export const SETUP_DATA_TYPE_OFF = 8;
export const SETUP_DATA_LEN_OFF = 12;
export const SETUP_DATA_DATA_OFF = 16;
export const SETUP_RNG_SEED = 9;

// struct boot_e820_entry
export const BOOT_E820_ADDR_OFF = 0;
export const BOOT_E820_SIZE_OFF = 8;
export const BOOT_E820_TYPE_OFF = 16;
export const BOOT_E820_BYTES = 20;

// Values that only the text of the protocol gives
/** "HdrS", little-endian. */
export const LINUX_HEADER_MAGIC = 0x5372_6448;
export const LINUX_BOOT_FLAG = 0xaa55;
/** Sectors of real-mode code if the header says 0. */
export const LINUX_SETUP_SECTS_DEFAULT = 4;
export const LINUX_SECTOR_BYTES = 512;
/** A loader without a number of its own. */
export const LINUX_LOADER_UNDEFINED = 0xff;
/** Video mode "normal". */
export const LINUX_VID_MODE_NORMAL = 0xffff;
/** The 64-bit entry lies this far behind the start of the protected-mode code. */
export const LINUX_ENTRY_64 = 0x200;
/** Selectors the protocol asks for: flat code, flat data. */
export const LINUX_BOOT_CS = 0x10;
export const LINUX_BOOT_DS = 0x18;

// E820 types: ACPI 6.5, table 15.3
export const E820_RAM = 1;
export const E820_RESERVED = 2;

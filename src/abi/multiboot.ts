// Multiboot Specification version 0.6.96. Names as in its example header, multiboot.h

/** How many bytes of the file the header lies in, and its alignment. */
export const MULTIBOOT_SEARCH = 8192;
export const MULTIBOOT_HEADER_ALIGN = 4;

// struct multiboot_header, section 3.1
export const MULTIBOOT_HEADER_MAGIC = 0x1bad_b002;
export const MULTIBOOT_HEADER_FLAGS_OFF = 4;
export const MULTIBOOT_HEADER_CHECKSUM_OFF = 8;
export const MULTIBOOT_HEADER_HEADER_ADDR_OFF = 12;
export const MULTIBOOT_HEADER_LOAD_ADDR_OFF = 16;
export const MULTIBOOT_HEADER_LOAD_END_ADDR_OFF = 20;
export const MULTIBOOT_HEADER_BSS_END_ADDR_OFF = 24;
export const MULTIBOOT_HEADER_ENTRY_ADDR_OFF = 28;
export const MULTIBOOT_HEADER_BYTES = 12;
export const MULTIBOOT_HEADER_ADDRESSES_BYTES = 32;
export const MULTIBOOT_PAGE_ALIGN = 0x0001;
export const MULTIBOOT_MEMORY_INFO = 0x0002;
export const MULTIBOOT_VIDEO_MODE = 0x0004;
export const MULTIBOOT_AOUT_KLUDGE = 0x1_0000;

// struct multiboot_info, section 3.3
export const MULTIBOOT_BOOTLOADER_MAGIC = 0x2bad_b002;
export const MULTIBOOT_INFO_MEMORY = 0x001;
export const MULTIBOOT_INFO_CMDLINE = 0x004;
export const MULTIBOOT_INFO_MODS = 0x008;
export const MULTIBOOT_INFO_MEM_MAP = 0x040;
export const MULTIBOOT_INFO_BOOT_LOADER_NAME = 0x200;
export const MULTIBOOT_INFO_FLAGS_OFF = 0;
export const MULTIBOOT_INFO_MEM_LOWER_OFF = 4;
export const MULTIBOOT_INFO_MEM_UPPER_OFF = 8;
export const MULTIBOOT_INFO_CMDLINE_OFF = 16;
export const MULTIBOOT_INFO_MODS_COUNT_OFF = 20;
export const MULTIBOOT_INFO_MODS_ADDR_OFF = 24;
export const MULTIBOOT_INFO_MMAP_LENGTH_OFF = 44;
export const MULTIBOOT_INFO_MMAP_ADDR_OFF = 48;
export const MULTIBOOT_INFO_BOOT_LOADER_NAME_OFF = 64;
export const MULTIBOOT_INFO_BYTES = 116;

// struct multiboot_mod_list
export const MULTIBOOT_MOD_START_OFF = 0;
export const MULTIBOOT_MOD_END_OFF = 4;
export const MULTIBOOT_MOD_CMDLINE_OFF = 8;
export const MULTIBOOT_MOD_BYTES = 16;

// struct multiboot_mmap_entry; the size does not count itself. Its types are those of E820
export const MULTIBOOT_MMAP_SIZE_OFF = 0;
export const MULTIBOOT_MMAP_ADDR_OFF = 4;
export const MULTIBOOT_MMAP_LEN_OFF = 12;
export const MULTIBOOT_MMAP_TYPE_OFF = 20;
export const MULTIBOOT_MMAP_BYTES = 24;

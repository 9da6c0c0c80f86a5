// Flattened device tree (DTB) numbers. Devicetree Specification v0.4, chapter 5. All words are big-endian.
// Kept here and not in abi/ because `fdt/` may import nothing but `util/`.

export const FDT_MAGIC = 0xd00dfeed;
export const FDT_VERSION = 17;
export const FDT_LAST_COMPATIBLE_VERSION = 16;

// struct fdt_header, section 5.2
export const FDT_MAGIC_OFF = 0;
export const FDT_TOTALSIZE_OFF = 4;
export const FDT_OFF_DT_STRUCT_OFF = 8;
export const FDT_OFF_DT_STRINGS_OFF = 12;
export const FDT_OFF_MEM_RSVMAP_OFF = 16;
export const FDT_VERSION_OFF = 20;
export const FDT_LAST_COMP_VERSION_OFF = 24;
export const FDT_BOOT_CPUID_PHYS_OFF = 28;
export const FDT_SIZE_DT_STRINGS_OFF = 32;
export const FDT_SIZE_DT_STRUCT_OFF = 36;
export const FDT_HEADER_BYTES = 40;

// struct fdt_reserve_entry, section 5.3: u64 address, u64 size; ended by a pair of zeros
export const FDT_RESERVE_ENTRY_BYTES = 16;
export const FDT_RESERVE_ALIGN = 8;

// Structure block tokens, section 5.4
export const FDT_BEGIN_NODE = 1;
export const FDT_END_NODE = 2;
export const FDT_PROP = 3;
export const FDT_NOP = 4;
export const FDT_END = 9;
export const FDT_TOKEN_BYTES = 4;
/** The two words behind FDT_PROP: length of the value, offset of the name in the strings block. */
export const FDT_PROP_HEADER_BYTES = 8;

// PVH, the boot protocol of Xen's hardware guests: Xen's public/elfnote.h and public/arch-x86/hvm/start_info.h

export const XEN_ELFNOTE_NAME = 'Xen';
export const XEN_ELFNOTE_PHYS32_ENTRY = 18;

// struct hvm_start_info, version 1
export const XEN_HVM_START_MAGIC_VALUE = 0x336e_c578;
export const XEN_HVM_START_VERSION = 1;
export const HVM_START_MAGIC_OFF = 0;
export const HVM_START_VERSION_OFF = 4;
export const HVM_START_NR_MODULES_OFF = 12;
export const HVM_START_MODLIST_PADDR_OFF = 16;
export const HVM_START_CMDLINE_PADDR_OFF = 24;
export const HVM_START_RSDP_PADDR_OFF = 32;
export const HVM_START_MEMMAP_PADDR_OFF = 40;
export const HVM_START_MEMMAP_ENTRIES_OFF = 48;
export const HVM_START_BYTES = 56;

// struct hvm_modlist_entry
export const HVM_MODLIST_PADDR_OFF = 0;
export const HVM_MODLIST_SIZE_OFF = 8;
export const HVM_MODLIST_BYTES = 32;

// struct hvm_memmap_table_entry; its types are those of E820
export const HVM_MEMMAP_ADDR_OFF = 0;
export const HVM_MEMMAP_SIZE_OFF = 8;
export const HVM_MEMMAP_TYPE_OFF = 16;
export const HVM_MEMMAP_BYTES = 24;

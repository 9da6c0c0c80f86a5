// ELF: <elf.h>

// e_ident
export const ELF_MAGIC = 0x464c_457f;
export const EI_CLASS = 4;
export const EI_DATA = 5;
export const ELFCLASS32 = 1;
export const ELFCLASS64 = 2;
export const ELFDATA2LSB = 1;

export const EM_386 = 3;
export const EM_X86_64 = 62;
export const PT_LOAD = 1;
export const PT_NOTE = 4;

// Elf32_Ehdr, Elf64_Ehdr
export const ELF_EHDR_MACHINE_OFF = 18;
export const ELF32_EHDR_ENTRY_OFF = 24;
export const ELF32_EHDR_PHOFF_OFF = 28;
export const ELF32_EHDR_PHENTSIZE_OFF = 42;
export const ELF32_EHDR_PHNUM_OFF = 44;
export const ELF32_EHDR_BYTES = 52;
export const ELF64_EHDR_ENTRY_OFF = 24;
export const ELF64_EHDR_PHOFF_OFF = 32;
export const ELF64_EHDR_PHENTSIZE_OFF = 54;
export const ELF64_EHDR_PHNUM_OFF = 56;
export const ELF64_EHDR_BYTES = 64;

// Elf32_Phdr, Elf64_Phdr
export const ELF_PHDR_TYPE_OFF = 0;
export const ELF32_PHDR_OFFSET_OFF = 4;
export const ELF32_PHDR_PADDR_OFF = 12;
export const ELF32_PHDR_FILESZ_OFF = 16;
export const ELF32_PHDR_MEMSZ_OFF = 20;
export const ELF32_PHDR_ALIGN_OFF = 28;
export const ELF32_PHDR_BYTES = 32;
export const ELF64_PHDR_OFFSET_OFF = 8;
export const ELF64_PHDR_PADDR_OFF = 24;
export const ELF64_PHDR_FILESZ_OFF = 32;
export const ELF64_PHDR_MEMSZ_OFF = 40;
export const ELF64_PHDR_ALIGN_OFF = 48;
export const ELF64_PHDR_BYTES = 56;

// Elf64_Nhdr; the name and the description follow
export const ELF_NHDR_NAMESZ_OFF = 0;
export const ELF_NHDR_DESCSZ_OFF = 4;
export const ELF_NHDR_TYPE_OFF = 8;
export const ELF_NHDR_BYTES = 12;

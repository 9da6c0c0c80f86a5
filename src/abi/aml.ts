// ACPI Machine Language: opcodes and resource descriptors. ACPI 6.3 section 20.2 and section 6.4.

// Data
export const AML_ZERO_OP = 0x00;
export const AML_ONE_OP = 0x01;
export const AML_BYTE_PREFIX = 0x0a;
export const AML_WORD_PREFIX = 0x0b;
export const AML_DWORD_PREFIX = 0x0c;
export const AML_STRING_PREFIX = 0x0d;
export const AML_QWORD_PREFIX = 0x0e;
export const AML_BUFFER_OP = 0x11;
export const AML_PACKAGE_OP = 0x12;

// Names
export const AML_NULL_NAME = 0x00;
export const AML_DUAL_NAME_PREFIX = 0x2e;
export const AML_MULTI_NAME_PREFIX = 0x2f;
export const AML_ROOT_CHAR = 0x5c;
export const AML_NAME_SEG_BYTES = 4;

// Objects
export const AML_NAME_OP = 0x08;
export const AML_SCOPE_OP = 0x10;
export const AML_METHOD_OP = 0x14;
export const AML_EXT_OP_PREFIX = 0x5b;
/** Behind AML_EXT_OP_PREFIX. */
export const AML_DEVICE_OP = 0x82;

// Code
export const AML_ARG0_OP = 0x68;
export const AML_STORE_OP = 0x70;
export const AML_OR_OP = 0x7d;
export const AML_CREATE_DWORD_FIELD_OP = 0x8a;
export const AML_LEQUAL_OP = 0x93;
export const AML_IF_OP = 0xa0;
export const AML_ELSE_OP = 0xa1;
export const AML_RETURN_OP = 0xa4;

// Package lengths, section 20.2.4: largest values, the length's own bytes included
export const AML_PKG_LENGTH_1 = 0x3f;
export const AML_PKG_LENGTH_2 = 0xfff;
export const AML_PKG_LENGTH_3 = 0xf_ffff;
export const AML_PKG_LENGTH_4 = 0xfff_ffff;

// Small resource descriptors, section 6.4.2: name and length in one byte
export const ACPI_RESOURCE_IRQ_FLAGS = 0x23;
export const ACPI_RESOURCE_IO = 0x47;
export const ACPI_RESOURCE_END_TAG = 0x79;
export const ACPI_IRQ_EDGE = 0x01;
export const ACPI_IRQ_SHARED = 0x10;
export const ACPI_IO_DECODE_16 = 0x01;

// Large resource descriptors, section 6.4.3
export const ACPI_RESOURCE_MEMORY32_FIXED = 0x86;
export const ACPI_RESOURCE_DWORD_SPACE = 0x87;
export const ACPI_RESOURCE_WORD_SPACE = 0x88;
export const ACPI_RESOURCE_EXTENDED_IRQ = 0x89;
export const ACPI_MEMORY_READ_WRITE = 0x01;
export const ACPI_EXTENDED_IRQ_CONSUMER = 0x01;
export const ACPI_EXTENDED_IRQ_EDGE = 0x02;

// Address space descriptors, section 6.4.3.5
export const ACPI_SPACE_MEMORY = 0;
export const ACPI_SPACE_IO = 1;
export const ACPI_SPACE_BUS = 2;
/** General flags: both ends of the range are fixed, the device passes it on (bit 0 clear). */
export const ACPI_SPACE_MIN_MAX_FIXED = 0x0c;
/** Type flags of I/O: the range is for ISA and for other addresses. */
export const ACPI_SPACE_IO_ENTIRE_RANGE = 0x03;

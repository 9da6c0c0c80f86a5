// MP table. MultiProcessor Specification 1.4, chapter 4. All words are little-endian.

// Floating pointer structure, section 4.1
export const MP_FLOATING_SIGNATURE = '_MP_';
export const MP_FLOATING_ADDRESS_OFF = 4;
export const MP_FLOATING_LENGTH_OFF = 8;
export const MP_FLOATING_REVISION_OFF = 9;
export const MP_FLOATING_CHECKSUM_OFF = 10;
export const MP_FLOATING_BYTES = 16;
export const MP_FLOATING_ALIGN = 16;
/** Where software looks for it, of the places of section 4. */
export const MP_SCAN_START = 0xf_0000;
/** Revision 1.4 */
export const MP_REVISION = 4;

// Configuration table header, section 4.2
export const MP_TABLE_SIGNATURE = 'PCMP';
export const MP_TABLE_LENGTH_OFF = 4;
export const MP_TABLE_REVISION_OFF = 6;
export const MP_TABLE_CHECKSUM_OFF = 7;
export const MP_TABLE_OEM_ID_OFF = 8;
export const MP_TABLE_PRODUCT_ID_OFF = 16;
export const MP_TABLE_ENTRIES_OFF = 34;
export const MP_TABLE_LOCAL_APIC_OFF = 36;
export const MP_TABLE_BYTES = 44;
export const MP_OEM_ID_BYTES = 8;
export const MP_PRODUCT_ID_BYTES = 12;

// Entries, section 4.3
export const MP_PROCESSOR = 0;
export const MP_PROCESSOR_BYTES = 20;
export const MP_PROCESSOR_SIGNATURE_OFF = 4;
export const MP_PROCESSOR_FEATURES_OFF = 8;
/** Bits of a processor's flags. */
export const MP_PROCESSOR_ENABLED = 0;
export const MP_PROCESSOR_BOOT = 1;
export const MP_BUS = 1;
export const MP_BUS_TYPE_BYTES = 6;
export const MP_BUS_ISA = 'ISA';
export const MP_BUS_PCI = 'PCI';
export const MP_IO_APIC = 2;
export const MP_IO_APIC_ENABLED = 1;
export const MP_IO_INTERRUPT = 3;
export const MP_LOCAL_INTERRUPT = 4;
export const MP_INTERRUPT_INT = 0;
export const MP_INTERRUPT_NMI = 1;
export const MP_INTERRUPT_EXTINT = 3;
export const MP_ALL_APICS = 0xff;

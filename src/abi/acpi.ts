// ACPI tables. ACPI 6.3 chapter 5; MCFG: PCI Firmware 3.0 section 4.1.2. All words are little-endian.

// Root System Description Pointer, section 5.2.5.3
export const ACPI_SIG_RSDP = 'RSD PTR ';
export const ACPI_RSDP_CHECKSUM_OFF = 8;
export const ACPI_RSDP_OEM_ID_OFF = 9;
export const ACPI_RSDP_REVISION_OFF = 15;
export const ACPI_RSDP_RSDT_OFF = 16;
export const ACPI_RSDP_LENGTH_OFF = 20;
export const ACPI_RSDP_XSDT_OFF = 24;
export const ACPI_RSDP_EXTENDED_CHECKSUM_OFF = 32;
export const ACPI_RSDP_BYTES = 36;
/** Bytes that the first checksum covers: the structure of revision 0. */
export const ACPI_RSDP_V1_BYTES = 20;
export const ACPI_RSDP_REVISION = 2;

// System description table header, section 5.2.6
export const ACPI_HEADER_SIGNATURE_OFF = 0;
export const ACPI_HEADER_LENGTH_OFF = 4;
export const ACPI_HEADER_REVISION_OFF = 8;
export const ACPI_HEADER_CHECKSUM_OFF = 9;
export const ACPI_HEADER_OEM_ID_OFF = 10;
export const ACPI_HEADER_OEM_TABLE_ID_OFF = 16;
export const ACPI_HEADER_OEM_REVISION_OFF = 24;
export const ACPI_HEADER_CREATOR_ID_OFF = 28;
export const ACPI_HEADER_CREATOR_REVISION_OFF = 32;
export const ACPI_HEADER_BYTES = 36;

// Signatures and revisions
export const ACPI_SIG_RSDT = 'RSDT';
export const ACPI_SIG_XSDT = 'XSDT';
export const ACPI_SIG_FADT = 'FACP';
export const ACPI_SIG_FACS = 'FACS';
export const ACPI_SIG_MADT = 'APIC';
export const ACPI_SIG_MCFG = 'MCFG';
export const ACPI_SIG_DSDT = 'DSDT';
export const ACPI_RSDT_REVISION = 1;
export const ACPI_XSDT_REVISION = 1;
export const ACPI_FADT_REVISION = 6;
export const ACPI_FADT_MINOR_REVISION = 3;
export const ACPI_MADT_REVISION = 5;
export const ACPI_MCFG_REVISION = 1;
/** From 2 on, integers of the interpreter have 64 bits. */
export const ACPI_DSDT_REVISION = 2;

// Fixed ACPI Description Table, section 5.2.9
export const ACPI_FADT_FIRMWARE_CTRL_OFF = 36;
export const ACPI_FADT_DSDT_OFF = 40;
export const ACPI_FADT_SCI_INT_OFF = 46;
export const ACPI_FADT_PM1A_EVT_BLK_OFF = 56;
export const ACPI_FADT_PM1A_CNT_BLK_OFF = 64;
export const ACPI_FADT_PM_TMR_BLK_OFF = 76;
export const ACPI_FADT_PM1_EVT_LEN_OFF = 88;
export const ACPI_FADT_PM1_CNT_LEN_OFF = 89;
export const ACPI_FADT_PM_TMR_LEN_OFF = 91;
export const ACPI_FADT_P_LVL2_LAT_OFF = 96;
export const ACPI_FADT_P_LVL3_LAT_OFF = 98;
export const ACPI_FADT_CENTURY_OFF = 108;
export const ACPI_FADT_IAPC_BOOT_ARCH_OFF = 109;
export const ACPI_FADT_FLAGS_OFF = 112;
export const ACPI_FADT_RESET_REG_OFF = 116;
export const ACPI_FADT_RESET_VALUE_OFF = 128;
export const ACPI_FADT_MINOR_REVISION_OFF = 131;
export const ACPI_FADT_X_DSDT_OFF = 140;
export const ACPI_FADT_X_PM1A_EVT_BLK_OFF = 148;
export const ACPI_FADT_X_PM1A_CNT_BLK_OFF = 172;
export const ACPI_FADT_X_PM_TMR_BLK_OFF = 208;
export const ACPI_FADT_HYPERVISOR_ID_OFF = 268;
export const ACPI_FADT_BYTES = 276;
/** Worst-case latency in us from which on C2 is not supported. */
export const ACPI_FADT_NO_C2_LATENCY = 101;
/** Worst-case latency in us from which on C3 is not supported. */
export const ACPI_FADT_NO_C3_LATENCY = 1001;

// FADT flags, bits; section 5.2.9, table 5-35
export const ACPI_FADT_WBINVD = 0;
export const ACPI_FADT_PROC_C1 = 2;
export const ACPI_FADT_SLP_BUTTON = 5;
export const ACPI_FADT_FIX_RTC = 6;
export const ACPI_FADT_TMR_VAL_EXT = 8;
export const ACPI_FADT_RESET_REG_SUP = 10;

// IA-PC boot architecture flags, bits; section 5.2.9.3
export const ACPI_FADT_LEGACY_DEVICES = 0;
export const ACPI_FADT_8042 = 1;
export const ACPI_FADT_NO_VGA = 2;
export const ACPI_FADT_NO_ASPM = 4;

// Generic Address Structure, section 5.2.3.2
export const ACPI_GAS_SYSTEM_IO = 1;
export const ACPI_GAS_ACCESS_BYTE = 1;
export const ACPI_GAS_ACCESS_WORD = 2;
export const ACPI_GAS_ACCESS_DWORD = 3;

// Firmware ACPI Control Structure, section 5.2.10
export const ACPI_FACS_LENGTH_OFF = 4;
export const ACPI_FACS_VERSION_OFF = 32;
export const ACPI_FACS_BYTES = 64;
export const ACPI_FACS_VERSION = 2;
export const ACPI_FACS_ALIGN = 64;

// Multiple APIC Description Table, section 5.2.12
/** Bit: there is also a pair of 8259. */
export const ACPI_MADT_PCAT_COMPAT = 0;
export const ACPI_MADT_LOCAL_APIC = 0;
export const ACPI_MADT_LOCAL_APIC_BYTES = 8;
/** Bit of a local APIC's flags. */
export const ACPI_MADT_ENABLED = 0;
export const ACPI_MADT_IO_APIC = 1;
export const ACPI_MADT_IO_APIC_BYTES = 12;
export const ACPI_MADT_OVERRIDE = 2;
export const ACPI_MADT_OVERRIDE_BYTES = 10;
export const ACPI_MADT_LOCAL_APIC_NMI = 4;
export const ACPI_MADT_LOCAL_APIC_NMI_BYTES = 6;
/** Processor UID that means all of them. */
export const ACPI_MADT_ALL_PROCESSORS = 0xff;
export const ACPI_MADT_BUS_ISA = 0;

// MPS INTI flags, table 5-50; the MP table has the same
export const MPS_INTI_CONFORMS = 0x0;
export const MPS_INTI_ACTIVE_HIGH = 0x1;
export const MPS_INTI_LEVEL = 0xc;

// MCFG
export const ACPI_MCFG_ENTRIES_OFF = 44;
export const ACPI_MCFG_ENTRY_ADDRESS_OFF = 0;
export const ACPI_MCFG_ENTRY_BYTES = 16;

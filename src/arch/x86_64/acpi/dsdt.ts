/**
 * The DSDT: what a kernel cannot find by looking. A PCI host bridge with its windows and interrupt lines, the devices of
 * a PC behind it, virtio-mmio devices, and ranges to keep out of.
 *
 * Interrupts of PCI are hard-coded GSIs, not link devices: lines below 16, the same with the 8259 and with the IOAPIC.
 *
 * Spec: ACPI 6.3 chapters 6 and 9, PCI Firmware 3.0. Thread: any.
 */
import * as map from '../memory-map.js';
import {
  type Aml,
  amlArg,
  amlDevice,
  amlDwordField,
  amlEisaId,
  amlElse,
  amlEqual,
  amlIf,
  amlInteger,
  amlMethod,
  amlName,
  amlOr,
  amlPackage,
  amlPath,
  amlReturn,
  amlScope,
  amlStore,
  amlString,
  amlUuid,
} from './aml.js';
import { concat } from './bytes.js';
import type { FirmwareDescription, MmioNode } from './description.js';
import {
  busWindow,
  edgeInterrupt,
  fixedMemory,
  ioPorts,
  ioWindow,
  isaIrq,
  memoryWindow,
  resourceTemplate,
} from './resources.js';

const PCI_SLOTS = 32;
/** Configuration mechanism #1: not part of the bridge's I/O windows, but its own. */
const PCI_CONFIG_PORT = 0xcf8;
const PCI_CONFIG_PORTS = 8;
/** Names the PCI host bridge's _OSC. PCI Firmware 3.0 section 4.5.1. */
const PCI_OSC_UUID = '33DB4D5B-1FF7-401C-9657-7441C03DD766';
/** First word of _OSC's result: the UUID is not known. ACPI 6.3 section 6.2.11. */
const OSC_UNKNOWN_UUID = 4;
const PM_EVENT_PORTS = 4;
const PM_CONTROL_PORTS = 2;
const PM_TIMER_PORTS = 4;
const SERIAL_PORT_COUNT = 8;

/** @returns the terms behind the table's header */
export function dsdtTerms({ mmio, ecam }: FirmwareDescription): Aml {
  const off = amlInteger(map.SLEEP_TYPE_OFF);
  const zero = amlInteger(0);
  return concat([
    amlName('\\_S5', amlPackage(off, zero, zero, zero)),
    amlScope('\\_SB', pciHostBridge(ecam), reserved(ecam), ...mmio.map(mmioDevice)),
  ]);
}

function pciHostBridge(ecam: boolean): Aml {
  // As a PCI Express bridge it is asked who owns which feature; a plain PCI bridge has no such question.
  const identity = ecam
    ? [amlName('_HID', amlEisaId('PNP0A08')), amlName('_CID', amlEisaId('PNP0A03')), pciControl()]
    : [amlName('_HID', amlEisaId('PNP0A03'))];
  return amlDevice(
    'PCI0',
    ...identity,
    amlName('_UID', amlInteger(0)),
    amlName('_BBN', amlInteger(0)),
    amlName(
      '_CRS',
      resourceTemplate(
        busWindow(0, 0),
        ioPorts(PCI_CONFIG_PORT, PCI_CONFIG_PORTS),
        ioWindow(0, PCI_CONFIG_PORT - 1),
        ioWindow(PCI_CONFIG_PORT + PCI_CONFIG_PORTS, 0xffff),
        memoryWindow(map.PCI_MEMORY, map.PCI_MEMORY_BYTES),
      ),
    ),
    amlName('_PRT', pciRouting()),
    ...map.SERIAL_PORTS.map(serialPort),
    isaDevice('KBD', 'PNP0303', ioPorts(0x60, 1), ioPorts(0x64, 1), isaIrq(map.KEYBOARD_GSI, false)),
    isaDevice('RTC', 'PNP0B00', ioPorts(0x70, 2), isaIrq(map.RTC_GSI, false)),
  );
}

/** The bridge hands over no feature: no hot plug, no PME, no AER. */
function pciControl(): Aml {
  const words = amlArg(3);
  const status = amlPath('CDW1');
  return amlMethod(
    '_OSC',
    4,
    amlDwordField(words, 0, 'CDW1'),
    amlIf(
      amlEqual(amlArg(0), amlUuid(PCI_OSC_UUID)),
      amlDwordField(words, 8, 'CDW3'),
      amlStore(amlInteger(0), amlPath('CDW3')),
    ),
    amlElse(amlOr(status, amlInteger(OSC_UNKNOWN_UUID), status)),
    amlReturn(words),
  );
}

/** INTA# of each slot, whether there is a device or not. */
function pciRouting(): Aml {
  const inta = amlInteger(0);
  const hardCoded = amlInteger(0);
  return amlPackage(
    ...Array.from({ length: PCI_SLOTS }, (_, slot) => {
      const allFunctions = amlInteger(slot * 0x1_0000 + 0xffff);
      return amlPackage(allFunctions, inta, hardCoded, amlInteger(map.pciIntxGsi(slot)));
    }),
  );
}

function isaDevice(name: string, id: string, ...resources: readonly Uint8Array[]): Aml {
  return amlDevice(name, amlName('_HID', amlEisaId(id)), amlName('_CRS', resourceTemplate(...resources)));
}

function serialPort(port: number, index: number): Aml {
  return amlDevice(
    `COM${index + 1}`,
    amlName('_HID', amlEisaId('PNP0501')),
    amlName('_UID', amlInteger(index + 1)),
    amlName(
      '_CRS',
      resourceTemplate(ioPorts(port, SERIAL_PORT_COUNT), isaIrq(map.SERIAL_GSIS[index] as number, true)),
    ),
  );
}

/** Ranges that no driver and no BAR may take: also what makes a kernel trust MCFG. */
function reserved(ecam: boolean): Aml {
  const hvlEnd = map.HVL_DOORBELL + 0x1_0000;
  return amlDevice(
    'MBRD',
    amlName('_HID', amlEisaId('PNP0C02')),
    amlName('_UID', amlInteger(0)),
    amlName(
      '_CRS',
      resourceTemplate(
        ioPorts(map.PM_EVENT_PORT, PM_EVENT_PORTS),
        ioPorts(map.PM_CONTROL_PORT, PM_CONTROL_PORTS),
        ioPorts(map.PM_TIMER_PORT, PM_TIMER_PORTS),
        fixedMemory(map.HVL_POOL_START, hvlEnd - map.HVL_POOL_START),
        ...(ecam ? [fixedMemory(map.PCI_ECAM, map.PCI_ECAM_BYTES)] : []),
      ),
    ),
  );
}

function mmioDevice({ gpa, gsi }: MmioNode, index: number): Aml {
  return amlDevice(
    `VR${index.toString(16).toUpperCase().padStart(2, '0')}`,
    amlName('_HID', amlString('LNRO0005')),
    amlName('_UID', amlInteger(index)),
    amlName('_CCA', amlInteger(1)),
    amlName('_CRS', resourceTemplate(fixedMemory(gpa, map.VIRTIO_MMIO_STRIDE), edgeInterrupt(gsi))),
  );
}

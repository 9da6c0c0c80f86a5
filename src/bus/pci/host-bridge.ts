/** The host bridge in slot 0: every PC has one, and operating systems look for it before they trust a bus. */
import {
  I440FX_PAM,
  I440FX_PAM_BYTES,
  I440FX_REVISION,
  PCI_CLASS_BRIDGE_HOST,
  PCI_DEVICE_ID_INTEL_82441,
  PCI_SUBDEVICE_ID_QEMU,
  PCI_SUBVENDOR_ID_REDHAT_QUMRANET,
  PCI_VENDOR_ID_INTEL,
} from '../../abi/pci.js';
import type { PciFunctionSpec } from './function.js';

/**
 * The north bridge of the 440FX as far as anybody looks: its ids, by which SeaBIOS knows where memory and BARs may be, and
 * its attribute map, which keeps what SeaBIOS writes there (all of our low memory is RAM anyway).
 */
export const HOST_BRIDGE: PciFunctionSpec = {
  vendor: PCI_VENDOR_ID_INTEL,
  device: PCI_DEVICE_ID_INTEL_82441,
  subsystemVendor: PCI_SUBVENDOR_ID_REDHAT_QUMRANET,
  subsystem: PCI_SUBDEVICE_ID_QEMU,
  revision: I440FX_REVISION,
  classCode: PCI_CLASS_BRIDGE_HOST,
  interruptPin: 0,
  interruptLine: 0,
  bars: [],
  capabilities: [],
  scratch: [{ register: I440FX_PAM, bytes: I440FX_PAM_BYTES }],
};

/**
 * What is known of each hypervisorless device type before any device exists: its place in the order of slots, its sizes, and
 * what every machine knows of it.
 */
import { HVL_DEVICE_TYPES, type HvlDeviceType } from '../abi/hvl.js';
import { type DeviceFacts, type DeviceName, deviceFacts, isDeviceName } from './device-facts.js';

/** Facts about a type, and what the protocol fixes. */
export interface DeviceType extends HvlDeviceType, DeviceFacts {
  readonly name: DeviceName;
}

/** The types that can be made, in the order of slots. */
export const DEVICE_TYPES: readonly DeviceType[] = HVL_DEVICE_TYPES.flatMap((type) =>
  isDeviceName(type.name) ? [{ ...type, ...deviceFacts(type.name) }] : [],
);

/** Facts about a type that certainly exists without a hypervisor. */
export function deviceType(name: DeviceName): DeviceType {
  return DEVICE_TYPES.find((type) => type.name === name) as DeviceType;
}

/** The type a user's word means ("9p" and "p9" are the same), or undefined. */
export function deviceTypeOfWord(word: string): DeviceType | undefined {
  return DEVICE_TYPES.find((type) => type.word === word || type.name === word);
}

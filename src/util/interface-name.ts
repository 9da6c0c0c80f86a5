/** Names of network interfaces, as the kernel takes them. */
import { IFNAMSIZ } from '../abi/tun.js';

/** What {@link isInterfaceName} wants, for a person. */
export const INTERFACE_NAME_RULE =
  'an interface name has 1 ... 15 bytes, without blank, slash or percent sign';

/** Whether an interface can have this name. A percent sign would make the kernel choose a number. */
export function isInterfaceName(name: string): boolean {
  return /^[^\s/%]+$/.test(name) && Buffer.byteLength(name) < IFNAMSIZ && name !== '.' && name !== '..';
}

/**
 * Tap interfaces: /dev/net/tun, a macvtap node, or an inherited descriptor.
 *
 * Thread: any; {@link openTap} before anything runs.
 */
import { EACCES, EBADFD, EBUSY, EINVAL, ENODEV, ENOENT, ENXIO, EPERM } from '../abi/errno.js';
import { F_GETFL, F_SETFL, SOCK_CLOEXEC } from '../abi/linux.js';
import {
  AF_INET,
  IFF_MULTI_QUEUE,
  IFF_NO_PI,
  IFF_TAP,
  IFF_UP,
  IFF_VNET_HDR,
  IFNAMSIZ,
  IFREQ_BYTES,
  IFREQ_UNION_OFF,
  SIOCGIFFLAGS,
  SIOCSIFADDR,
  SIOCSIFFLAGS,
  SIOCSIFNETMASK,
  SOCK_DGRAM,
  SOCKADDR_IN_ADDR_OFF,
  TUNGETFEATURES,
  TUNGETIFF,
  TUNSETIFF,
  TUNSETOFFLOAD,
  TUNSETVNETHDRSZ,
} from '../abi/tun.js';
import { LkvmError, StartError } from '../util/errors.js';
import { INTERFACE_NAME_RULE, isInterfaceName } from '../util/interface-name.js';
import { O_NONBLOCK, O_RDWR } from './arch.js';
import { close, fcntl, ioctl, open } from './fd.js';
import { declare, errnoName, must, status } from './libc.js';
import { NativeBuffer } from './map.js';

const cSocket = declare('int socket(int domain, int type, int protocol)');

const TUN_PATH = '/dev/net/tun';
const FLAGS_OFF = IFREQ_UNION_OFF;
const ADDR_OFF = IFREQ_UNION_OFF;

/** Which tap to use. */
export interface TapSpec {
  /**
   * Name of an interface (1 ... 15 bytes; made if it does not exist and we may), or path of a macvtap node
   * ("/dev/tap7"); undefined: a new interface named by the kernel.
   */
  readonly tapif?: string | undefined;
  /** An inherited descriptor of a tap; it becomes ours: made non-blocking, and closed in the end. */
  readonly fd?: number | undefined;
  /**
   * Address the host gets on an interface that we made ("192.168.33.1", network /24), which is brought up then;
   * undefined: it is left as it is, for a script to configure.
   */
  readonly hostIp?: string | undefined;
  /** What errors advise; default: the words of a network card. */
  readonly advice?: TapAdvice;
}

/** How the person who reads an error can name another tap, or do without one. */
export interface TapAdvice {
  /** "tapif=NAME" */
  readonly name: string;
  /** "use mode=user, which needs no tap"; undefined if nothing goes without. */
  readonly without: string | undefined;
}

const CARD_ADVICE: TapAdvice = { name: 'tapif=NAME', without: 'use mode=user, which needs no tap' };

/** An open tap. Plain data, so that it can be handed to the reactor's worker. */
export interface Tap {
  readonly fd: number;
  /** Name of the interface. */
  readonly name: string;
  /** The interface did not exist before, and goes when `fd` is closed. */
  readonly created: boolean;
  /** Every packet has a virtio-net header in front, and offloads are possible. */
  readonly vnetHeader: boolean;
}

/**
 * Opens a tap without packet information, with the virtio-net header where the kernel has it.
 * Errors: StartError, with what to do next.
 */
export function openTap(spec: TapSpec): Tap {
  const request = new NativeBuffer(IFREQ_BYTES);
  if (spec.fd !== undefined) return inherited(request, spec.fd, spec.tapif);
  const node = spec.tapif?.startsWith('/') === true ? spec.tapif : undefined;
  const wanted = node === undefined ? spec.tapif : undefined;
  if (wanted !== undefined) checkName(wanted);
  const path = node ?? TUN_PATH;
  const fd = open(path, O_RDWR | O_NONBLOCK);
  const advice = spec.advice ?? CARD_ADVICE;
  if (fd < 0) throw openError(path, -fd, advice);
  try {
    const existed = wanted !== undefined && interfaceExists(request, wanted);
    const tap = attach(request, fd, wanted, existed || node !== undefined, advice);
    if (tap.created && spec.hostIp !== undefined) bringUp(request, tap.name, spec.hostIp);
    return tap;
  } catch (error) {
    close(fd);
    throw error;
  }
}

const argument = new NativeBuffer(8);

/** Sets the length of the header in front of every packet: 10 or 12. @returns 0 or -errno */
export function setTapHeaderBytes(fd: number, bytes: number): number {
  argument.view.setInt32(0, bytes, true);
  return ioctl(fd, TUNSETVNETHDRSZ, argument.address);
}

/** Sets which offloads packets *from* the tap may use: TUN_F_ bits. @returns 0 or -errno (EINVAL: not all known) */
export function setTapOffloads(fd: number, flags: number): number {
  return ioctl(fd, TUNSETOFFLOAD, flags);
}

/** Names the tap `fd` belongs to, and attaches it first if it is not attached to any. */
function inherited(request: NativeBuffer, fd: number, tapif: string | undefined): Tap {
  clear(request, '');
  const got = ioctl(fd, TUNGETIFF, request.address);
  if (got === -EBADFD) {
    const name = tapif === undefined || tapif.startsWith('/') ? undefined : tapif;
    if (name !== undefined) checkName(name);
    nonBlocking(fd);
    return attach(request, fd, name, name !== undefined && interfaceExists(request, name), CARD_ADVICE);
  }
  if (got < 0) {
    throw new StartError(
      `fd=${fd} is not a tap (${errnoName(-got)}); pass a descriptor of /dev/net/tun or /dev/tapN`,
    );
  }
  const flags = request.view.getUint16(FLAGS_OFF, true);
  if ((flags & IFF_TAP) === 0 || (flags & IFF_NO_PI) === 0) {
    throw new StartError(
      `fd=${fd} must be a tap without packet information: set it up with IFF_TAP | IFF_NO_PI`,
    );
  }
  nonBlocking(fd);
  return { fd, name: nameIn(request), created: false, vnetHeader: (flags & IFF_VNET_HDR) !== 0 };
}

function nonBlocking(fd: number): void {
  const flags = must(fcntl(fd, F_GETFL, 0), 'fcntl', `fd ${fd}`);
  must(fcntl(fd, F_SETFL, flags | O_NONBLOCK), 'fcntl', `fd ${fd}`);
}

/** TUNSETIFF. @param exists the interface is there already */
function attach(
  request: NativeBuffer,
  fd: number,
  name: string | undefined,
  exists: boolean,
  advice: TapAdvice,
): Tap {
  argument.view.setUint32(0, 0, true);
  const known = ioctl(fd, TUNGETFEATURES, argument.address) >= 0 ? argument.view.getUint32(0, true) : 0;
  const vnet = known & IFF_VNET_HDR;
  let result = setInterface(request, fd, name, vnet);
  // An interface made for several queues is joined as one of them.
  if (result === -EINVAL && exists) result = setInterface(request, fd, name, vnet | IFF_MULTI_QUEUE);
  if (result < 0) throw attachError(name, -result, advice);
  return { fd, name: nameIn(request), created: !exists, vnetHeader: vnet !== 0 };
}

function setInterface(request: NativeBuffer, fd: number, name: string | undefined, flags: number): number {
  clear(request, name ?? 'tap%d');
  request.view.setUint16(FLAGS_OFF, IFF_TAP | IFF_NO_PI | flags, true);
  return ioctl(fd, TUNSETIFF, request.address);
}

function checkName(name: string): void {
  if (!isInterfaceName(name)) throw new StartError(`tap "${name}": ${INTERFACE_NAME_RULE}`);
}

function clear(request: NativeBuffer, name: string): void {
  request.u8.fill(0);
  request.u8.set(Buffer.from(name).subarray(0, IFNAMSIZ - 1));
}

function nameIn(request: NativeBuffer): string {
  const end = request.u8.indexOf(0);
  return Buffer.from(request.u8.subarray(0, Math.min(end, IFNAMSIZ))).toString();
}

/** Runs `use` with a socket, which interface ioctls need. */
function withSocket<T>(use: (socket: number) => T): T {
  const socket = must(status(cSocket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)), 'socket');
  try {
    return use(socket);
  } finally {
    close(socket);
  }
}

function interfaceExists(request: NativeBuffer, name: string): boolean {
  clear(request, name);
  return withSocket((socket) => ioctl(socket, SIOCGIFFLAGS, request.address)) !== -ENODEV;
}

/** Gives the interface its address and brings it up. Errors: StartError. */
function bringUp(request: NativeBuffer, name: string, ip: string): void {
  const octets = ip.split('.').map(Number);
  if (!/^\d+(\.\d+){3}$/.test(ip) || octets.some((octet) => octet > 255)) {
    throw new StartError(`host_ip=${ip} is not an IPv4 address; give one like 192.168.33.1`);
  }
  try {
    withSocket((socket) => {
      const set = (code: number, address: readonly number[], call: string): void => {
        clear(request, name);
        request.view.setUint16(ADDR_OFF, AF_INET, true);
        request.u8.set(address, ADDR_OFF + SOCKADDR_IN_ADDR_OFF);
        must(ioctl(socket, code, request.address), call, name);
      };
      set(SIOCSIFADDR, octets, 'SIOCSIFADDR');
      set(SIOCSIFNETMASK, [255, 255, 255, 0], 'SIOCSIFNETMASK');
      clear(request, name);
      must(ioctl(socket, SIOCGIFFLAGS, request.address), 'SIOCGIFFLAGS', name);
      const flags = request.view.getUint16(FLAGS_OFF, true);
      request.view.setUint16(FLAGS_OFF, flags | IFF_UP, true);
      must(ioctl(socket, SIOCSIFFLAGS, request.address), 'SIOCSIFFLAGS', name);
    });
  } catch (error) {
    const text = error instanceof LkvmError ? error.message : String(error);
    throw new StartError(
      `cannot give ${name} the address ${ip}: ${text}; needs CAP_NET_ADMIN, run as root`,
      error,
    );
  }
}

function withoutRoot({ name, without }: TapAdvice): string {
  const own = `run as root, or make a tap for your user (ip tuntap add NAME mode tap user USER) and give ${name}`;
  return without === undefined ? own : `${own}, or ${without}`;
}

function openError(path: string, errno: number, advice: TapAdvice): StartError {
  const { without } = advice;
  if (errno === EACCES || errno === EPERM) {
    return new StartError(`${path}: no permission; ${withoutRoot(advice)}`);
  }
  if (path !== TUN_PATH) {
    return new StartError(
      `cannot open macvtap ${path}: ${errnoName(errno)}; its number is in /sys/class/net/NAME/ifindex`,
    );
  }
  if (errno === ENOENT || errno === ENODEV || errno === ENXIO) {
    const instead = without === undefined ? '' : `, or ${without}`;
    return new StartError(
      `${path} is missing (${errnoName(errno)}); load the module (modprobe tun)${instead}`,
    );
  }
  return new StartError(
    `cannot open ${path}: ${errnoName(errno)}${without === undefined ? '' : `; ${without}`}`,
  );
}

function attachError(name: string | undefined, errno: number, advice: TapAdvice): StartError {
  const what = name === undefined ? 'cannot make a tap' : `cannot use tap ${name}`;
  if (errno === EPERM || errno === EACCES) {
    return new StartError(`${what}: no permission; ${withoutRoot(advice)}`);
  }
  if (errno === EBUSY)
    return new StartError(`${what}: another process has it open; stop that one or take another tap`);
  if (errno === EINVAL) {
    return new StartError(
      `${what}: it exists and is not a tap; give the name of a tap (ip tuntap list) or a new one`,
    );
  }
  const { without } = advice;
  return new StartError(
    `${what}: TUNSETIFF failed with ${errnoName(errno)}${without === undefined ? '' : `; ${without}`}`,
  );
}

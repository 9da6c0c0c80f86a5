/**
 * Unix stream sockets: doorbells, and the hand-over of file descriptors to a peer. All results are >= 0 or -errno, all
 * descriptors are close-on-exec and non-blocking.
 *
 * Thread: any.
 */
import { closeSync, lstatSync, openSync, unlinkSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import {
  EADDRINUSE,
  EAGAIN,
  ECONNREFUSED,
  EMSGSIZE,
  ENAMETOOLONG,
  ENOENT,
  ENOTSOCK,
  EPROTO,
} from '../abi/errno.js';
import {
  AF_UNIX,
  CMSGHDR_BYTES,
  CMSGHDR_LEN_OFF,
  CMSGHDR_LEVEL_OFF,
  CMSGHDR_TYPE_OFF,
  IOVEC_BASE_OFF,
  IOVEC_BYTES,
  IOVEC_LEN_OFF,
  LOCK_EX,
  LOCK_NB,
  MSG_CMSG_CLOEXEC,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  MSGHDR_BYTES,
  MSGHDR_CONTROL_OFF,
  MSGHDR_CONTROLLEN_OFF,
  MSGHDR_IOV_OFF,
  MSGHDR_IOVLEN_OFF,
  O_PATH,
  SCM_MAX_FD,
  SCM_RIGHTS,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOCKADDR_UN_BYTES,
  SOCKADDR_UN_PATH_OFF,
  SOL_SOCKET,
  UNIX_PATH_MAX,
} from '../abi/linux.js';
import { at } from '../util/typed.js';
import { O_DIRECTORY, O_RDONLY } from './arch.js';
import { close, flock, open } from './fd.js';
import { declare, status } from './libc.js';
import { NativeBuffer } from './map.js';

const cSocket = declare('int socket(int domain, int type, int protocol)');
const cSocketpair = declare('int socketpair(int domain, int type, int protocol, _Out_ int *fds)');
const cBind = declare('int bind(int fd, const void *address, unsigned int bytes)');
const cConnect = declare('int connect(int fd, const void *address, unsigned int bytes)');
const cListen = declare('int listen(int fd, int backlog)');
const cAccept4 = declare('int accept4(int fd, uintptr_t address, uintptr_t bytes, int flags)');
const cFchmod = declare('int fchmod(int fd, unsigned int mode)');
const cSend = declare('int64_t send(int fd, const void *buf, size_t n, int flags)');
const cRecv = declare('int64_t recv(int fd, void *buf, size_t n, int flags)');
const cSendmsg = declare('int64_t sendmsg(int fd, uintptr_t message, int flags)');
const cRecvmsg = declare('int64_t recvmsg(int fd, uintptr_t message, int flags)');

const FLAGS = SOCK_CLOEXEC | SOCK_NONBLOCK;
/** Attempts to become the only one that replaces a stale socket, 10 ms apart. */
const LOCK_ATTEMPTS = 100;

/**
 * Calls `use` with the bytes of a `struct sockaddr_un` for `path`. A path longer than the structure holds is reached
 * through its folder, opened here: `/proc/self/fd/N/name`.
 * @returns what `use` returned, or -errno (ENAMETOOLONG: the file's own name is too long; ENOENT: no such folder)
 */
function withAddress(path: string, use: (address: Uint8Array) => number): number {
  const bytes = Buffer.from(path);
  if (bytes.includes(0) || bytes.length === 0) return -ENOENT;
  if (bytes.length < UNIX_PATH_MAX) return use(sockaddr(bytes));
  let folder: number;
  try {
    folder = openSync(dirname(path), O_PATH | O_DIRECTORY);
  } catch (error) {
    return -errnoOf(error);
  }
  try {
    const short = Buffer.from(`/proc/self/fd/${folder}/${basename(path)}`);
    return short.length < UNIX_PATH_MAX ? use(sockaddr(short)) : -ENAMETOOLONG;
  } finally {
    closeSync(folder);
  }
}

function sockaddr(path: Uint8Array): Uint8Array {
  const address = new Uint8Array(SOCKADDR_UN_BYTES);
  address[0] = AF_UNIX;
  address.set(path, SOCKADDR_UN_PATH_OFF);
  return address;
}

function errnoOf(error: unknown): number {
  const number = (error as { errno?: unknown }).errno;
  return typeof number === 'number' ? Math.abs(number) : EPROTO;
}

/**
 * Makes a listening socket at `path`. A socket file that nobody listens on any more is replaced.
 *
 * @param mode permission bits of the socket file (the umask takes bits away): who may connect
 * @param backlog connections that may wait for {@link acceptUnix}, 1 ... 4096
 * @returns the fd, or -errno: **EADDRINUSE** a living process listens there; ENOTSOCK a file that is no socket is in
 *   the way (it is left alone); EACCES; ENOENT no such folder; ENAMETOOLONG the file's own name is too long
 */
export function listenUnix(path: string, mode = 0o600, backlog = 8): number {
  const fd = status(cSocket(AF_UNIX, SOCK_STREAM | FLAGS, 0));
  if (fd < 0) return fd;
  // Before bind: the new file gets the socket's own mode, so it is never open to others even for a moment.
  let result = status(cFchmod(fd, mode));
  if (result === 0) result = bindOrReplace(fd, path, backlog);
  if (result === 0) return fd;
  close(fd);
  return result;
}

function bindOrReplace(fd: number, path: string, backlog: number): number {
  // Two starting processes must not both see the old socket as stale, or the second would replace the first one's new
  // socket between its bind and its listen. The lock on the folder is advisory and best effort.
  const folder = lockFolder(path);
  try {
    let result = bind(fd, path);
    if (result === -EADDRINUSE) {
      result = removeStale(path);
      if (result === 0) result = bind(fd, path);
    }
    return result < 0 ? result : status(cListen(fd, backlog));
  } finally {
    if (folder >= 0) close(folder);
  }
}

function bind(fd: number, path: string): number {
  return withAddress(path, (address) => status(cBind(fd, address, address.length)));
}

/** @returns an fd that holds the lock until closed, or -1 */
function lockFolder(path: string): number {
  // Not openSync: Node remembers what a worker has opened with it, and closes those *numbers* when the worker ends.
  const folder = open(dirname(path), O_RDONLY | O_DIRECTORY);
  if (folder < 0) return -1; // bind will say what is wrong, and an unreadable folder is not an error
  const pause = new Int32Array(new SharedArrayBuffer(4));
  for (let attempt = 0; attempt < LOCK_ATTEMPTS; attempt++) {
    if (flock(folder, LOCK_EX | LOCK_NB) === 0) return folder;
    Atomics.wait(pause, 0, 0, 10);
  }
  close(folder);
  return -1;
}

/** Removes a socket file without a listener. @returns 0 or -errno (EADDRINUSE: there is a listener) */
function removeStale(path: string): number {
  const probe = connectUnix(path);
  if (probe >= 0) {
    close(probe);
    return -EADDRINUSE;
  }
  if (probe === -EAGAIN) return -EADDRINUSE; // its backlog is full, so it lives
  if (probe !== -ECONNREFUSED) return probe === -ENOENT ? 0 : probe;
  try {
    if (!lstatSync(path).isSocket()) return -ENOTSOCK;
    unlinkSync(path);
    return 0;
  } catch (error) {
    return errnoOf(error) === ENOENT ? 0 : -errnoOf(error);
  }
}

/**
 * Connects to a listening socket; on a unix socket this never waits.
 * @returns the fd, or -errno: ENOENT nothing there; ECONNREFUSED nobody listens; EAGAIN backlog full, try again later;
 *   EACCES; ENAMETOOLONG
 */
export function connectUnix(path: string): number {
  const fd = status(cSocket(AF_UNIX, SOCK_STREAM | FLAGS, 0));
  if (fd < 0) return fd;
  const result = withAddress(path, (address) => status(cConnect(fd, address, address.length)));
  if (result === 0) return fd;
  close(fd);
  return result;
}

/** Takes a waiting connection. @returns its fd, or -errno (EAGAIN: none waits; EMFILE) */
export function acceptUnix(listener: number): number {
  return status(cAccept4(listener, 0, 0, FLAGS));
}

/** Two connected stream sockets. @returns their fds or -errno */
export function socketpair(): [number, number] | number {
  const fds = [-1, -1];
  const result = status(cSocketpair(AF_UNIX, SOCK_STREAM | FLAGS, 0, fds));
  return result < 0 ? result : [at(fds, 0), at(fds, 1)];
}

/**
 * Sends the first `bytes` of `buffer`; never waits, never raises SIGPIPE.
 * @returns bytes taken (may be fewer), or -errno (EAGAIN: full; EPIPE, ECONNRESET: the other end is gone)
 * Safety: the kernel reads the buffer only during the call.
 */
export function send(fd: number, buffer: Uint8Array, bytes = buffer.length): number {
  return status(cSend(fd, buffer, Math.min(bytes, buffer.length), MSG_DONTWAIT | MSG_NOSIGNAL));
}

/**
 * Receives up to `bytes` into `buffer`; never waits.
 * @returns bytes received, 0 if the other end is closed, or -errno (EAGAIN: nothing there; ECONNRESET)
 * Safety: the kernel writes the buffer only during the call.
 */
export function recv(fd: number, buffer: Uint8Array, bytes = buffer.length): number {
  return status(cRecv(fd, buffer, Math.min(bytes, buffer.length), MSG_DONTWAIT));
}

/** Most bytes that {@link sendWithFds} and {@link recvWithFds} carry. */
export const FD_MESSAGE_MAX_BYTES = 4096;

// One message being sent or received, in memory of this worker: header, iovec, control data, payload.
const IOV_OFF = Math.ceil(MSGHDR_BYTES / 16) * 16;
const CONTROL_OFF = 128;
const CONTROL_BYTES = CMSGHDR_BYTES + SCM_MAX_FD * 4 + 4; // data is padded to a multiple of 8
const PAYLOAD_OFF = 2048;
const message = new NativeBuffer(PAYLOAD_OFF + FD_MESSAGE_MAX_BYTES);

function prepareMessage(payloadBytes: number, controlBytes: number): void {
  const { address, u8, view } = message;
  u8.fill(0, 0, IOV_OFF + IOVEC_BYTES);
  view.setBigUint64(MSGHDR_IOV_OFF, BigInt(address + IOV_OFF), true);
  view.setUint32(MSGHDR_IOVLEN_OFF, 1, true);
  view.setBigUint64(MSGHDR_CONTROL_OFF, BigInt(controlBytes === 0 ? 0 : address + CONTROL_OFF), true);
  view.setUint32(MSGHDR_CONTROLLEN_OFF, controlBytes, true);
  view.setBigUint64(IOV_OFF + IOVEC_BASE_OFF, BigInt(address + PAYLOAD_OFF), true);
  view.setUint32(IOV_OFF + IOVEC_LEN_OFF, payloadBytes, true);
}

/**
 * Sends `bytes` together with copies of `fds`; the other end gets them with the first byte.
 *
 * @param bytes 1 ... {@link FD_MESSAGE_MAX_BYTES} bytes
 * @param fds 0 ... 253 descriptors; they stay open here
 * @returns bytes sent, or -errno (EAGAIN: full; EMSGSIZE: too many bytes or fds; EPIPE; EBADF)
 */
export function sendWithFds(fd: number, bytes: Uint8Array, fds: readonly number[]): number {
  if (bytes.length < 1 || bytes.length > FD_MESSAGE_MAX_BYTES || fds.length > SCM_MAX_FD) return -EMSGSIZE;
  const dataBytes = fds.length * 4;
  prepareMessage(bytes.length, fds.length === 0 ? 0 : CMSGHDR_BYTES + dataBytes + (dataBytes % 8));
  message.u8.set(bytes, PAYLOAD_OFF);
  const view = message.view;
  view.setBigUint64(CONTROL_OFF + CMSGHDR_LEN_OFF, BigInt(CMSGHDR_BYTES + dataBytes), true);
  view.setUint32(CONTROL_OFF + CMSGHDR_LEVEL_OFF, SOL_SOCKET, true);
  view.setUint32(CONTROL_OFF + CMSGHDR_TYPE_OFF, SCM_RIGHTS, true);
  for (let i = 0; i < fds.length; i++) view.setInt32(CONTROL_OFF + CMSGHDR_BYTES + i * 4, at(fds, i), true);
  return status(cSendmsg(fd, message.address, MSG_DONTWAIT | MSG_NOSIGNAL));
}

/**
 * Receives bytes and the descriptors that came with them.
 *
 * @param buffer receives up to min(length, {@link FD_MESSAGE_MAX_BYTES}) bytes
 * @param fds received descriptors are appended; the caller owns and closes them. Fewer than were sent if this process
 *   may not open more
 * @returns bytes received, 0 if the other end is closed, or -errno (EAGAIN: nothing there; ECONNRESET)
 */
export function recvWithFds(fd: number, buffer: Uint8Array, fds: number[]): number {
  const limit = Math.min(buffer.length, FD_MESSAGE_MAX_BYTES);
  prepareMessage(limit, CONTROL_BYTES);
  const received = status(cRecvmsg(fd, message.address, MSG_DONTWAIT | MSG_CMSG_CLOEXEC));
  if (received < 0) return received;
  buffer.set(message.u8.subarray(PAYLOAD_OFF, PAYLOAD_OFF + received));
  collectFds(fds);
  return received;
}

/** Walks the control messages. The control area has room for the most that one message can carry. */
function collectFds(fds: number[]): void {
  const view = message.view;
  const end = CONTROL_OFF + view.getUint32(MSGHDR_CONTROLLEN_OFF, true);
  for (let off = CONTROL_OFF; off + CMSGHDR_BYTES <= end; ) {
    const bytes = view.getUint32(off + CMSGHDR_LEN_OFF, true);
    if (bytes < CMSGHDR_BYTES) return;
    const level = view.getUint32(off + CMSGHDR_LEVEL_OFF, true);
    const type = view.getUint32(off + CMSGHDR_TYPE_OFF, true);
    if (level === SOL_SOCKET && type === SCM_RIGHTS) {
      const last = Math.min(off + bytes, end);
      for (let at = off + CMSGHDR_BYTES; at + 4 <= last; at += 4) fds.push(view.getInt32(at, true));
    }
    off += Math.ceil(bytes / 8) * 8;
  }
}

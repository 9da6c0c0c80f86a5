/** Random bytes from the kernel, straight into mapped memory. */
import { GRND_NONBLOCK } from '../abi/linux.js';
import { declare, status } from './libc.js';

const cGetrandom = declare('int64_t getrandom(uintptr_t buf, size_t n, unsigned int flags)');

/**
 * Fills mapped memory with random bytes; never waits. Hot path.
 *
 * @param bytes up to 2^31; requests of at most 256 bytes are never cut short, longer ones may be (call again)
 * @returns bytes written, or -errno (EAGAIN: the kernel's pool is not ready yet, early in boot; EINTR; EFAULT)
 * Safety: `[address, address + bytes)` lies in one mapping that stays mapped.
 */
export function getrandomTo(address: number, bytes: number): number {
  return status(cGetrandom(address, bytes, GRND_NONBLOCK));
}

// The one message the PMM sends on an `eventfd:PATH` doorbell connection. Little-endian. With it travel, by SCM_RIGHTS:
// the pool's memfd (only with a memfd pool), the eventfd the peer writes, the eventfd the PMM writes.
export const EVENTFD_HELLO_MAGIC = 0x4d56484c; // "LHVM"
export const EVENTFD_HELLO_VERSION = 1;
export const EVENTFD_HELLO_MAGIC_OFF = 0;
export const EVENTFD_HELLO_VERSION_OFF = 4;
export const EVENTFD_HELLO_POOL_OFF = 8; // u64: driver-visible address of the pool
export const EVENTFD_HELLO_LENGTH_OFF = 16; // u64: bytes
export const EVENTFD_HELLO_BYTES = 24;

// ivshmem, QEMU's shared memory between machines: the protocol between a server and its peers, and the PCI device.
// Spec: QEMU docs/specs/ivshmem-spec (protocol version 0, device revision 1).

// A message: one little-endian i64, with at most one descriptor (SCM_RIGHTS). Only the server sends.
export const IVSHMEM_PROTOCOL_VERSION = 0;
export const IVSHMEM_MESSAGE_BYTES = 8;
/** Instead of a peer's id: the descriptor is the shared memory. */
export const IVSHMEM_MEMORY = -1;
export const IVSHMEM_MAX_ID = 65535;

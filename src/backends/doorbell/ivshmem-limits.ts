/** Limits of our ivshmem server. */

/** Peers at a time. Each costs us its connection and eventfds, and each signal one system call per peer. */
export const IVSHMEM_MAX_PEERS = 16;
/**
 * Eventfds per peer. A newcomer's first messages (three, and for each peer one per vector) must fit into a socket that
 * nobody reads yet, which takes some 270 of them.
 */
export const IVSHMEM_MAX_VECTORS = 8;

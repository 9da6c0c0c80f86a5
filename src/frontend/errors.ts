/** What goes wrong on the driver side. None of these is thrown per request; all end the start of a device or more. */
import { LkvmError } from '../util/errors.js';

/** No usable pool contents (yet): no magic, a broken device tree, blocks outside the memory. Trying again may help. */
export class DiscoveryError extends LkvmError {
  constructor(message: string) {
    super('DISCOVERY', message, 1);
  }
}

/** A device did not answer as the protocol says. Trying again may help: the PMM may have been starting. */
export class HandshakeError extends LkvmError {
  constructor(message: string) {
    super('HANDSHAKE', message, 1);
  }
}

/** The pool has no room for what a driver needs. The message says what to enlarge. */
export class PoolExhaustedError extends LkvmError {
  constructor(message: string) {
    super('POOL_EXHAUSTED', message, 1);
  }
}

/** A running device broke the ring's structure, or does not answer any more. */
export class DeviceError extends LkvmError {
  constructor(message: string) {
    super('DEVICE', message, 1);
  }
}

/** The PMM has started anew under us (its memory was wiped): everything must be set up again. */
export class PeerRestartedError extends LkvmError {
  constructor(message: string) {
    super('PEER_RESTARTED', message, 1);
  }
}

/**
 * Returned instead of a result (>= 0) or -errno when a request completes later. Below every -errno (-4095 ... -1).
 */
export const PENDING = -0x1_0000;

/** Pages of host memory for layers above `sys/` that make memory of a guest beside its RAM. Safety: as in `sys/map.ts`. */
export { type Mapping, mapPrivate, unmap } from '../sys/map.js';

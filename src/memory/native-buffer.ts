/** Private native memory for layers above `sys/`: bytes with a host address, so that system calls can use them in place. */
export { NativeBuffer } from '../sys/map.js';

/**
 * Loads the modules of all devices. For a worker that is started before it is known what it will serve: what
 * `make-device.ts` then asks for is there already.
 */
import '../../backends/gateway/gateway.js';
import '../../backends/hostfs/host-tree.js';
import '../../backends/random/getrandom.js';
import '../../backends/tap/tap.js';
import '../../backends/terminal/terminal.js';
import '../../virtio/devices/console/device.js';
import '../../virtio/devices/net/device.js';
import '../../virtio/devices/p9/device.js';
import '../../virtio/devices/rng/device.js';

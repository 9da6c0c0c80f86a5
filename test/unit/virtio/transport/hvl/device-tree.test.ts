import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fdtToDts } from '#lkvm/fdt/dts.js';
import { readFdt } from '#lkvm/fdt/reader.js';
import { hvlDeviceTree, hvlTree } from '#lkvm/virtio/transport/hvl/device-tree.js';
import type { HvlLayout, HvlSlot } from '#lkvm/virtio/transport/hvl/layout.js';
import { runTool, skipWithout } from '../../../../support/tools.js';

function slotAt(index: number, region: number, regionBytes: number): HvlSlot {
  return {
    index,
    request: {
      name: 'rng',
      deviceId: 4,
      label: '',
      queueMaxSizes: [128],
      configBytes: 0,
      regionBytes,
      static: false,
    },
    block: region,
    region,
    regionBytes,
    shmBase: region,
    shmBytes: regionBytes,
    rings: [],
    arenaOffset: 0,
    arenaBytes: 0,
  };
}

/** The pool of the hypervisorless reference board: two devices behind the blob. */
const layout: HvlLayout = {
  base: 0xd400_0000,
  bytes: 0x100_0000,
  withDtb: true,
  slots: [slotAt(0, 0xd401_0000, 0x6000), slotAt(1, 0xd401_6000, 0x8_0000)],
  tail: 0xd409_6000,
  tailBytes: 0xf6_a000,
};

const EXPECTED = `/dts-v1/;

/ {
	#address-cells = <0x2>;
	#size-cells = <0x2>;

	virtio@d4010000 {
		compatible = "virtio,mmio";
		reg = <0x0 0xd4010000 0x0 0x200>;
		dma-coherent;
	};

	virtio@d4016000 {
		compatible = "virtio,mmio";
		reg = <0x0 0xd4016000 0x0 0x200>;
		dma-coherent;
	};
};
`;

test('hvlDeviceTree: protocol section 2.4 → exactly these nodes and properties, in this order', () => {
  const blob = hvlDeviceTree(layout);
  assert.equal(fdtToDts(readFdt(blob)), EXPECTED);
  assert.deepEqual(readFdt(blob), hvlTree(layout));
});

test('hvlDeviceTree: a pool above 4 GiB → high cell of reg used', () => {
  const high = { ...layout, slots: [slotAt(0, 0x12_3401_0000, 0x6000)] };
  assert.match(
    fdtToDts(readFdt(hvlDeviceTree(high))),
    /virtio@1234010000 {[^}]*reg = <0x12 0x34010000 0x0 0x200>/,
  );
});

test('hvlDeviceTree: no devices → a root and nothing else', () => {
  const { root, reservations } = readFdt(hvlDeviceTree({ ...layout, slots: [] }));
  assert.deepEqual([root.properties.length, root.children.length, reservations.length], [2, 0, 0]);
});

test('hvlDeviceTree: given to dtc → the same text', { skip: skipWithout('dtc') }, () => {
  const { status, stdout, stderr } = runTool('dtc', ['-q', '-I', 'dtb', '-O', 'dts'], hvlDeviceTree(layout));
  assert.equal(status, 0, stderr);
  const normal = stdout.toString().replace(/0x0+([0-9a-f])/g, '0x$1');
  assert.equal(normal.trim(), EXPECTED.trim());
});

/** What every machine must do with every device; the tests say on which kernel and over which signals. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PeerMachine } from './machine.js';
import type { PeerRig } from './rig.js';

const LIMIT_MS = 120_000;
const FILE_BYTES = 3_000_001;
const MSIZE = 262_144;

function mountOptions(msize: number): string {
  return `trans=virtio,version=9p2000.L,msize=${msize},cache=none`;
}

/** The gateway of the built-in network. */
const GATEWAY = '192.168.33.1';
const COUNTERS = '/sys/kernel/debug/virtio_hvl';

/** The PMM's words for one device of each type. */
export function allDevices(rig: PeerRig): string[] {
  return ['--9p', `${rig.share},share`, '--rng', '--network', 'mode=user', '--console', 'virtio'];
}

function md5(data: Uint8Array): string {
  return createHash('md5').update(data).digest('hex');
}

/** Drivers are bound: `virtio_net virtio_rng ...`, in alphabetical order. */
export async function boundDrivers(machine: PeerMachine): Promise<string[]> {
  const text = await machine.sh(
    'for d in /sys/bus/virtio/devices/*; do basename $(readlink $d/driver); done',
  );
  return text.trim().split('\n').sort();
}

/** Drivers and devices agree on ACCESS_PLATFORM (33: buffers go through the DMA API) and not on VERSION_1 (32). */
export async function checkFeatures(machine: PeerMachine): Promise<void> {
  const lines = (await machine.sh('cat /sys/bus/virtio/devices/*/features')).trim().split('\n');
  assert.deepEqual(
    lines.map((bits) => bits.slice(32, 34)),
    lines.map(() => '01'),
  );
}

/** virtio-rng gives bytes. */
export async function checkRng(machine: PeerMachine): Promise<void> {
  const bytes = await machine.sh('dd if=/dev/hwrng bs=4096 count=4 2> /dev/null | wc -c');
  assert.equal(bytes.trim(), String(4 * 4096));
}

/** virtio-console: a line in each direction. */
export async function checkConsole(rig: PeerRig, machine: PeerMachine, word: string): Promise<void> {
  await machine.sh(`stty raw -echo < /dev/hvc0; echo to-${word} > /dev/hvc0`);
  await rig.pmm.transcript.expect(new RegExp(`to-${word}`), LIMIT_MS);
  const line = machine.sh('read -r line < /dev/hvc0; echo "$line"');
  rig.pmm.write(`from-${word}\n`);
  assert.match(await line, new RegExp(`from-${word}`));
}

/** 9p: files larger than a message go both ways, at whole buffers and with odd ends. */
export async function check9p(rig: PeerRig, machine: PeerMachine, msize = MSIZE): Promise<void> {
  const data = randomBytes(FILE_BYTES);
  writeFileSync(join(rig.share, 'from-host'), data);
  await machine.sh(`mkdir -p /mnt/9p && mount -t 9p -o ${mountOptions(msize)} share /mnt/9p`);
  const seen = await machine.sh(
    'md5sum < /mnt/9p/from-host; dd if=/mnt/9p/from-host bs=1000003 2> /dev/null | md5sum',
  );
  assert.deepEqual(seen.match(/[0-9a-f]{32}/g), [md5(data), md5(data)]);
  await machine.sh('dd if=/mnt/9p/from-host of=/mnt/9p/from-guest bs=700001 2> /dev/null && umount /mnt/9p');
  assert.equal(md5(readFileSync(join(rig.share, 'from-guest'))), md5(data));
}

/** 9p: a read shorter than its buffer leaves the rest of the buffer alone. */
export async function check9pShortRead(rig: PeerRig, machine: PeerMachine): Promise<void> {
  writeFileSync(join(rig.share, 'short'), 'x'.repeat(5000));
  await machine.sh(`mount -t 9p -o ${mountOptions(MSIZE)} share /mnt/9p`);
  const text = await machine.sh('shortread /mnt/9p/short; umount /mnt/9p');
  assert.match(text, /^5000 bytes, the rest is as it was$/m);
}

/** virtio-net: small and large packets are answered. */
export async function checkNet(machine: PeerMachine): Promise<void> {
  await machine.sh('ip addr add 192.168.33.15/24 dev eth0 2> /dev/null; ip link set eth0 up');
  await checkPing(machine);
}

/** As {@link checkNet}, with the address there already. */
export async function checkPing(machine: PeerMachine): Promise<void> {
  await machine.sh(`ping -c 5 -i 0.1 -W 20 ${GATEWAY} && ping -c 5 -i 0.1 -W 20 -s 1400 ${GATEWAY}`);
}

/** One counter of the module, summed over the devices. */
export async function counter(machine: PeerMachine, name: string): Promise<number> {
  const mounted = `grep -q debugfs /proc/mounts || mount -t debugfs debugfs /sys/kernel/debug`;
  const text = await machine.sh(`${mounted}; cat ${COUNTERS}/*`);
  const values = [...text.matchAll(new RegExp(`\\b${name}=(\\d+)`, 'g'))];
  assert.notEqual(values.length, 0, text);
  return values.reduce((sum, [, digits]) => sum + Number(digits), 0);
}

/** The kernel has found no fault in itself. */
export async function checkKernelLog(machine: PeerMachine): Promise<void> {
  const log = await machine.sh('dmesg');
  assert.doesNotMatch(log, /BUG|WARNING:|Oops|Call Trace|stuck|no room for a buffer/);
}

/** Until the drivers of network and console have made their devices. */
export async function waitForDevices(machine: PeerMachine): Promise<void> {
  await machine.sh('while [ ! -e /sys/class/net/eth0 ] || [ ! -c /dev/hvc0 ]; do usleep 100000; done');
}

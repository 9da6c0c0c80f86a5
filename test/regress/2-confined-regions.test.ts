// Issue 2: with --confine on both sides every driver works within its own region. (Without a word for it on the driver's
// side, buffers came from the common arena, and every request was refused.)
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { VIRTIO_ID_9P, VIRTIO_ID_CONSOLE, VIRTIO_ID_ENTROPY, VIRTIO_ID_NET } from '#lkvm/abi/virtio.js';
import { NetStack } from '#lkvm/aux/net-stack.js';
import { parseIp } from '#lkvm/aux/options.js';
import { ConsoleDriver } from '#lkvm/frontend/console.js';
import type { Device } from '#lkvm/frontend/device.js';
import type { FrontEnd } from '#lkvm/frontend/front-end.js';
import { NetDriver } from '#lkvm/frontend/net.js';
import { P9Driver } from '#lkvm/frontend/p9.js';
import { P9Files } from '#lkvm/frontend/p9-files.js';
import { RngDriver } from '#lkvm/frontend/rng.js';
import { consoleDevice, netDevice, PipeConsole, p9Device, rngDevice } from '../support/front-end-devices.js';
import { FrontEndRig } from '../support/front-end-rig.js';
import { tempDir } from '../support/temp.js';

/** All four devices, with the region sizes a user gets. */
function confined(t: TestContext, fixed: boolean) {
  const folder = tempDir(t);
  writeFileSync(join(folder, 'file'), 'x'.repeat(40_000)); // more than one region holds
  const host = new PipeConsole();
  const devices = [p9Device(folder), rngDevice(), netDevice(), consoleDevice(host)];
  const rig = new FrontEndRig({
    devices: devices.map((device) => ({ device, static: fixed })),
    withDtb: true,
    options: { confine: true },
  });
  t.after(() => rig[Symbol.dispose]());
  return { host, frontEnd: rig.attach({ confine: true }) };
}

function first(frontEnd: FrontEnd, deviceId: number): Device {
  const [device] = frontEnd.ofType(deviceId);
  if (device === undefined) throw new Error(`no device ${deviceId}`);
  return device;
}

for (const fixed of [false, true]) {
  test(`confined to regions, ${fixed ? 'static' : 'handshake'}: 9p, rng, net and console work`, (t) => {
    const { host, frontEnd } = confined(t, fixed);
    const tty = new ConsoleDriver(first(frontEnd, VIRTIO_ID_CONSOLE));
    const rng = new RngDriver(first(frontEnd, VIRTIO_ID_ENTROPY));
    const net = new NetDriver(first(frontEnd, VIRTIO_ID_NET), { bulk: false, offloads: false });
    const p9 = new P9Driver(first(frontEnd, VIRTIO_ID_9P));

    assert.equal(p9.mount(), 0);
    const files = new P9Files(p9);
    const fid = files.open('/file');
    let bytes = 0;
    for (let n = 1; n > 0; bytes += n) n = files.read(fid, bytes, p9.data, p9.ioBytes);
    assert.equal(bytes, 40_000);

    const drawn = new Uint8Array(5000);
    rng.fill(drawn, 0, drawn.length);
    assert.ok(drawn.subarray(4900).some((byte) => byte !== 0));

    const stack = new NetStack(net, parseIp('--ip', '192.168.33.15'));
    assert.ok(stack.resolve(parseIp('ADDR', '192.168.33.1'), 1000));

    tty.write(Buffer.from('hello'));
    assert.ok(tty.drain(1000));
    assert.equal(host.printed(), 'hello');
  });
}

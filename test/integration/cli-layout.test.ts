// What `lkvm layout` prints, checked by the programs it is for.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readFdt } from '#lkvm/fdt/reader.js';
import { findProperty, u64sOf } from '#lkvm/fdt/tree.js';
import { lkvm } from '../support/cli.js';
import { tempDir } from '../support/temp.js';
import { runTool, skipWithout } from '../support/tools.js';

/** The reference invocation for a Zephyr board (rng, net, console at 0x200 distance). */
const ZEPHYR =
  'layout --debug --vxworks --rsld --pmm --debug-nohostfs --transport mmio --shmem-addr 0x37000000 --shmem-size 0x1000000 --cpus 1 --mem 128 --no-dtb --rng --network mode=tap,tapif=tap0,trans=mmio --vproxy --console virtio';
/** The pool of the other one, with the words that make sense without KVM. */
const VXWORKS =
  'layout --debug-nohostfs --cpus 1 --mem 2048 --console virtio --irq 12 --rsld --pmm --transport mmio --shmem-addr 0xd4000000 --shmem-size 0x1000000 --network mode=tap,tapif=tap0,trans=mmio,vhost=1 --vproxy --9p /tmp,/tmp -k vxWorks';

interface DeviceJson {
  readonly slot: number;
  readonly name: string;
  readonly label: string;
  readonly registers: number;
  readonly region: { readonly start: number; readonly bytes: number } | null;
  readonly shmBase: number;
  readonly shmBytes: number;
  readonly queues: readonly { readonly maxSize: number; readonly ring: { readonly start: number } | null }[];
}

async function devicesOf(args: string): Promise<DeviceJson[]> {
  const { code, stdout, stderr } = await lkvm(`${args} --json`);
  assert.equal(code, 0, stderr);
  return (JSON.parse(stdout) as { devices: DeviceJson[] }).devices;
}

test('layout: the Zephyr reference invocation → slots 0, 1, 2 at 0x200 distance, one line about ignored words', async () => {
  const devices = await devicesOf(ZEPHYR);
  assert.deepEqual(
    devices.map(({ name, registers, shmBase, shmBytes }) => [name, registers, shmBase, shmBytes]),
    [
      ['rng0', 0x3700_0000, 0x3700_0000, 0x100_0000],
      ['net0', 0x3700_0200, 0x3700_0000, 0x100_0000],
      ['console0', 0x3700_0400, 0x3700_0000, 0x100_0000],
    ],
  );
  const { stderr } = await lkvm(ZEPHYR);
  assert.equal(
    stderr,
    '  Info: without meaning with --pmm, ignored: --cpus --mem --vxworks --vproxy --debug --debug-nohostfs\n',
  );
});

test('layout: the VxWorks reference pool → regions of the protocol behind the device tree, in slot order', async () => {
  const devices = await devicesOf(VXWORKS);
  assert.deepEqual(
    devices.map(({ name, label, registers, region }) => [name, label, registers, region?.bytes]),
    [
      ['9p0', '/tmp', 0xd401_0000, 0x6000],
      ['net0', '02:15:15:15:15:15', 0xd401_6000, 0x8_0000],
      ['console0', '', 0xd409_6000, 0x6000],
    ],
  );
});

test('layout: the VxWorks reference words → what has no meaning is said in one line, vhost in another', async () => {
  const { stderr } = await lkvm(VXWORKS);
  assert.equal(
    stderr,
    '  Info: without meaning with --pmm, ignored: --irq --cpus --mem --vproxy --debug-nohostfs --kernel\n' +
      '  Warning: --network vhost=1 is ignored: with --pmm all frames pass through lkvm\n',
  );
  const quiet = await lkvm(`${VXWORKS} --loglevel error`);
  assert.deepEqual([quiet.code, quiet.stderr], [0, '']);
});

test('layout: several shares and cards → last share first, cards in order', async () => {
  const devices = await devicesOf(
    'layout --shmem-addr 0x40000000 --shmem-size 16M --9p /a,a --9p /b,b --9p /c,c -n mode=user -n tapif=t0 -n guest_mac=2:2:2:2:2:2',
  );
  assert.deepEqual(
    devices.map(({ label }) => label),
    ['c', 'b', 'a', '02:15:15:15:15:15', '02:15:15:15:15:16', '02:02:02:02:02:02'],
  );
});

test('layout: cards by default, with mode=none, without a value → one user card, none, a tap', async () => {
  const pool = 'layout --shmem-addr 0x40000000 --shmem-size 16M';
  assert.deepEqual(
    (await devicesOf(pool)).map(({ name }) => name),
    ['net0'],
  );
  assert.deepEqual(await devicesOf(`${pool} --network mode=none`), []);
  assert.deepEqual(
    (await devicesOf(`${pool} --rng -n`)).map(({ name }) => name),
    ['rng0', 'net0'],
  );
});

test('layout: --region, --queue-size, --static → in the map', async () => {
  const [rng, net] = await devicesOf(
    'layout --shmem-addr 0x40000000 --shmem-size 16M --rng --region rng=0x10000 --queue-size net=64,16 --static=net --features net=mac',
  );
  assert.equal(rng?.region?.bytes, 0x1_0000);
  assert.deepEqual(
    net?.queues.map(({ maxSize, ring }) => [maxSize, ring?.start]),
    [
      [64, 0x4002_1000],
      [16, 0x4002_3000],
    ],
  );
});

test('layout: the table → every slot and every range', async () => {
  const { code, stdout } = await lkvm(VXWORKS);
  assert.equal(code, 0);
  assert.match(stdout, /^pool 0xd4000000 - 0xd4ffffff, 16 MiB, with device tree, 3 devices$/m);
  assert.match(stdout, /^1 +net +1 +0xd4016000 +0xd4016100 +rx 256, tx 256 +handshake +02:15:15:15:15:15$/m);
  assert.match(stdout, /^0xd409c000 - 0xd4ffffff +0xf64000 +15\.4 MiB +common arena/m);
});

test('layout --dts: through dtc → the published tree', { skip: skipWithout('dtc') }, async (t) => {
  const blob = join(tempDir(t), 'pool.dtb');
  const { code, stdout } = await lkvm(`${VXWORKS} --dts --dump-dtb ${blob}`);
  assert.equal(code, 0);
  const compiled = runTool('dtc', ['-q', '-I', 'dts', '-O', 'dtb'], stdout);
  assert.equal(compiled.status, 0, compiled.stderr);
  const tree = readFdt(readFileSync(blob));
  assert.deepEqual(readFdt(compiled.stdout), tree);
  const registers = tree.root.children.map((node) => u64sOf(findProperty(node, 'reg') ?? assert.fail())[0]);
  assert.deepEqual(registers, [0xd401_0000, 0xd401_6000, 0xd409_6000]);
});

test('layout --overlay: through dtc → compiles, one node per device', {
  skip: skipWithout('dtc'),
}, async () => {
  const { stdout } = await lkvm(`${ZEPHYR} --overlay`);
  const compiled = runTool('dtc', ['-I', 'dts', '-O', 'dtb'], `/dts-v1/;\n${stdout}`);
  assert.equal(compiled.status, 0, compiled.stderr);
  const names = readFdt(compiled.stdout).root.children.map(({ name }) => name);
  assert.deepEqual(names, ['reserved-memory', 'virtio@37000000', 'virtio@37000200', 'virtio@37000400']);
});

const C_PROGRAM = `#include <stdio.h>
#include "hvl_layout.h"
#include "hvl_layout.h"
int main(void) {
  printf("%lx %lx %lx %lx %d\\n", (unsigned long)HVL_POOL_BASE, (unsigned long)HVL_9P0_REGS,
    (unsigned long)HVL_NET0_QUEUE1_RING, (unsigned long)HVL_TAIL_BASE, HVL_DEVICES + HVL_NET0_QUEUE0_MAX);
  return 0;
}
`;

test('layout --c-header: through cc, as C89 and C99 → compiles without a warning, right values', {
  skip: skipWithout('cc'),
}, async (t) => {
  const dir = tempDir(t);
  const { stdout } = await lkvm([
    ...`${VXWORKS} --static=net --c-header --9p`.split(' '),
    '/srv,odd*/tag\nline',
  ]);
  writeFileSync(join(dir, 'hvl_layout.h'), stdout);
  writeFileSync(join(dir, 'main.c'), C_PROGRAM);
  for (const standard of ['c89', 'c99']) {
    const program = join(dir, standard);
    const flags = [`-std=${standard}`, '-pedantic', '-Wall', '-Wextra', '-Werror'];
    const compiled = runTool('cc', [...flags, '-o', program, join(dir, 'main.c')]);
    assert.equal(compiled.status, 0, compiled.stderr);
    assert.equal(runTool(program, []).stdout.toString(), 'd4000000 d4010000 d4020000 d40a2000 260\n');
  }
});

test('layout --svg: a picture → well-formed, every address and device in it, text escaped', async () => {
  const { code, stdout } = await lkvm([...`${VXWORKS} --svg --9p`.split(' '), '/srv,a<b>&"c"']);
  assert.equal(code, 0);
  for (const piece of [
    '0xd4000000',
    '0xd4016000',
    '9p /tmp',
    'net 02:15:15:15:15:15',
    'a&lt;b&gt;&amp;&quot;c&quot;',
  ]) {
    assert.ok(stdout.includes(piece), piece);
  }
  const open: string[] = [];
  for (const [, slash, name = '', rest = ''] of stdout.matchAll(/<(\/?)([a-z]+)([^<>]*)>/g)) {
    if (slash === '/') assert.equal(open.pop(), name);
    else if (!rest.endsWith('/')) open.push(name);
  }
  assert.deepEqual(open, []);
});

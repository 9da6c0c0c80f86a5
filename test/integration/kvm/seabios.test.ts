// A stock firmware on the host's real KVM: SeaBIOS finds the PCI bus, lays its BARs anew, and boots from a disk behind one.
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { lkvm } from '../../support/cli.js';
import { skipWithoutKvm } from '../../support/kvm-rig.js';
import { tempDir } from '../../support/temp.js';

const FIRMWARE = '/usr/share/seabios/bios-256k.bin';
const skip = skipWithoutKvm() || (existsSync(FIRMWARE) ? false : 'package seabios is not installed');

/** Real mode, as a BIOS enters it: prints to the debug port, then writes 5 to the debug-exit port. */
function bootSector(text: string): Uint8Array {
  const print = [...Buffer.from(text)].flatMap((byte) => [0xb0, byte, 0xee]); // mov al, byte; out dx, al
  const code = [0xba, 0x02, 0x04, ...print, 0xb0, 5, 0xe6, 0xf4, 0xf4]; // mov dx, 0x402; ...; mov al, 5; out 0xf4, al; hlt
  const sector = new Uint8Array(512);
  sector.set(code);
  sector.set([0x55, 0xaa], 510);
  return sector;
}

test('SeaBIOS: lays BARs at the end of the window → reads a disk through one of them and starts its boot sector', {
  skip,
}, async (t) => {
  const image = join(tempDir(t), 'boot.img');
  writeFileSync(image, Buffer.concat([bootSector('sector is running\n'), Buffer.alloc(1 << 20)]));
  const words = ['run', '--firmware', FIRMWARE, '-m', '64', '-c', '1', '-d', image, '--rng', '--debug-exit'];
  const { code, stdout, stderr } = await lkvm(words);
  const log = stdout + stderr;
  assert.match(log, /map device bdf=00:01\.0 +bar 0, addr feb[0-9a-f]+, size 00004000 \[mem\]/);
  assert.match(log, /using modern \(1\.0\) virtio mode/);
  assert.match(log, /sector is running/);
  assert.equal(code, (5 << 1) | 1);
});

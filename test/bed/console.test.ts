// Input and output of consoles.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { useBed } from './bed.js';
import { Guest } from './guest.js';
import { commandOf } from './machine.js';

const { scenario } = useBed();

const PASTE_LIMIT_MS = 600_000;

/** Printable bytes that do not repeat soon: a byte lost or doubled changes the sum. */
function text(bytes: number): Buffer {
  return Buffer.from(Array.from({ length: bytes }, (_, i) => 33 + ((i * 7 + (i >> 6) * 3) % 90)));
}

function sha256(data: Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

/** Pastes into a program that reads the console without any line editing. @returns the sum of what it has read */
async function paste(guest: Guest, data: Uint8Array): Promise<string> {
  const result = guest.sh(
    `stty raw; echo LISTENING; head -c ${data.length} | sha256sum; stty sane -echo`,
    PASTE_LIMIT_MS,
  );
  await guest.transcript.seen(/LISTENING/, PASTE_LIMIT_MS);
  guest.process.write(data);
  return (await result).match(/[0-9a-f]{64}/)?.[0] ?? '';
}

/** Numbers to print, one a line. */
function numbers(count: number): string {
  return Array.from({ length: count }, (_, i) => `${i + 1}\n`).join('');
}

// A byte over a serial port costs several exits, and an exit in the outer guest a tenth of a millisecond or more: 1 MB is pasted
// on the host's own KVM (test/integration/kvm/paste.test.ts). Linux prints a line over a virtio console by spinning until the
// device has taken it: where both share one processor, that costs a time slice.
for (const { console, pasted, printed } of [
  { console: 'serial', pasted: 20_000, printed: 500 },
  { console: 'virtio', pasted: 200_000, printed: 3_000 },
] as const) {
  scenario(`${console} console: typed → echoed; much pasted or printed → comes whole`, async (outer) => {
    const guest = await Guest.boot(outer, { kernel: '6.1', initrd: outer.initrd('6.1'), console });
    const active = await guest.sh('cat /sys/class/tty/console/active');
    assert.match(active, console === 'virtio' ? /hvc0/ : /ttyS0/);

    await guest.sh('stty echo');
    guest.process.write('echo seen-$((40 + 2))\n');
    await guest.transcript.expect(/echo seen-\$\(\(40 \+ 2\)\)\r?\n/, PASTE_LIMIT_MS);
    await guest.transcript.expect(/seen-42\r?\n<<end/, PASTE_LIMIT_MS);
    await guest.sh('stty -echo');

    const data = text(pasted);
    assert.equal(await paste(guest, data), sha256(data));
    assert.equal(await guest.sh(`seq 1 ${printed}`, PASTE_LIMIT_MS), numbers(printed));
    assert.equal((await guest.end()).code, 0);
  });
}

scenario(
  'virtio console on a terminal: → the guest has its size from the first key on, and follows it',
  async (outer) => {
    const spec = { kernel: '6.1', initrd: outer.initrd('6.1'), console: 'virtio' } as const;
    const command = commandOf('lkvm', spec).map((word) => `'${word}'`);
    const line = `tty > /run/terminal; stty rows 40 cols 100 -onlcr; exec ${command.join(' ')}`;
    const guest = await Guest.start(outer, ['script', '-qefc', line, '/dev/null']);
    const untilSize = (size: string) => guest.sh(`until [ "$(stty size)" = "${size}" ]; do sleep 1; done`);
    await untilSize('40 100');
    await outer.sh('stty -F "$(cat /run/terminal)" rows 50 cols 120');
    await untilSize('50 120');
    assert.equal((await guest.end()).code, 0);
  },
);

// For tty.test.ts: node background-restore.js PGID, on a controlling terminal and in its foreground. Enters raw mode,
// makes process group PGID the foreground one, restores, and prints the result.
import { ioctl } from '#lkvm/sys/fd.js';
import { must } from '#lkvm/sys/libc.js';
import { NativeBuffer } from '#lkvm/sys/map.js';
import { RawMode } from '#lkvm/sys/tty.js';

const TIOCSPGRP = 0x5410;

const mode = RawMode.save(0);
if (typeof mode === 'number') throw new Error(`RawMode.save: ${mode}`);
must(mode.enter(false), 'tcsetattr');
const group = new NativeBuffer(4);
group.view.setInt32(0, Number(process.argv[2]), true);
must(ioctl(0, TIOCSPGRP, group.address), 'TIOCSPGRP');
console.log(`restored: ${mode.restore()}`);

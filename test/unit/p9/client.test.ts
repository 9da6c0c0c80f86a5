// The client codec against messages written out by hand from the protocol description.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { P9_DIR_START, P9Encoder, P9Reply } from '#lkvm/p9/client.js';
import { WireReader, WireWriter } from '#lkvm/p9/wire.js';

const encoder = new P9Encoder();
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const message = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replaceAll(' ', ''), 'hex'));

function encoded(write: (buf: Uint8Array) => number): string {
  const buf = new Uint8Array(256);
  return hex(buf.subarray(0, write(buf)));
}

test('P9Encoder: version → msize and "9P2000.L", no tag', () => {
  assert.equal(
    encoded((b) => encoder.tversion(b, 8192)),
    '1500000064ffff0020000008003950323030302e4c',
  );
});

test('P9Encoder: attach → afid NOFID, empty names, uid', () => {
  assert.equal(
    encoded((b) => encoder.tattach(b, 1, 5, 0xffffffff)),
    `17000000680100${'05000000'}${'ffffffff'}0000${'0000'}ffffffff`,
  );
});

test('P9Encoder: walk with two names, one of them not UTF-8 → raw bytes', () => {
  assert.equal(
    encoded((b) => encoder.twalk(b, 2, 5, 6, ['a', new Uint8Array([0xff, 0xfe])])),
    '180000006e0200050000000600000002000100610200fffe',
  );
});

test('P9Encoder: read above 4 GiB → 64-bit offset', () => {
  assert.equal(
    encoded((b) => encoder.tread(b, 3, 6, 0x1_0000_0002, 512)),
    '17000000740300060000000200000001000000' + '00020000',
  );
});

test('P9Encoder: write → 23 bytes of header whose size counts the data', () => {
  const buf = new Uint8Array(23);
  assert.equal(encoder.twrite(buf, 3, 6, 1, 1000), 1023);
  assert.equal(hex(buf), 'ff030000760300060000000100000000000000e8030000');
});

test('P9Encoder: message longer than the buffer → 0', () => {
  const small = new Uint8Array(10);
  assert.equal(encoder.tclunk(small, 1, 1), 0);
  assert.equal(encoder.tmkdir(new Uint8Array(20), 1, 1, 'a long name', 0o755), 0);
});

test('P9Reply: Rlerror → negative errno, tag kept', () => {
  const reply = new P9Reply();
  const bytes = message('0b000000 07 0900 02000000');
  assert.equal(reply.parse(bytes, bytes.length), -2);
  assert.equal(reply.tag, 9);
});

test('P9Reply: Rlerror with error number 0 → -EPROTO, never success', () => {
  const reply = new P9Reply();
  const bytes = message('0b000000 07 0900 00000000');
  assert.equal(reply.parse(bytes, bytes.length), -71);
});

test('P9Reply: Rversion → msize and version text', () => {
  const reply = new P9Reply();
  const bytes = message('15000000 65 ffff 00100000 0800 39503230 30302e4c');
  assert.equal(reply.parse(bytes, bytes.length), 0);
  assert.equal(reply.msize, 4096);
  assert.equal(reply.version, '9P2000.L');
});

test('P9Reply: Rread whose data lies in another buffer → count accepted against the message size', () => {
  const reply = new P9Reply();
  const header = message('0b040000 75 0100 00040000');
  assert.equal(reply.parse(header, 1035), 0);
  assert.equal(reply.count, 1024);
  assert.equal(reply.dataAt, 11);
});

test('P9Reply: Rread that claims more than the message holds → -EPROTO', () => {
  const reply = new P9Reply();
  const header = message('0b040000 75 0100 01040000');
  assert.equal(reply.parse(header, 1035), -71);
});

test('P9Reply: size field beyond what the server wrote → -EPROTO', () => {
  const reply = new P9Reply();
  const bytes = message('0c000000 79 0100');
  assert.equal(reply.parse(bytes, bytes.length), -71);
});

test('P9Reply: Rreaddir with two entries → both, 64-bit cookie kept, then the end', () => {
  const entry = (name: string, type: string) =>
    `80 01000000 0200000000000000 0300000004000080 ${type} ${name}`;
  const body = message(`${entry('0100 61', '04')} ${entry('0200 6262', '08')}`);
  const bytes = new Uint8Array(11 + body.length);
  bytes.set(message(`${(bytes.length).toString(16)}000000 29 0100 ${body.length.toString(16)}000000`));
  bytes.set(body, 11);
  const reply = new P9Reply();
  assert.equal(reply.parse(bytes, bytes.length), 0);
  assert.equal(reply.nextEntry(), true);
  assert.equal(reply.entryName(), 'a');
  assert.equal(reply.entryType, 4);
  assert.deepEqual(reply.entryCookie, { low: 3, high: 0x8000_0004 });
  assert.equal(reply.nextEntry(), true);
  assert.equal(reply.entryName(), 'bb');
  assert.equal(reply.nextEntry(), false);
  const next = encoded((b) => encoder.treaddir(b, 1, 1, reply.entryCookie, 64));
  assert.equal(next, '17000000280100010000000300000004000080' + '40000000');
  const first = encoded((b) => encoder.treaddir(b, 1, 1, P9_DIR_START, 64));
  assert.equal(first, '17000000280100010000000000000000000000' + '40000000');
});

test('P9Reply: Rgetattr with a time before 1970 → negative seconds', () => {
  const buf = new Uint8Array(160);
  const w = new WireWriter();
  w.start(buf, 0, 160);
  w.u32(160);
  w.u8(25);
  w.u16(1);
  w.u64(0x7ff);
  w.skip(13);
  w.u32(0o100644);
  w.u32(1000);
  w.u32(1001);
  for (const value of [1, 0, 5, 4096, 8, 1, 2, -86400, 4, 5, 6, 0, 0, 0, 0]) w.u64(value);
  assert.equal(w.ok, true);
  const reply = new P9Reply();
  assert.equal(reply.parse(buf, 160), 0);
  assert.equal(reply.mode, 0o100644);
  assert.equal(reply.size, 5);
  assert.equal(reply.mtimeSec, -86400);
  assert.equal(reply.ctimeSec, 5);
});

test('WireReader: number above 2^53 → exact cleared; field beyond the end → ok cleared, zero', () => {
  const r = new WireReader();
  r.start(message('0000000000002000 01'), 0, 9);
  assert.equal(r.u64(), 0);
  assert.equal(r.exact, false);
  assert.equal(r.ok, true);
  assert.equal(r.u16(), 0);
  assert.equal(r.ok, false);
  assert.equal(r.u8(), 0);
});

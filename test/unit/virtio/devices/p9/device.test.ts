// The 9p device: chains in, chains out, over a real server and a real directory.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { HostTree } from '#lkvm/backends/hostfs/host-tree.js';
import { ACCESS_DIRECT, ACCESS_WORD } from '#lkvm/memory/guest-memory.js';
import { P9_DIR_START, P9Encoder, P9Reply } from '#lkvm/p9/client.js';
import { COUNTER_BYTES, COUNTER_COUNT, COUNTER_FAULTS, COUNTER_REQUESTS } from '#lkvm/util/counters.js';
import { ConfigError } from '#lkvm/util/errors.js';
import { P9Device } from '#lkvm/virtio/devices/p9/device.js';
import { DeviceRig } from '../../../../support/device-rig.js';
import { ManualBlocking } from '../../../../support/p9-rig.js';
import { tempDir } from '../../../../support/temp.js';

interface Request {
  readonly head: number;
  readonly replyAt: number;
}

class Bench {
  readonly dir: string;
  readonly blocking = new ManualBlocking();
  readonly tree: HostTree;
  readonly device: P9Device;
  readonly rig: DeviceRig;
  readonly encoder = new P9Encoder();
  readonly reply = new P9Reply();
  readonly #buf = new Uint8Array(8192);

  constructor(t: TestContext, access = ACCESS_DIRECT) {
    this.dir = tempDir(t);
    this.tree = new HostTree({ path: this.dir, readOnly: false, blocking: this.blocking });
    const counters = new Float64Array(COUNTER_COUNT);
    this.device = new P9Device({ tree: this.tree, tag: 'hostshare', counters, queueSizes: [128] });
    this.rig = new DeviceRig(this.device, { sizes: [128], access, bytes: 0x20_0000 });
    this.rig.start();
    t.after(() => {
      this.device.reset();
      this.blocking.run();
      this.device.close();
    });
  }

  /** Adds a request without kicking; the message in two buffers, the reply in three. */
  add(encode: (buf: Uint8Array) => number, room = 4096): Request {
    const { memory } = this.rig;
    const bytes = encode(this.#buf);
    const addr = memory.alloc(bytes);
    const replyAt = memory.alloc(room);
    const driver = this.rig.driver(0);
    driver.write(addr, this.#buf.subarray(0, bytes));
    const head = driver.addChain([
      { addr, len: 5 },
      { addr: addr + 5, len: bytes - 5 },
      { addr: replyAt, len: 3, writable: true },
      { addr: replyAt + 3, len: 8, writable: true },
      { addr: replyAt + 11, len: room - 11, writable: true },
    ]);
    driver.publish();
    return { head, replyAt };
  }

  /** One exchange. @returns 0 or -errno */
  call(encode: (buf: Uint8Array) => number, room = 4096): number {
    const request = this.add(encode, room);
    this.rig.kick();
    const used = this.rig.driver(0).takeUsed();
    assert.equal(used?.head, request.head);
    return this.parse(request, used?.written ?? 0);
  }

  parse(request: Request, written: number): number {
    return this.reply.parse(this.rig.driver(0).read(request.replyAt, written), written);
  }

  mount(): void {
    assert.equal(
      this.call((b) => this.encoder.tversion(b, 65536)),
      0,
    );
    assert.equal(
      this.call((b) => this.encoder.tattach(b, 1, 0, 0)),
      0,
    );
  }
}

test('P9Device: identity, features and config → mount tag with its length', (t) => {
  const { device } = new Bench(t);
  assert.equal(device.deviceId, 9);
  assert.deepEqual(device.features, { low: 1, high: 0 });
  assert.deepEqual(Buffer.from(device.config), Buffer.from('\x09\0hostshare\0'));
});

test('P9Device: tag empty or over 32 bytes of UTF-8 → ConfigError', (t) => {
  const { tree, device } = new Bench(t);
  const make = (tag: string) => new P9Device({ tree, tag, counters: device.counters, queueSizes: [128] });
  assert.throws(() => make(''), ConfigError);
  assert.throws(() => make('é'.repeat(17)), /34 bytes/);
  assert.doesNotThrow(() => make('x'.repeat(32)));
});

for (const access of [ACCESS_DIRECT, ACCESS_WORD]) {
  const kind = access === ACCESS_WORD ? 'word' : 'direct';
  test(`P9Device: write, read and list through a ${kind} pool → data as on the host`, (t) => {
    const bench = new Bench(t, access);
    const { encoder, reply } = bench;
    bench.mount();
    const text = 'the quick brown fox jumps over the lazy dog. '.repeat(50);
    assert.equal(
      bench.call((b) => encoder.twalk(b, 1, 0, 1, [])),
      0,
    );
    assert.equal(
      bench.call((b) => encoder.tlcreate(b, 1, 1, 'f', { flags: 2, mode: 0o644, gid: 0 })),
      0,
    );
    const data = Buffer.from(text);
    assert.equal(
      bench.call((b) => {
        const size = encoder.twrite(b, 1, 1, 0, data.length);
        b.set(data, 23);
        return size;
      }),
      0,
    );
    assert.equal(reply.count, data.length);
    assert.equal(
      bench.call((b) => encoder.tread(b, 1, 1, 5, 2000)),
      0,
    );
    assert.equal(reply.text(reply.dataAt, reply.count), text.slice(5, 2005));
    bench.call((b) => encoder.twalk(b, 1, 0, 2, []));
    bench.call((b) => encoder.tlopen(b, 1, 2, 0));
    assert.equal(
      bench.call((b) => encoder.treaddir(b, 1, 2, P9_DIR_START, 1000)),
      0,
    );
    const names: string[] = [];
    while (reply.nextEntry()) names.push(reply.entryName());
    assert.deepEqual(names.sort(), ['.', '..', 'f']);
  });
}

test('P9Device: reply shorter than its buffers → bytes behind used.len untouched', (t) => {
  const bench = new Bench(t, ACCESS_WORD);
  bench.mount();
  const request = bench.add((b) => bench.encoder.tclunk(b, 1, 77));
  bench.rig.driver(0).write(request.replyAt, Buffer.alloc(64, 0xaa));
  bench.rig.kick();
  assert.equal(bench.rig.driver(0).takeUsed()?.written, 11);
  assert.equal(bench.rig.driver(0).read(request.replyAt + 11, 1)[0], 0xaa);
});

test('P9Device: many requests in one kick → answered in order, one interrupt', (t) => {
  const bench = new Bench(t);
  bench.mount();
  const before = bench.rig.interrupts[0] as number;
  const heads = Array.from(
    { length: 20 },
    () => bench.add((b) => bench.encoder.tgetattr(b, 1, 0, 0x7ff)).head,
  );
  bench.rig.kick();
  const used = bench.rig.driver(0).takeAllUsed();
  assert.deepEqual(
    used.map((u) => u.head),
    heads,
  );
  assert.deepEqual(new Set(used.map((u) => u.written)), new Set([160]));
  assert.equal(bench.rig.interrupts[0], before + 1);
});

test('P9Device: pending requests (fsync) among others → completed later, each once, with an interrupt', (t) => {
  const bench = new Bench(t);
  const { encoder, rig } = bench;
  bench.mount();
  bench.call((b) => encoder.twalk(b, 1, 0, 1, []));
  bench.call((b) => encoder.tlcreate(b, 1, 1, 'f', { flags: 2, mode: 0o644, gid: 0 }));
  const first = bench.add((b) => encoder.tfsync(b, 2, 1, false));
  const second = bench.add((b) => encoder.tgetattr(b, 3, 1, 0x7ff));
  const third = bench.add((b) => encoder.tfsync(b, 4, 1, true));
  rig.kick();
  assert.deepEqual(rig.driver(0).takeAllUsed(), [{ head: second.head, written: 160 }]);
  const before = rig.interrupts[0] as number;
  bench.blocking.run();
  assert.deepEqual(rig.driver(0).takeAllUsed(), [
    { head: first.head, written: 7 },
    { head: third.head, written: 7 },
  ]);
  assert.equal(bench.parse(third, 7), 0);
  assert.equal(bench.reply.tag, 4);
  assert.ok((rig.interrupts[0] as number) > before);
});

test('P9Device: reset while requests are pending → late completions touch nothing, the next driver starts clean', (t) => {
  const bench = new Bench(t);
  const { encoder, rig, device } = bench;
  bench.mount();
  bench.call((b) => encoder.twalk(b, 1, 0, 1, []));
  bench.call((b) => encoder.tlcreate(b, 1, 1, 'f', { flags: 2, mode: 0o644, gid: 0 }));
  const request = bench.add((b) => encoder.tfsync(b, 2, 1, false));
  rig.kick();
  device.reset();
  rig.driver(0).write(request.replyAt, Buffer.alloc(64, 0xaa));
  rig.start();
  bench.mount();
  bench.blocking.run();
  assert.deepEqual(rig.driver(0).takeAllUsed(), []);
  assert.deepEqual(new Set(rig.driver(0).read(request.replyAt, 64)), new Set([0xaa]));
  assert.equal(
    bench.call((b) => encoder.tgetattr(b, 1, 1, 0x7ff)),
    -9,
  );
  assert.equal(bench.tree.nodes, 1);
});

test('P9Device: chain without a header, without room for an error, or empty in one part → length 0, counted, next served', (t) => {
  const bench = new Bench(t);
  const { rig, encoder, device } = bench;
  bench.mount();
  const { memory } = rig;
  const driver = rig.driver(0);
  const addr = memory.alloc(64);
  const bytes = new Uint8Array(64);
  driver.write(addr, bytes.subarray(0, encoder.tclunk(bytes, 1, 5)));
  driver.addChain([
    { addr, len: 6 },
    { addr, len: 20, writable: true },
  ]);
  driver.addChain([
    { addr, len: 11 },
    { addr: addr + 32, len: 10, writable: true },
  ]);
  driver.addChain([{ addr, len: 11 }]);
  driver.addChain([{ addr: addr + 32, len: 20, writable: true }]);
  driver.publish();
  rig.kick();
  assert.deepEqual(
    driver.takeAllUsed().map((u) => u.written),
    [0, 0, 0, 0],
  );
  assert.equal(device.counters[COUNTER_FAULTS], 4);
  assert.equal(
    bench.call((b) => encoder.tgetattr(b, 1, 0, 0x7ff)),
    0,
  );
});

test('P9Device: data fault (buffer outside the memory) → length 0, counted; structural fault → device reset', (t) => {
  const bench = new Bench(t);
  const { rig, encoder, device } = bench;
  bench.mount();
  const driver = rig.driver(0);
  driver.addChain([
    { addr: 0x1000, len: 11 },
    { addr: 0x1000, len: 20, writable: true },
  ]);
  driver.publish();
  rig.kick();
  assert.deepEqual(
    driver.takeAllUsed().map((u) => u.written),
    [0],
  );
  assert.equal(device.counters[COUNTER_FAULTS], 1);
  assert.equal(
    bench.call((b) => encoder.tgetattr(b, 1, 0, 0x7ff)),
    0,
  );
  driver.pokeAvailable(500);
  rig.kick();
  assert.equal(rig.faults.length, 1);
  assert.equal(bench.tree.nodes, 0);
});

test('P9Device: counters → requests, and bytes of both directions', (t) => {
  const bench = new Bench(t);
  bench.mount();
  const { counters } = bench.device;
  const requests = counters[COUNTER_REQUESTS] as number;
  const bytes = counters[COUNTER_BYTES] as number;
  bench.call((b) => bench.encoder.tgetattr(b, 1, 0, 0x7ff));
  assert.equal(counters[COUNTER_REQUESTS], requests + 1);
  assert.equal(counters[COUNTER_BYTES], bytes + 19 + 160);
});

test("P9Device: more requests than one round's budget → the rest in the next round", (t) => {
  const bench = new Bench(t);
  const { rig, encoder } = bench;
  bench.mount();
  mkdirSync(join(bench.dir, 'd'));
  writeFileSync(join(bench.dir, 'f'), '');
  // One-descriptor-per-part chains: 128 descriptors hold 64 of them, so the ring is filled twice.
  const fill = () => {
    const { memory } = rig;
    const addr = memory.alloc(64);
    const bytes = new Uint8Array(64);
    rig.driver(0).write(addr, bytes.subarray(0, encoder.tgetattr(bytes, 1, 0, 0x7ff)));
    for (let i = 0; i < 64; i++) {
      rig.driver(0).addChain([
        { addr, len: 19 },
        { addr: memory.alloc(160), len: 160, writable: true },
      ]);
    }
    rig.driver(0).publish();
  };
  fill();
  assert.equal(rig.pass(), true);
  assert.equal(rig.driver(0).takeAllUsed().length, 64);
  assert.equal(rig.pass(), false);
});

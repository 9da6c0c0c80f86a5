/**
 * A 9P client that sends nonsense: random bytes, and valid messages with some bytes changed, cut or repeated, in any
 * order, on a handful of fids. Whatever comes: no exception, exactly one well-formed answer for every request that can be
 * answered, nothing outside the share is touched, no descriptor is left behind, and a new session works.
 *
 * A failure prints its seed: LKVM_FUZZ_SEED=N npm test -- test/fuzz/p9.test.ts repeats it. Seeds worth keeping go into
 * corpus/p9.json.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { HostTree } from '#lkvm/backends/hostfs/host-tree.js';
import { ACCESS_DIRECT, ACCESS_WORD } from '#lkvm/memory/guest-memory.js';
import type { FileTree } from '#lkvm/p9/file-tree.js';
import { simpleTree } from '#lkvm/p9/js-tree.js';
import { PENDING } from '#lkvm/util/pending.js';
import { MemoryTree } from '../../examples/memory-tree.js';
import { ManualBlocking, P9Rig } from '../support/p9-rig.js';
import { projectRoot } from '../support/project.js';
import { fuzzSeeds, Random } from '../support/random.js';
import { tempDir } from '../support/temp.js';

const STEPS = 400;
const MAX_FIDS = 12;
const RLERROR = 7;
const T_MESSAGES = [
  8, 12, 14, 16, 18, 20, 22, 24, 26, 30, 32, 40, 50, 52, 54, 70, 72, 74, 76, 100, 102, 104, 108, 110, 116,
  118, 120, 122,
];
/** Places in {@link NAMES} and {@link TARGETS} of what begins with "/". */
const ABSOLUTE_NAME = 10;
const ABSOLUTE_TARGET = 0;
/**
 * Names a client uses. What begins with "/" leads to a folder of the test, never to a file of this machine: a server
 * with a hole, as whoever tries this test makes one, would remove or replace it.
 */
const NAMES = [
  'a',
  'b',
  'dir',
  'link',
  'up',
  'fifo',
  '..',
  '.',
  '',
  'x/y',
  '/nowhere',
  '../outside/secret',
  '../outside/new',
  'a\0b',
  'n'.repeat(255),
];
/** What it makes symbolic links to. */
const TARGETS = ['/nowhere', '../outside', 'a'];
const kept = JSON.parse(readFileSync(join(projectRoot, 'test/fuzz/corpus/p9.json'), 'utf8')) as number[];

/** Builds messages field by field. */
class Message {
  #bytes: number[] = [];
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  u8(value: number): this {
    this.#bytes.push(value & 0xff);
    return this;
  }

  u16(value: number): this {
    return this.u8(value).u8(value >>> 8);
  }

  u32(value: number): this {
    return this.u16(value).u16(value >>> 16);
  }

  u64(value: number): this {
    return this.u32(value >>> 0).u32(Math.floor(value / 2 ** 32));
  }

  name(): this {
    return this.text(this.#random.pick(NAMES));
  }

  text(text: string): this {
    const bytes = Buffer.from(text);
    this.u16(bytes.length);
    this.#bytes.push(...bytes);
    return this;
  }

  /** A fid, mostly one that may exist. */
  fid(): this {
    return this.u32(this.#random.chance(0.95) ? this.#random.below(MAX_FIDS + 2) : this.#random.u32());
  }

  bytes(count: number): this {
    for (let i = 0; i < count; i++) this.u8(this.#random.u32());
    return this;
  }

  finish(type: number): Uint8Array {
    const out = Uint8Array.from([0, 0, 0, 0, type, 0, 0, ...this.#bytes]);
    new DataView(out.buffer).setUint32(0, out.length, true);
    new DataView(out.buffer).setUint16(5, this.#random.below(4), true);
    return out;
  }
}

/** A message of this type as a client might send it. */
function valid(random: Random, type: number): Uint8Array {
  const m = new Message(random);
  const mode = random.pick([0o644, 0o755, 0o010644, 0o140600, 0o020666, random.u32()]);
  const flags = random.pick([0, 1, 2, 0o1002, 0o2001, 0o4000002, 0o200000, random.u32()]);
  const offset = random.pick([0, 1, 4096, 2 ** 31, 2 ** 40, 2 ** 52]);
  const count = random.pick([0, 10, 100, 5000, 0xffff_ffff]);
  switch (type) {
    case 12:
      return m.fid().u32(flags).finish(type);
    case 14:
      return m.fid().name().u32(flags).u32(mode).u32(0).finish(type);
    case 16:
      return m.fid().name().text(random.pick(TARGETS)).u32(0).finish(type);
    case 18:
      return m.fid().name().u32(mode).u32(1).u32(3).u32(0).finish(type);
    case 20:
      return m.fid().fid().name().finish(type);
    case 26:
      return m
        .fid()
        .u32(random.below(0x200))
        .u32(mode)
        .u32(0xffff_ffff)
        .u32(0xffff_ffff)
        .u64(random.below(10_000))
        .bytes(32)
        .finish(type);
    case 24:
      return m.fid().u64(0x3fff).finish(type);
    case 30:
      return m
        .fid()
        .fid()
        .text(random.pick(['user.a', '', 'security.x']))
        .finish(type);
    case 32:
      return m
        .fid()
        .text('user.a')
        .u64(random.pick([0, 3, 70_000]))
        .u32(random.below(4))
        .finish(type);
    case 40:
    case 116:
      return m.fid().u64(offset).u32(count).finish(type);
    case 118: {
      const data = random.below(200);
      return m
        .fid()
        .u64(Math.min(offset, 2 ** 31))
        .u32(data)
        .bytes(data)
        .finish(type);
    }
    case 50:
      return m.fid().u32(random.below(2)).finish(type);
    case 52:
      return m
        .fid()
        .u8(random.below(4))
        .u32(0)
        .u64(offset)
        .u64(10)
        .u32(random.below(3))
        .text('c')
        .finish(type);
    case 54:
      return m.fid().u8(random.below(4)).u64(offset).u64(0).u32(random.below(3)).text('c').finish(type);
    case 70:
      return m.fid().fid().name().finish(type);
    case 72:
      return m.fid().name().u32(mode).u32(0).finish(type);
    case 74:
      return m.fid().name().fid().name().finish(type);
    case 76:
      return m
        .fid()
        .name()
        .u32(random.pick([0, 0x200]))
        .finish(type);
    case 100:
      return m
        .u32(random.pick([0, 256, 8192, 0xffff_ffff]))
        .text(random.pick(['9P2000.L', '9P2000']))
        .finish(type);
    case 102:
    case 104:
      return m.fid().u32(0xffff_ffff).text('').text('').u32(0).finish(type);
    case 108:
      return m.u16(random.below(4)).finish(type);
    case 110: {
      m.fid().fid();
      const names = random.pick([0, 1, 2, 3, 16, 17]);
      m.u16(names);
      for (let i = 0; i < names; i++) m.name();
      return m.finish(type);
    }
    default:
      return m.fid().finish(type); // statfs, readlink, clunk, remove
  }
}

function mutate(random: Random, message: Uint8Array): Uint8Array {
  const bytes = Uint8Array.from(message);
  for (let i = random.below(4); i >= 0; i--) {
    const at = random.below(bytes.length);
    bytes[at] = random.pick([0, 1, 0x7f, 0x80, 0xff, random.u32()]);
  }
  if (random.chance(0.3)) return bytes.subarray(0, random.below(bytes.length + 1));
  if (random.chance(0.2)) return Uint8Array.from([...bytes, ...bytes]);
  return bytes;
}

function next(random: Random): Uint8Array {
  if (random.chance(0.05)) {
    const noise = new Uint8Array(random.below(300));
    random.fill(noise);
    return noise;
  }
  // New sessions and attaches are rare, walking, opening and creating frequent, or nothing would ever be open.
  const type = random.chance(0.4)
    ? random.pick([110, 110, 12, 14, 116, 118, 40])
    : random.chance(0.1)
      ? 104
      : random.pick(T_MESSAGES.filter((t) => t !== 100 || random.chance(0.1)));
  const message = valid(random, type);
  return random.chance(0.25) ? mutate(random, message) : message;
}

/** The answer belongs to the request and is as long as it says. */
function checkAnswer(message: Uint8Array, answer: Uint8Array): void {
  const view = new DataView(answer.buffer, answer.byteOffset, answer.length);
  assert.ok(answer.length >= 7);
  assert.equal(view.getUint32(0, true), answer.length);
  assert.deepEqual(answer.subarray(5, 7), message.subarray(5, 7));
  const type = answer[4] as number;
  if (type !== RLERROR) assert.equal(type, (message[4] as number) + 1);
  if (type === RLERROR) assert.ok(view.getUint32(7, true) > 0 && view.getUint32(7, true) < 4096);
}

function run(random: Random, rig: P9Rig, finishPending: () => void, clean: () => void): void {
  rig.mount();
  for (let i = 0; i < STEPS; i++) {
    const message = next(random);
    const room = random.chance(0.8) ? 8192 : random.below(200);
    const before = rig.completions.length;
    const got = rig.raw(message, room, random.pick([1 << 20, 7, 100]));
    if (got === PENDING) {
      finishPending();
      assert.ok(rig.completions.length > before);
      continue;
    }
    assert.equal(rig.completions.length, before);
    if (got === 0) {
      assert.ok(message.length < 7 || room < 11);
      continue;
    }
    assert.ok(got <= room);
    checkAnswer(message, Uint8Array.from(rig.replyView(got)));
  }
  rig.server.reset();
  clean();
  rig.mount();
  assert.equal(rig.walk(0, 1), 0);
  assert.equal(rig.open(1), 0);
  assert.ok(rig.list(1).includes('.'));
}

/** Names, types, sizes and contents below a folder. */
function snapshot(dir: string): string {
  return execFileSync('find', [dir, '-printf', '%P %y %s %m %l\n'], { encoding: 'utf8' });
}

function hostTree(t: TestContext, random: Random, blocking: ManualBlocking) {
  const top = tempDir(t);
  const share = join(top, 'share');
  const outside = join(top, 'outside');
  mkdirSync(join(share, 'dir/a'), { recursive: true });
  mkdirSync(outside);
  writeFileSync(join(outside, 'secret'), 'secret');
  writeFileSync(join(share, 'a'), 'some text');
  symlinkSync('../outside', join(share, 'link'));
  symlinkSync('..', join(share, 'dir/up'));
  execFileSync('mkfifo', [join(share, 'fifo')]);
  NAMES[ABSOLUTE_NAME] = join(outside, 'secret');
  TARGETS[ABSOLUTE_TARGET] = outside;
  // Directories the client has made inaccessible could not be removed otherwise.
  const clean = () => execFileSync('chmod', ['-R', 'u+rwX', top]);
  const tree = new HostTree({ path: share, readOnly: random.chance(0.2), blocking });
  return { tree, outside, clean };
}

interface Subject {
  readonly tree: FileTree;
  readonly check: () => void;
  /** Makes everything accessible again. */
  readonly clean: () => void;
}

function fuzz(
  seed: number,
  access: number,
  make: (random: Random, blocking: ManualBlocking) => Subject,
): void {
  const random = new Random(seed);
  const blocking = new ManualBlocking();
  const { tree, check, clean } = make(random, blocking);
  try {
    const rig = new P9Rig({ tree, maxFids: MAX_FIDS, access, bufferBytes: 0x1_0000 });
    run(random, rig, () => blocking.run(), clean);
    rig.server.close();
    check();
  } catch (error) {
    throw new Error(`seed ${seed}`, { cause: error });
  } finally {
    clean();
  }
}

const descriptors = (): number => readdirSync('/proc/self/fd').length;

for (const access of [ACCESS_DIRECT, ACCESS_WORD]) {
  test(`fuzz 9p over a host directory (access ${access}): any client → one answer each, nothing outside touched`, (t) => {
    for (const seed of fuzzSeeds(kept, 6)) {
      fuzz(seed, access, (random, blocking) => {
        const before = descriptors();
        const { tree, outside, clean } = hostTree(t, random, blocking);
        const untouched = snapshot(outside);
        const check = () => {
          assert.equal(snapshot(outside), untouched);
          assert.equal(descriptors(), before);
        };
        return { tree, check, clean };
      });
    }
  });
}

test('fuzz 9p over a tree in JavaScript: any client → one answer each, no unexpected exception in the tree', () => {
  for (const seed of fuzzSeeds(kept, 10)) {
    fuzz(seed, ACCESS_DIRECT, () => {
      const log: string[] = [];
      const tree = simpleTree(new MemoryTree({ a: 'some text' }), {
        info: () => undefined,
        warn: (text) => void log.push(text),
      });
      return { tree, check: () => assert.deepEqual(log, []), clean: () => undefined };
    });
  }
});

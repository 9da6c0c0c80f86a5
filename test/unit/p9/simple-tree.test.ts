// Trees made in JavaScript, through the protocol: in the reactor, and behind messages.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { simpleTree, treeFromExport } from '#lkvm/p9/js-tree.js';
import { remoteTree, remoteTreeProxy } from '#lkvm/p9/remote-tree.js';
import type { SimpleTree } from '#lkvm/p9/simple-tree.js';
import { ConfigError } from '#lkvm/util/errors.js';
import { tree as generatedTree } from '../../../examples/generated-tree.js';
import { MemoryTree } from '../../../examples/memory-tree.js';
import { P9Rig } from '../../support/p9-rig.js';

const ENOENT = -2;
const EIO = -5;
const EEXIST = -17;
const ENOTDIR = -20;
const EISDIR = -21;
const EINVAL = -22;
const EROFS = -30;
const ENOTEMPTY = -39;
const EILSEQ = -84;
const EOPNOTSUPP = -95;

const RDWR = 2;

class Log {
  readonly lines: string[] = [];
  info(text: string): void {
    this.lines.push(text);
  }
  warn(text: string): void {
    this.lines.push(text);
  }
}

function local<N extends object>(t: TestContext, tree: SimpleTree<N>, log = new Log()): P9Rig {
  const rig = new P9Rig({ tree: simpleTree(tree, log) });
  t.after(() => rig.server.close());
  rig.mount();
  return rig;
}

/** Requests and answers through structured clones, delivered when the server waits. */
function remote<N extends object>(t: TestContext, tree: SimpleTree<N>): P9Rig {
  const requests: unknown[] = [];
  const replies: unknown[] = [];
  const proxy = remoteTreeProxy((message) => requests.push(structuredClone(message)));
  const server = remoteTree(tree).serve((message) => replies.push(structuredClone(message)));
  const rig = new P9Rig({
    tree: proxy.tree,
    onPending: () => {
      for (const request of requests.splice(0)) server.onMessage(request);
      for (const reply of replies.splice(0)) proxy.onMessage(reply);
    },
  });
  t.after(() => rig.server.close());
  rig.mount();
  return rig;
}

for (const [where, serve] of [
  ['local', local],
  ['remote', remote],
] as const) {
  test(`SimpleTree (${where}): a read-write tree → files made, written, read, listed, moved, removed`, (t) => {
    const tree = new MemoryTree({ 'hello.txt': 'hello\n' });
    const rig = serve(t, tree);
    assert.equal(rig.walk(0, 1, 'hello.txt'), 1);
    assert.equal(rig.open(1, RDWR), 0);
    assert.equal(rig.readText(1), 'hello\n');
    assert.equal(rig.write(1, 6, 'more\n'), 5);
    assert.equal(rig.readText(1, 4), 'o\nmore\n');
    assert.equal(rig.getattr(1), 0);
    assert.equal(rig.reply.size, 11);
    assert.equal(rig.reply.mode, 0o100644);
    assert.equal(rig.mkdir(0, 'dir', 0o700), 0);
    assert.equal(rig.mkdir(0, 'dir', 0o700), EEXIST);
    rig.walk(0, 2, 'dir');
    rig.walk(2, 3);
    assert.equal(rig.create(3, 'new', RDWR | 0o200), 0);
    assert.equal(rig.write(3, 3, 'x'), 1);
    assert.deepEqual(rig.read(3, 0, 10), Buffer.from('\0\0\0x'));
    rig.walk(2, 4);
    assert.equal(rig.create(4, 'new', RDWR | 0o200), EEXIST);
    assert.equal(rig.create(4, 'new', RDWR), 0);
    assert.equal(rig.symlink(2, 'link', '../hello.txt'), 0);
    assert.equal(rig.reply.qidType, 2);
    rig.walk(2, 5, 'link');
    assert.equal(
      rig.call((b, tag) => rig.encoder.treadlink(b, tag, 5)),
      0,
    );
    assert.equal(rig.reply.linkTarget(), '../hello.txt');
    assert.equal(rig.open(5), -40);
    rig.walk(2, 6);
    rig.open(6);
    assert.deepEqual(rig.list(6), ['.', '..', 'new', 'link']);
    assert.equal(rig.unlink(0, 'dir', 0x200), ENOTEMPTY);
    assert.equal(rig.unlink(0, 'dir'), EISDIR);
    assert.equal(rig.unlink(2, 'new', 0x200), ENOTDIR);
    assert.equal(rig.rename(2, 'new', 0, 'moved'), 0);
    assert.equal(rig.readText(3), '\0\0\0x');
    assert.equal(rig.unlink(2, 'link'), 0);
    assert.equal(rig.unlink(2, 'link'), ENOENT);
    assert.equal(rig.unlink(0, 'dir', 0x200), 0);
    assert.equal(rig.unlink(0, 'moved'), 0);
    assert.equal(rig.readText(3), '\0\0\0x'); // still open
  });

  test(`SimpleTree (${where}): ".." and clones → inside the tree; hard link, Trename, Tremove by fid`, (t) => {
    const rig = serve(t, new MemoryTree({ f: 'text' }));
    rig.mkdir(0, 'a');
    assert.equal(rig.walk(0, 1, 'a', '..', '..', 'f'), 4);
    assert.equal(rig.walk(0, 2, 'f', '..'), 2);
    assert.equal(rig.walk(0, 3, 'f', 'x'), 1);
    rig.walk(0, 4, 'f');
    rig.walk(0, 5, 'a');
    assert.equal(rig.send(70, '05000000 04000000 0100 67'), 0); // link f as a/g
    assert.equal(rig.walk(0, 6, 'a', 'g'), 2);
    assert.equal(rig.send(20, '04000000 05000000 0100 68'), 0); // f → a/h
    assert.equal(rig.walk(0, 7, 'f'), ENOENT);
    assert.equal(rig.send(122, '04000000'), 0); // a/h
    assert.equal(rig.walk(0, 8, 'a', 'h'), 1);
    assert.equal(rig.send(122, '06000000'), 0); // a/g
    assert.equal(rig.send(122, '01000000'), ENOENT); // f, which is no more
    rig.walk(0, 9);
    assert.equal(rig.send(122, '09000000'), -1); // the root
  });

  test(`SimpleTree (${where}): attributes → size, mode, times; O_TRUNC; truncation`, (t) => {
    const rig = serve(t, new MemoryTree({ f: 'some text' }));
    rig.walk(0, 1, 'f');
    const change = {
      valid: 1 | 8 | 0x20 | 0x100,
      mode: 0o600,
      uid: 0,
      gid: 0,
      size: 4,
      atimeSec: 0,
      atimeNsec: 0,
      mtimeSec: 1_000_000_000,
      mtimeNsec: 500_000_000,
    };
    assert.equal(
      rig.call((b, tag) => rig.encoder.tsetattr(b, tag, 1, change)),
      0,
    );
    rig.getattr(1);
    const { mode, size, mtimeSec, mtimeNsec, nlink, blocks } = rig.reply;
    assert.deepEqual(
      [mode, size, mtimeSec, mtimeNsec, nlink, blocks],
      [0o100600, 4, 1_000_000_000, 500_000_000, 1, 1],
    );
    assert.equal(rig.open(1, RDWR | 0o1000), 0);
    rig.getattr(1);
    assert.equal(rig.reply.size, 0);
    assert.equal(
      rig.call((b, tag) => rig.encoder.tsetattr(b, tag, 1, { ...change, valid: 8, size: 2 ** 40 })),
      -27,
    );
    assert.equal(
      rig.call((b, tag) => rig.encoder.tstatfs(b, tag, 1)),
      0,
    );
    assert.equal(
      rig.call((b, tag) => rig.encoder.tfsync(b, tag, 1, false)),
      0,
    );
    assert.equal(rig.send(30, '01000000 63000000 0000'), EOPNOTSUPP);
    assert.equal(rig.send(18, '00000000 0100 70 a4110000 00000000 00000000 00000000'), EOPNOTSUPP);
  });

  test(`SimpleTree (${where}): large directory, any count → each name once; changes meanwhile do not disturb`, (t) => {
    const tree = new MemoryTree();
    for (let i = 0; i < 500; i++) tree.create(tree.root(), `file-${i}`, 0o644);
    const rig = serve(t, tree);
    rig.walk(0, 1);
    rig.open(1);
    assert.equal(rig.list(1, 100).length, 502);
    assert.equal(new Set(rig.list(1, 5000)).size, 502);
    assert.equal(
      rig.call((b, tag) => rig.encoder.treaddir(b, tag, 1, { low: 0, high: 0 }, 24)),
      EINVAL,
    );
    assert.equal(
      rig.call((b, tag) => rig.encoder.treaddir(b, tag, 1, { low: 0xffffffff, high: 0xffffffff }, 500)),
      0,
    );
    assert.equal(rig.reply.count, 0);
  });

  test(`SimpleTree (${where}): generated, without a method that changes anything → EROFS, modes without write bits`, (t) => {
    const rig = serve(t, generatedTree({ count: 20 }));
    rig.walk(0, 1, 'squares', '12');
    assert.equal(rig.open(1), 0);
    assert.equal(rig.readText(1), '144\n');
    rig.getattr(1);
    assert.equal(rig.reply.mode, 0o100444);
    const path = rig.reply.qidPathLow;
    rig.walk(0, 2, 'squares', '12');
    assert.equal(rig.reply.qidPathLow, path);
    rig.walk(0, 3, 'squares');
    assert.equal(rig.reply.qidType, 0x80);
    rig.open(3);
    assert.equal(rig.list(3).length, 22);
    assert.equal(rig.walk(0, 4, 'squares', '21'), 1);
    assert.equal(rig.mkdir(0, 'd'), EROFS);
    assert.equal(rig.symlink(0, 'd', 'x'), EROFS);
    assert.equal(rig.unlink(0, 'time'), EROFS);
    assert.equal(rig.rename(0, 'time', 0, 'x'), EROFS);
    rig.walk(0, 5, 'time');
    assert.equal(rig.open(5, RDWR), EROFS);
    assert.equal(rig.open(5, 0o1000), EROFS);
    assert.equal(rig.send(26, `05000000 20000000 ${'00'.repeat(52)}`), EROFS);
    rig.walk(0, 6);
    assert.equal(rig.create(6, 'n', RDWR), EROFS);
  });
}

interface Leaf {
  readonly kind: 'file' | 'directory';
}

const TOP: Leaf = { kind: 'directory' };
const LEAF: Leaf = { kind: 'file' };

/** A tree of one file; tests replace methods. */
function little(changes: Partial<SimpleTree<Leaf>> = {}): SimpleTree<Leaf> {
  return {
    root: () => TOP,
    lookup: (_dir, name) => (name === 'f' ? LEAF : undefined),
    readdir: () => ['f'],
    getattr: ({ kind }) => ({ kind, size: 3 }),
    read: () => Buffer.from('abc'),
    ...changes,
  };
}

test('SimpleTree: error thrown with a code, or a negative errno returned → that errno; anything else → EIO and a log line', (t) => {
  const log = new Log();
  const errors: Record<string, () => never | number> = {
    code: () => {
      throw Object.assign(new Error('no'), { code: 'EACCES' });
    },
    number: () => -110,
    bug: () => {
      throw new TypeError('x is not a function');
    },
  };
  const rig = local(t, little({ lookup: (_dir, name) => errors[name]?.() ?? LEAF }), log);
  assert.equal(rig.walk(0, 1, 'code'), -13);
  assert.equal(rig.walk(0, 1, 'number'), -110);
  assert.equal(log.lines.length, 0);
  assert.equal(rig.walk(0, 1, 'bug'), EIO);
  assert.match(log.lines.join('\n'), /x is not a function/);
});

test('SimpleTree: promise from a tree in the reactor → EIO, and the log says what to do', (t) => {
  const log = new Log();
  const rig = local(t, little({ read: () => Promise.resolve(Buffer.from('abc')) }), log);
  rig.walk(0, 1, 'f');
  rig.open(1);
  assert.equal(rig.read(1, 0, 10), EIO);
  assert.match(log.lines.join('\n'), /read returned a promise.*remoteTree/);
});

test('SimpleTree: more data than asked for, or more written than given → cut off, EIO', (t) => {
  const rig = local(t, little({ read: () => Buffer.alloc(1 << 16, 'x'), write: () => 99 }));
  rig.walk(0, 1, 'f');
  rig.open(1, RDWR);
  assert.equal((rig.read(1, 0, 5) as Buffer).toString(), 'xxxxx');
  assert.equal(rig.write(1, 0, 'abc'), EIO);
});

test('SimpleTree: open and close → paired, also when fids just vanish', (t) => {
  const log: string[] = [];
  const tree = little({
    open: (_file, { read, write }) => void log.push(`open ${read} ${write}`),
    close: () => void log.push('close'),
    write: (_file, _offset, data) => data.length,
  });
  const rig = local(t, tree);
  rig.walk(0, 1, 'f');
  rig.open(1, RDWR);
  rig.walk(1, 2);
  rig.clunk(2);
  assert.deepEqual(log, ['open true true']);
  rig.clunk(1);
  rig.walk(0, 1, 'f');
  rig.open(1, 0);
  rig.mount(); // a new session
  assert.deepEqual(log, ['open true true', 'close', 'open true false', 'close']);
});

test('SimpleTree: file name that is not UTF-8 → EILSEQ', (t) => {
  const rig = local(t, new MemoryTree());
  assert.equal(rig.walk(0, 1, new Uint8Array([0xff])), EILSEQ);
  assert.equal(rig.mkdir(0, new Uint8Array([0xff])), EILSEQ);
});

test('SimpleTree: file name that begins with a byte order mark → another name than without', (t) => {
  const rig = local(t, new MemoryTree({ f: 'plain' }));
  assert.equal(rig.walk(0, 1, '\ufefff'), ENOENT);
  rig.walk(0, 2);
  assert.equal(rig.create(2, '\ufefff', RDWR | 0o200), 0);
  rig.walk(0, 3);
  rig.open(3);
  assert.deepEqual(rig.list(3), ['.', '..', 'f', '\ufefff']);
});

test('SimpleTree: ino given → same file whatever the object; version given → as it is', (t) => {
  const tree = little({
    lookup: () => ({ kind: 'file' }),
    getattr: ({ kind }) => ({ kind, ino: kind === 'file' ? 2 ** 40 + 7 : 1, version: 5 }),
  });
  const rig = local(t, tree);
  rig.walk(0, 1, 'a');
  assert.deepEqual([rig.reply.qidPathLow, rig.reply.qidPathHigh, rig.reply.qidVersion], [7, 256, 5]);
});

test('remote tree: reset while an answer is outstanding → the late answer is dropped, its node given back', (t) => {
  const requests: { id: number; operation: string; node: number }[] = [];
  const proxy = remoteTreeProxy((message) => requests.push(message as (typeof requests)[0]));
  const rig = new P9Rig({ tree: proxy.tree });
  t.after(() => rig.server.close());
  rig.call((b) => rig.encoder.tversion(b, 8192));
  rig.call((b, tag) => rig.encoder.tattach(b, tag, 0, 0));
  const [attach] = requests;
  rig.server.reset();
  const qids = [{ type: 0x80, version: 0, path: 1 }];
  proxy.onMessage({
    id: attach?.id,
    status: 0,
    node: 77,
    qids,
    attributes: undefined,
    entries: [],
    data: undefined,
  });
  proxy.onMessage({
    id: attach?.id,
    status: 0,
    node: 78,
    qids,
    attributes: undefined,
    entries: [],
    data: undefined,
  });
  assert.deepEqual(rig.completions, []);
  assert.deepEqual(
    requests.slice(1).map((r) => [r.operation, r.node]),
    [['forget', 77]],
  );
});

test('remoteTree: methods returning promises, the server blocked in another thread → answers arrive', async (t) => {
  const files = new MemoryTree({ 'slow.txt': 'slow text' });
  const later = <T>(value: T): Promise<T> => new Promise((resolve) => setImmediate(() => resolve(value)));
  const tree: SimpleTree<ReturnType<MemoryTree['root']>> = {
    root: () => later(files.root()),
    lookup: async (dir, name) => {
      if (name === 'failing') throw Object.assign(new Error('no'), { code: 'ETIMEDOUT' });
      return later(files.lookup(dir, name));
    },
    readdir: (dir) => later(files.readdir(dir)),
    getattr: (node) => later(files.getattr(node)),
    read: (file, offset, count) => later(files.read(file, offset, count)),
    write: (file, offset, data) => later(files.write(file, offset, data)),
  };
  const wake = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(new URL('../../support/remote-tree-worker.js', import.meta.url), {
    workerData: wake,
  });
  t.after(() => worker.terminate());
  const result = await new Promise((resolve, reject) => {
    const server = remoteTree(tree).serve((message) => {
      worker.postMessage(message);
      Atomics.notify(wake, 0);
    });
    worker.on('error', reject);
    worker.on('message', (message: { request?: unknown; result?: unknown }) => {
      if (message.result === undefined) server.onMessage(message.request);
      else resolve(message.result);
    });
  });
  assert.deepEqual(result, {
    names: ['.', '..', 'slow.txt'],
    before: 'slow text',
    written: 7,
    after: 'slow written',
    missing: ENOENT,
    failing: -110,
  });
});

test('treeFromExport: SimpleTree, FileTree, or neither → served, served, ConfigError', () => {
  const log = new Log();
  assert.equal(treeFromExport(little(), 'm#t', log).readOnly, false);
  const own = simpleTree(little(), log);
  assert.equal(treeFromExport(own, 'm#t', log), own);
  for (const wrong of [undefined, 5, {}, { root: () => TOP }]) {
    assert.throws(() => treeFromExport(wrong, 'm#t', log), ConfigError);
  }
  assert.throws(() => remoteTree({} as SimpleTree<Leaf>), ConfigError);
});

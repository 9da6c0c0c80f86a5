// `lkvm aux` as a process against a real PMM: all devices, all ways to attach, restarts of either side at any time.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { AuxPair } from '../support/aux-pair.js';
import { lkvm, MAIN } from '../support/cli.js';
import { hasEnded, isRunning } from '../support/processes.js';
import { tempDir } from '../support/temp.js';

const TIMEOUT = { timeout: 300_000 };

/** All four devices do their work. */
async function assertWorks(pair: AuxPair): Promise<void> {
  writeFileSync(join(pair.share, 'known'), 'known content\n');
  assert.deepEqual(await pair.run('cat known'), {
    command: 'cat known',
    ok: true,
    output: 'known content\n',
    ping: undefined,
  });
  const rng = await pair.run('rng 40');
  assert.match(rng.output, /^[0-9a-f]{64}\n[0-9a-f]{16}\n$/);
  const { ok, ping } = await pair.run('ping 5');
  assert.equal(ok, true);
  assert.deepEqual([ping?.sent, ping?.received], [5, 5]);
}

for (const { name, options, words = [] } of [
  { name: 'file and socket', options: {} },
  { name: 'file and socket, no device tree', options: { dtb: false } },
  { name: 'memfd and eventfds', options: { memfd: true } },
  { name: 'ivshmem', options: { ivshmem: true } },
  { name: 'ivshmem, no device tree', options: { ivshmem: true, dtb: false } },
  { name: 'static mode', options: { fixed: true } },
  { name: 'static mode, no device tree', options: { fixed: true, dtb: false } },
  { name: 'static mode offered, --handshake', options: { fixed: true }, words: ['--handshake'] },
  { name: 'no doorbell', options: { polled: true } },
  { name: 'a small pool', options: { bytes: 0xc0_000 } },
  { name: 'a very small pool, no device tree', options: { bytes: 0x30_000, dtb: false } },
]) {
  test(`aux: ${name} → 9p, rng, net and console work, exit ends it`, TIMEOUT, async (t) => {
    const pair = new AuxPair(t, options);
    await pair.startPmm();
    const end = pair.startAux(['--script', ...words]);
    await assertWorks(pair);
    assert.equal((await pair.run('exit')).ok, true);
    const { code, stderr } = await end;
    assert.equal(code, 0, stderr);
    assert.equal(stderr, '');
  });
}

test('aux: files written, listed, read, removed → the host directory shows it', TIMEOUT, async (t) => {
  const pair = new AuxPair(t);
  await pair.startPmm();
  pair.startAux();
  assert.equal((await pair.run('mkdir /d')).ok, true);
  assert.equal((await pair.run('write /d/note hello  "big world"')).ok, true);
  assert.equal(readFileSync(join(pair.share, 'd/note'), 'utf8'), 'hello big world\n');
  assert.equal((await pair.run('ls')).output, 'd/\n');
  assert.equal((await pair.run('ls d')).output, 'note\n');
  assert.match((await pair.run('stat d/note')).output, /^d\/note: file, 16 bytes, mode 0644, owner /);
  assert.equal((await pair.run('rm d')).ok, false);
  assert.equal((await pair.run('rm d/note')).ok, true);
  assert.equal((await pair.run('rm d')).ok, true);
  assert.equal(existsSync(join(pair.share, 'd')), false);
});

test('aux: a file of any bytes, larger than every buffer → cat gives it unchanged', TIMEOUT, async (t) => {
  const pair = new AuxPair(t);
  await pair.startPmm();
  pair.startAux();
  const text = 'a\x1e{"end":1,"command":"x","status":0}\n\x1e\x1e\u00e4'.repeat(60_000);
  writeFileSync(join(pair.share, 'big'), text);
  const { ok, output } = await pair.run('cat big');
  assert.equal(ok, true);
  assert.equal(output.length, text.length);
  assert.ok(output === text);
});

test(
  'aux: wrong words, missing files, unknown commands → one line each, and the script fails with 1',
  TIMEOUT,
  async (t) => {
    const pair = new AuxPair(t);
    await pair.startPmm();
    const end = pair.startAux();
    for (const [command, output] of [
      ['cat nothing', 'cat: nothing: no such file or directory\n'],
      ['cat', 'cat: usage: cat PATH\n'],
      ['frobnicate', 'frobnicate: unknown command; try: help\n'],
      ['ping 0', 'ping: "0" is not a count from 1 to 1000000\n'],
      ['rng many', 'rng: "many" is not a number of bytes from 1 to 1048576\n'],
      ['ls /nothing', 'ls: /nothing: no such file or directory\n'],
    ] as const) {
      const result = await pair.run(command);
      assert.deepEqual([result.ok, result.output], [false, output]);
    }
    const lost = await pair.run('ping 1 192.168.33.77');
    assert.deepEqual([lost.ok, lost.ping?.sent, lost.ping?.received], [false, 1, 0]);
    await pair.run('exit');
    assert.equal((await end).code, 1);
  },
);

for (const [how, way] of [
  ['file and socket', {}],
  ['memfd and eventfds', { memfd: true }],
  ['ivshmem', { ivshmem: true }],
] as const) {
  test(`aux: ${how}, aux first → waits for the PMM and works`, TIMEOUT, async (t) => {
    const pair = new AuxPair(t, way);
    pair.startAux();
    await sleep(500);
    await pair.startPmm();
    await assertWorks(pair);
  });

  for (const fixed of [false, true]) {
    test(
      `aux: ${how}${fixed ? ', static mode' : ''}, PMM restarted twice → attaches again and works`,
      TIMEOUT,
      async (t) => {
        const pair = new AuxPair(t, { ...way, fixed });
        await pair.startPmm();
        const end = pair.startAux();
        for (let i = 0; i < 3; i++) {
          if (i > 0) {
            await pair.stopPmm();
            await pair.startPmm();
          }
          await assertWorks(pair);
        }
        await pair.run('exit');
        const { code, stderr } = await end;
        assert.equal(code, 0, stderr);
        assert.match(stderr, /the PMM has started anew/);
      },
    );
  }
}

test('aux: no doorbell, PMM restarted → noticed by looking, works', TIMEOUT, async (t) => {
  const pair = new AuxPair(t, { polled: true });
  await pair.startPmm();
  pair.startAux();
  await assertWorks(pair);
  await pair.stopPmm();
  await pair.startPmm();
  await assertWorks(pair);
});

for (const [how, way] of [
  ['file and socket', {}],
  ['ivshmem', { ivshmem: true }],
] as const) {
  test(
    `aux: ${how}, killed while it runs, and at every step of its start → the next one works`,
    TIMEOUT,
    async (t) => {
      await killAtEveryStep(new AuxPair(t, way));
    },
  );
}

async function killAtEveryStep(pair: AuxPair): Promise<void> {
  await pair.startPmm();
  const first = pair.startAux();
  await assertWorks(pair);
  pair.child?.kill('SIGKILL');
  assert.equal((await first).signal, 'SIGKILL');
  // Steps of the first device; of the third one (two queues); and of the last.
  const steps = ['discovered', 'reset', 'acknowledge', 'driver', 'features', 'queue0', 'driver-ok'];
  for (const step of [...steps, 'features#2', 'queue1', 'queue0#4', 'driver-ok#3', 'driver-ok#4']) {
    const { signal, stderr } = await pair.startAux(['--script'], { LKVM_AUX_DIE_AT: step });
    assert.equal(signal, 'SIGKILL', `${step}: ${stderr}`);
  }
  await pair.settle(); // from now on only the living one starts devices
  pair.startAux();
  await pair.attached();
  await assertWorks(pair);
}

test('aux: killed at every step of a static start → the next one works', TIMEOUT, async (t) => {
  const pair = new AuxPair(t, { fixed: true });
  await pair.startPmm();
  for (const step of ['discovered', 'reset', 'static', 'attach', 'static#3', 'attach#4']) {
    const { signal } = await pair.startAux(['--script'], { LKVM_AUX_DIE_AT: step });
    assert.equal(signal, 'SIGKILL', step);
  }
  await pair.settle(); // from now on only the living one starts devices
  pair.startAux();
  await pair.attached();
  await assertWorks(pair);
});

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'] as const) {
  test(`aux: ${signal} while it sleeps in its loop → stops its devices, 0`, TIMEOUT, async (t) => {
    const pair = new AuxPair(t);
    await pair.startPmm();
    const end = pair.startAux();
    await assertWorks(pair);
    pair.child?.kill(signal);
    assert.deepEqual(await end, { code: 0, signal: null, stderr: '' });
    await pair.left();
  });
}

test('aux: SIGTERM while a command runs → stops its devices, 0', TIMEOUT, async (t) => {
  const pair = new AuxPair(t);
  const { console } = await pair.startPmm();
  const end = pair.startAux([]);
  await pair.attached();
  const pinging = once(console ?? assert.fail(), 'data');
  console?.write('ping 1000000\r');
  await pinging;
  pair.child?.kill('SIGTERM');
  assert.deepEqual(await end, { code: 0, signal: null, stderr: '' });
  await pair.left();
});

test('aux: SIGTERM while it waits for a PMM → 0', TIMEOUT, async (t) => {
  const pair = new AuxPair(t);
  const end = pair.startAux();
  await once(pair.child?.stderr ?? assert.fail(), 'data'); // it says what it waits for
  pair.child?.kill('SIGTERM');
  assert.equal((await end).code, 0);
});

test('aux: SIGTERM, again and again → 0', TIMEOUT, async (t) => {
  const pair = new AuxPair(t);
  await pair.startPmm();
  const end = pair.startAux();
  await assertWorks(pair);
  for (let i = 0; i < 10; i++) {
    pair.child?.kill('SIGTERM');
    await sleep(1);
  }
  assert.deepEqual(await end, { code: 0, signal: null, stderr: '' });
});

test('aux: --die-with-parent, the parent is killed → ends too', TIMEOUT, async (t) => {
  const pair = new AuxPair(t);
  await pair.startPmm();
  const words = pair.words(['--script', '--die-with-parent']);
  const script = `require('node:child_process').spawn(process.execPath, ${JSON.stringify(words)}, { stdio: 'ignore' })
    .on('spawn', function () { console.log(this.pid); });`;
  const parent = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => parent.kill('SIGKILL'));
  const [pid] = await once(parent.stdout, 'data');
  await pair.attached();
  assert.equal(isRunning(Number(pid)), true);
  parent.kill('SIGKILL');
  assert.equal(await hasEnded(Number(pid)), true);
});

test('aux: a person types → prompt, echo, backspace, Ctrl-C', TIMEOUT, async (t) => {
  const pair = new AuxPair(t);
  const { console } = await pair.startPmm();
  if (console === undefined) throw new Error('no console');
  console.removeAllListeners('data');
  let shown = '';
  console.on('data', (data) => {
    shown += data;
  });
  const until = async (text: string) => {
    while (!shown.includes(text)) await sleep(10);
  };
  const end = pair.startAux([]);
  await until('aux> ');
  assert.match(shown, /^lkvm auxiliary runtime: p9, rng, net, console; try: help\r\naux> $/);
  shown = '';
  console.write('lx\x7fs /nothing\r');
  await until('aux> ');
  assert.equal(shown, 'lx\b \bs /nothing\r\nls: /nothing: no such file or directory\r\naux> ');
  shown = '';
  console.write('rm everything\x03');
  await until('aux> ');
  assert.equal(shown, 'rm everything^C\r\naux> ');
  console.write('ping 1000000\r');
  await until('seq 3 ');
  console.write('\x03');
  await until('sent, ');
  console.write('exit\r');
  assert.equal((await end).code, 0);
});

for (const [words, text] of [
  [
    '--shmem-backend file:D/pool --notify socket:D/bell',
    'there is no socket D/bell; start lkvm pmm with the same two options',
  ],
  [
    '--shmem-backend file:D/pool --notify socket:D/file',
    'D/file is not a socket; use another path on both sides',
  ],
  [
    '--shmem-backend ivshmem:D/bell',
    'there is no socket D/bell; start lkvm pmm with --shmem-backend ivshmem-server:D/bell',
  ],
  [
    '--shmem-backend file:D/pool --notify poll:1000',
    'there is no pool file D/pool; start lkvm pmm with the same two options',
  ],
  [
    '--shmem-backend file:D/file --notify poll:1000',
    'the pool file D/file is empty; start lkvm pmm with the same two options',
  ],
] as const) {
  test(`aux: nobody at ${words} → after a while, what it waits for, and what to do`, TIMEOUT, async (t) => {
    const folder = tempDir(t);
    const here = (line: string) => line.replaceAll('D/', `${folder}/`);
    writeFileSync(join(folder, 'file'), '');
    const aux = spawn(process.execPath, [MAIN, 'aux', ...here(words).split(' ')], { stdio: 'pipe' });
    t.after(() => aux.kill('SIGKILL'));
    const [said] = (await once(aux.stderr, 'data')) as [Buffer];
    assert.equal(said.toString(), `  Info: waiting for a PMM at ${here(`${words}: ${text}`)}\n`);
    aux.kill('SIGTERM');
    assert.deepEqual(await once(aux, 'close'), [0, null]);
  });
}

test(
  'aux: the command line is wrong → one line, 129; what it needs is not there → 128',
  TIMEOUT,
  async () => {
    for (const [words, code, text] of [
      ['aux', 129, /needs to know where the PMM is/],
      ['aux --shmem-backend ram --notify poll', 129, /--shmem-backend "ram" is not known/],
      ['aux --shmem-backend memfd --notify socket:/tmp/x', 129, /needs --notify eventfd:PATH/],
      [
        'aux --shmem-backend ivshmem:/tmp/x --notify poll',
        129,
        /comes with its doorbell.*leave --notify out/,
      ],
      ['aux --shmem-backend ivshmem:', 129, /ivshmem needs a path/],
      [
        `aux --shmem-backend file:/p --notify poll --net-tap ${'t'.repeat(16)}`,
        129,
        /Error: --net-tap "t{16}": an/,
      ],
      [
        'aux --shmem-backend file:/dev/null --notify umb:/nonexistent',
        128,
        /cannot open the doorbell device/,
      ],
    ] as const) {
      const result = await lkvm(words);
      assert.equal(result.code, code, result.stderr);
      assert.match(result.stderr, text);
      assert.equal(result.stderr.trimEnd().split('\n').length, 1);
    }
  },
);

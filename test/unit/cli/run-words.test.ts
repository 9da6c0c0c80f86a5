// `lkvm run` for a KVM guest: from words to options.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { allOptions } from '#lkvm/cli/option-table.js';
import { parseOptions } from '#lkvm/cli/parse-options.js';
import { command } from '#lkvm/cli/run.js';
import { type RunWords, readRunWords } from '#lkvm/cli/run-words.js';
import { tempDir } from '../../support/temp.js';

const SPECS = allOptions(command);
const words = (args: readonly string[], home?: string): RunWords =>
  readRunWords(parseOptions(SPECS, args), home);
const read = (text: string): RunWords => words(text.split(' ').filter((word) => word !== ''));
const optionsOf = (text: string) => read(text).options;
const devicesOf = (text: string) => optionsOf(text).devices?.map(({ type }) => type);

test('options of run: each name once, each letter once', () => {
  const names = SPECS.map(({ name }) => name);
  assert.deepEqual([...new Set(names)], names);
  const letters = SPECS.flatMap(({ short }) => (short === undefined ? [] : [short]));
  assert.deepEqual([...new Set(letters)], letters);
});

test('readRunWords: nothing said → one card with mode=user, everything else left to the defaults', () => {
  const { options, ttys, remarks } = read('');
  assert.deepEqual(options.devices, [{ type: 'net', mode: 'user' }]);
  const { devices: _, debug, noDefaults, ...others } = options;
  assert.deepEqual([...new Set(Object.values(others))], [undefined]);
  assert.deepEqual([debug, noDefaults], [{ ioport: false, mmio: false, singleStep: false }, false]);
  assert.deepEqual([ttys, remarks], [[], []]);
});

test('readRunWords: the whole line of kvmtool → options', () => {
  const { options } = read(
    'run-less -i initrd -m 1G -c 2 --name a --dev /d -p x --nodefaults --console virtio --rng --hugetlbfs /h --poll spin -n mode=none',
  );
  assert.equal(options.kernel, 'run-less');
  assert.equal(options.initrd, 'initrd');
  assert.deepEqual([options.memoryBytes, options.cpus, options.name], [2 ** 30, 2, 'a']);
  assert.deepEqual([options.kvmPath, options.commandLine, options.noDefaults], ['/d', 'x', true]);
  assert.deepEqual([options.console, options.hugetlbfs, options.poll], ['virtio', '/h', { kind: 'spin' }]);
  assert.deepEqual(options.devices, [{ type: 'rng' }]);
});

test('readRunWords: kernel as -k, --kernel=, unambiguous prefix, first word → the same', () => {
  for (const text of ['-k a', '-ka', '--kernel a', '--kernel=a', '--kern a', 'a', '-c 1 a']) {
    assert.equal(optionsOf(text).kernel, 'a', text);
  }
  assert.throws(() => read('-k a b'), { exitCode: 129, message: /two kernels: --kernel a and the word "b"/ });
});

test('readRunWords: numbers in C notation → value', () => {
  assert.equal(optionsOf('-c 0x2').cpus, 2);
  assert.equal(optionsOf('-c 010').cpus, 8);
  assert.equal(optionsOf('--debug-exit=0x501').debugExitPort, 0x501);
  assert.equal(optionsOf('--debug-exit').debugExitPort, 0xf4);
  assert.throws(() => read('-c 2x'), { exitCode: 129, message: /--cpus "2x" is not a number/ });
});

test('readRunWords: an option taken back → as if never said', () => {
  assert.deepEqual(devicesOf('--rng --no-rng -n mode=none'), []);
  assert.equal(optionsOf('-m 64 --no-mem').memoryBytes, undefined);
});

test('readRunWords: firmware → no kernel is looked for, an initrd is ignored with a warning', () => {
  const { options, remarks } = read('-f bios -i initrd');
  assert.deepEqual([options.firmware, options.kernel, options.initrd], ['bios', undefined, undefined]);
  assert.deepEqual(remarks, [
    { level: 'warning', text: '--initrd initrd is ignored: --firmware starts no kernel' },
  ]);
});

test('readRunWords: transports → of all devices, by either name, and of one card', () => {
  assert.equal(optionsOf('--transport mmio').transport, 'mmio');
  assert.equal(optionsOf('--virtio-transport mmio').transport, 'mmio');
  assert.equal(optionsOf('--virtio-transport pci --transport pci').transport, 'pci');
  assert.deepEqual(optionsOf('-n mode=user,trans=mmio').devices, [
    { type: 'net', mode: 'user', transport: 'mmio' },
  ]);
  assert.throws(() => read('--virtio-transport pci --transport mmio'), { message: /say different things/ });
  for (const legacy of ['pci-legacy', 'mmio-legacy']) {
    assert.throws(() => read(`--virtio-transport ${legacy}`), { exitCode: 129, message: /use (pci|mmio)$/ });
  }
});

test('readRunWords: shares → in the order given, with tag and mode', () => {
  assert.deepEqual(optionsOf('-n mode=none --9p /a --9p /b,tag,ro').devices, [
    { type: '9p', directory: '/a', readOnly: false },
    { type: '9p', directory: '/b', readOnly: true, tag: 'tag' },
  ]);
});

test('readRunWords: vhost=1 of a card → a warning; vproxy of a card → nothing', () => {
  assert.match(read('-n vhost=1').remarks[0]?.text ?? '', /vhost=1 is ignored: all frames pass through lkvm/);
  assert.deepEqual(read('-n vhost=0,vproxy=1').remarks, []);
});

test('readRunWords: terminals for serial ports → each once; a fifth port → refused', () => {
  assert.deepEqual(read('--tty 1 --tty 3 --tty 1').ttys, [1, 3]);
  assert.throws(() => read('--tty 4'), {
    exitCode: 129,
    message: /--tty 4: the serial ports are 0 \.\.\. 3/,
  });
});

test('readRunWords: words of a PMM, also taken back → refused', () => {
  assert.throws(() => read('--notify poll'), { exitCode: 129, message: /--notify is .* add --rsld --pmm/ });
  assert.throws(() => read('--rsld --shmem-backend memfd'), { message: /--shmem-backend is .* add --pmm/ });
  assert.throws(() => read('--shmem-addr 1'), { exitCode: 129, message: /--shmem-addr is .* add --rsld/ });
  for (const word of ['--no-dtb', '--no-restart-detector', '--irq 12', '--region rng=4K', '--dump-dtb x']) {
    assert.throws(
      () => read(word),
      { message: /^--[a-z-]+ is about devices in shared memory: add --rsld/ },
      word,
    );
  }
});

test('readRunWords: what is not supported yet → refused by its name, with what to do', () => {
  for (const word of ['--balloon', '--vnc', '--gtk', '--sdl', '--fb', '--virtio-legacy', '--vproxy']) {
    assert.throws(() => read(word), {
      exitCode: 129,
      message: new RegExp(`^${word} is not supported yet; `),
    });
  }
  for (const word of ['--vsock 3', '--vfio-pci 0:1.0', '--sandbox x', '--flash f', '--vidmode 3']) {
    assert.throws(() => read(word), {
      exitCode: 129,
      message: new RegExp(`^${word} is not supported yet; `),
    });
  }
  assert.throws(() => read('-d scsi:naa.600'), { exitCode: 129, message: /vhost-scsi is not supported yet/ });
});

test('readRunWords: --vsock 0, and words without meaning here → accepted', () => {
  assert.deepEqual(devicesOf('--vsock 0 --no-dhcp --debug-nohostfs --debug -n mode=none'), []);
});

const POOL = '--rsld --shmem-addr 0xd4000000 --shmem-size 0x1000000';

test('readRunWords: --rsld → all devices but disks are in the pool, shares the last one first', (t) => {
  const disk = join(files(t), 'a.img');
  const { options, remarks } = read(
    `${POOL} --irq 12 --transport mmio --console virtio -n mode=tap,tapif=tap0,trans=mmio --9p /a,a --9p /b,b --rng -d ${disk}`,
  );
  assert.deepEqual(
    options.devices?.map(({ type }) => type),
    ['blk'],
  );
  const { hvl } = options;
  assert.deepEqual([hvl?.shmem, hvl?.irq, hvl?.dtb], [{ address: 0xd400_0000, bytes: 1 << 24 }, 12, true]);
  assert.deepEqual(
    hvl?.devices.map((device) => (device.type === '9p' ? device.tag : device.type)),
    ['b', 'a', 'net', 'rng', 'console'],
  );
  assert.deepEqual([options.transport, options.console, remarks], [undefined, 'virtio', []]);
});

test('readRunWords: --rsld and nothing about devices → a card with mode=user and entropy; line and layout by default', () => {
  const { hvl } = optionsOf(POOL);
  assert.deepEqual(hvl?.devices, [
    { type: 'net', mode: 'user', static: false },
    { type: 'rng', static: false },
  ]);
  assert.deepEqual([hvl?.irq, hvl?.confine, hvl?.restartDetector], [undefined, undefined, undefined]);
});

for (const words of ['--no-rng', '--no-dtb', '--vxworks']) {
  test(`readRunWords: --rsld ${words} → no entropy device unless it is asked for`, () => {
    const typesOf = (text: string) =>
      optionsOf(`${POOL} -n mode=none ${text}`).hvl?.devices.map(({ type }) => type);
    assert.deepEqual(typesOf(words), []);
    assert.deepEqual(typesOf(`${words} --rng`), ['rng']);
  });
}

test('readRunWords: --rsld with lists and layout → the devices and the pool have them', () => {
  const { hvl } = optionsOf(
    `${POOL} -n mode=none --rng --no-dtb --confine --static --queue-size rng=16 --region rng=8K`,
  );
  assert.deepEqual(hvl?.devices, [{ type: 'rng', static: true, queueSizes: [16], regionBytes: 8192 }]);
  assert.deepEqual([hvl?.dtb, hvl?.confine], [false, true]);
  assert.equal(read(`${POOL} --dump-dtb tree`).dumpDtb, 'tree');
});

test('readRunWords: --rsld with what shared memory has not → refused', () => {
  assert.throws(() => read(`${POOL} --transport pci`), {
    exitCode: 129,
    message: /--transport pci .* --rsld/,
  });
  assert.throws(() => read(`${POOL} -n trans=pci`), { exitCode: 129, message: /trans=pci .* with --rsld/ });
  assert.throws(() => read(`${POOL} --no-dtb --dump-dtb x`), { message: /exclude each other/ });
  assert.throws(() => read(`${POOL} --vsock 3`), { message: /--vsock 3 is not supported yet/ });
  assert.deepEqual(read(`${POOL} --vproxy`).remarks, [
    { level: 'info', text: 'without meaning here, ignored: --vproxy' },
  ]);
});

/** A directory with an image, a file with commas in its name, and a directory. */
function files(t: TestContext): string {
  const dir = tempDir(t);
  writeFileSync(join(dir, 'a.img'), '');
  writeFileSync(join(dir, 'b,c'), '');
  mkdirSync(join(dir, 'root'));
  mkdirSync(join(dir, '.lkvm', 'mine'), { recursive: true });
  return dir;
}

test('readRunWords: disks → file, read-only, direct; commas may be in a name', (t) => {
  const dir = files(t);
  const args = ['a.img', 'a.img,ro', 'a.img,direct,ro', 'a.img,rw', 'b,c', 'b,c,ro'];
  const { options } = words(['-n', 'mode=none', ...args.flatMap((disk) => ['-d', join(dir, disk)])]);
  const disk = (name: string, readOnly: boolean, direct = false) => ({
    type: 'blk',
    path: join(dir, name),
    readOnly,
    direct,
  });
  assert.deepEqual(options.devices, [
    disk('a.img', false),
    disk('a.img', true),
    disk('a.img', true, true),
    disk('a.img', false),
    disk('b,c', false),
    disk('b,c', true),
  ]);
});

test('readRunWords: a directory as disk → the root; two → refused; words behind it → refused', (t) => {
  const dir = files(t);
  const root = join(dir, 'root');
  assert.equal(words(['-d', root]).options.rootDirectory, root);
  assert.throws(() => words(['-d', root, '-d', dir]), { exitCode: 129, message: /one root directory/ });
  assert.throws(() => words(['-d', `${root},ro`]), { exitCode: 129, message: /words behind a directory/ });
});

test('readRunWords: a disk that is not there, unknown words, a root of setup → one line each', (t) => {
  const dir = files(t);
  const fails = (value: string, exitCode: number, message: RegExp) =>
    assert.throws(() => words(['-d', value], dir), { exitCode, message });
  fails(`${dir}/none`, 128, /^disk .*\/none: no such file; an empty one is made by: truncate -s 1G /);
  fails(`${dir}/a.img,cow`, 129, /"cow" is not known; write --disk FILE\[,ro\]\[,direct\]/);
  fails(`${dir}/a.img,ro,rw`, 129, /ro and rw exclude each other/);
  fails(',ro', 129, /names no file/);
  fails('mine', 129, /is a root directory of "lkvm setup"/);
});

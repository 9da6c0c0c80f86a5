// What exits, calls of the reactor, kicks and interrupts cost on this host's KVM. Bare-metal loops; nothing is asserted.
// usage: npx tsc -p tsconfig.test.json && node build/bench/kvm/exits.js [COUNT]
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { KVM_EXIT_IO } from '#lkvm/abi/kvm.js';
import { eventfd } from '#lkvm/sys/eventfd.js';
import { u8At } from '#lkvm/util/typed.js';
import { ShutdownGuard } from '#lkvm/workers/guard.js';
import { WorkerThread } from '#lkvm/workers/host.js';
import { VCPU_EXITS, VCPU_KICKS } from '#lkvm/workers/vcpu/words.js';
import { CALL_PORT } from '../../test/support/access-record.js';
import { Asm } from '../../test/support/asm.js';
import { openVm, type Rig, realMode } from '../../test/support/kvm-rig.js';
import { projectRoot } from '../../test/support/project.js';
import { makeChannel, startVcpu } from '../../test/support/vcpu-rig.js';
import type { DeviceData } from './device-worker.js';

const count = Number(process.argv[2] ?? 10_000);
const WORD = 0x2000;
const nobody = new Int32Array(new SharedArrayBuffer(4));

function report(what: string, us: number): void {
  console.log(`${what.padEnd(64)} ${us.toFixed(2).padStart(8)} us`);
}

/** The loop in C, if there is a compiler. */
function inC(): void {
  if (spawnSync('cc', ['--version']).error !== undefined) return;
  const dir = mkdtempSync(join(tmpdir(), 'lkvm-bench-'));
  try {
    const program = join(dir, 'out-loop');
    execFileSync('cc', ['-O2', '-o', program, join(projectRoot, 'bench/kvm/out-loop.c')]);
    report('OUT exit, C', Number(execFileSync(program, [String(count)], { encoding: 'utf8' })));
  } finally {
    rmSync(dir, { recursive: true });
  }
}

async function inOneThread(): Promise<void> {
  const rig = openVm();
  rig.load(new Asm(16).label('again').outAl(0x80).jmp('again').code());
  const vcpu = rig.vm.createVcpu(0);
  rig.onClose(() => vcpu.close());
  realMode(vcpu);
  let [start, sum] = [0, 0];
  for (let i = -count / 10; i < count; i++) {
    if (i === 0) start = performance.now();
    if (vcpu.enter() !== 0 || vcpu.run.exitReason() !== KVM_EXIT_IO) throw new Error('not an exit');
    sum += u8At(vcpu.run.u8, vcpu.run.ioDataOffset());
  }
  report(
    'OUT exit, Vcpu.enter and a look at kvm_run',
    ((performance.now() - start) * 1000) / count + sum * 0,
  );
  await rig.close();
}

interface Machine {
  readonly rig: Rig;
  readonly control: Int32Array;
  kick(): void;
  /** Microseconds per step of a word from now on, over `steps`; the word is in a control block or in guest memory. */
  rate(words: Int32Array | Uint32Array, word: number, steps: number): number;
  close(): Promise<void>;
}

/** A vCPU in its worker, in real mode, a reactor thread, and the words in between. */
function machine(code: Uint8Array, spinTurns: number, irqchip: boolean): Machine {
  const rig = openVm(irqchip);
  rig.load(code);
  const vcpu = rig.vm.createVcpu(0);
  realMode(vcpu);
  const channel = makeChannel(rig, 1, spinTurns);
  const data: DeviceData = { channel, kick: eventfd(), interrupt: eventfd() };
  if (irqchip) {
    rig.vm.addIoEvent({ space: 'pio', address: 0x70, bytes: 1, fd: data.kick });
    rig.vm.addIrqfd(data.interrupt, 5);
  }
  const device = new WorkerThread({
    name: 'device',
    entry: new URL('./device-worker.js', import.meta.url),
    data,
    wake: 'fd',
    owner: { onMessage: () => {}, onEnd: () => {} },
    guard: new ShutdownGuard(),
  });
  rig.onClose(() => device.stop());
  const { thread, control } = startVcpu(rig, vcpu, channel);
  return {
    rig,
    control,
    kick: () => thread.kick(),
    rate: (words, word, steps) => {
      const load = (): number => Atomics.load(words as Int32Array, word) >>> 0;
      const until = (target: number): number => {
        while (load() < target) Atomics.wait(nobody, 0, 0, 0.1);
        return load();
      };
      const first = until(Math.ceil(steps / 10));
      const start = performance.now();
      const last = until(first + steps);
      return ((performance.now() - start) * 1000) / (last - first);
    },
    close: () => rig.close(),
  };
}

async function accesses(): Promise<void> {
  const write = new Asm(16).label('again').outAl(0x80).jmp('again').code();
  const read = new Asm(16).label('again').inAl(CALL_PORT).jmp('again').code();
  const writing = machine(write, 0, false);
  report('OUT dispatched in its worker', writing.rate(writing.control, VCPU_EXITS, count));
  await writing.close();
  for (const spinTurns of availableParallelism() > 1 ? [0, 500, 2000, 10_000] : [0]) {
    const waiting = machine(read, spinTurns, false);
    const us = waiting.rate(waiting.control, VCPU_EXITS, Math.ceil(count / 4));
    report(`IN that calls the reactor, ${spinTurns} looks before sleeping`, us);
    await waiting.close();
  }
}

async function kicks(): Promise<void> {
  for (const [name, code] of [
    ['spins', new Asm(16).label('again').jmp('again').code()],
    ['has halted', new Asm(16).cli().label('again').hlt().jmp('again').code()],
  ] as const) {
    const kicked = machine(code, 0, name === 'has halted');
    if (name === 'has halted') await new Promise((resolve) => setTimeout(resolve, 200));
    const steps = Math.ceil(count / 10);
    const latencies: number[] = [];
    for (let i = 0; i < steps; i++) {
      const before = Atomics.load(kicked.control, VCPU_KICKS);
      const start = performance.now();
      kicked.kick();
      while (Atomics.load(kicked.control, VCPU_KICKS) === before) {}
      latencies.push((performance.now() - start) * 1000);
      Atomics.wait(nobody, 0, 0, 0.05);
    }
    latencies.sort((a, b) => a - b);
    report(`kick of a guest that ${name}, median`, latencies[steps >> 1] ?? 0);
    report(`kick of a guest that ${name}, 99th percentile`, latencies[Math.floor(steps * 0.99)] ?? 0);
    await kicked.close();
  }
}

async function interrupts(): Promise<void> {
  const handler = 0x1100;
  const code = new Asm(16)
    .cli()
    .storeWord((8 + 5) * 4, handler)
    .storeWord((8 + 5) * 4 + 2, 0)
    .outByte(0x20, 0x11)
    .outByte(0x21, 8)
    .outByte(0x21, 4)
    .outByte(0x21, 1)
    .outByte(0x21, ~(1 << 5) & 0xff)
    .label('again')
    .cli()
    .outByte(0x70, 1)
    .sti()
    .hlt()
    .jmp('again')
    .padTo(handler - 0x1000)
    .pushAx()
    .db(0x66, 0xff, 0x06, WORD & 0xff, WORD >> 8) // inc dword [WORD]
    .outByte(0x20, 0x20)
    .popAx()
    .iret()
    .code();
  const ringing = machine(code, 0, true);
  const us = ringing.rate(ringing.rig.memory.chunk.u32, WORD / 4, Math.ceil(count / 4));
  report('ioeventfd -> reactor -> irqfd -> handler -> ioeventfd', us);
  await ringing.close();
}

console.log(`${count} times each, ${availableParallelism()} CPUs, node ${process.version}`);
inC();
await inOneThread();
await accesses();
await kicks();
await interrupts();

// What the platform's registers cost a vCPU's thread, without the exit itself (see exits.ts). Nothing is asserted.
// usage: npx tsc -p tsconfig.test.json && node build/bench/kvm/platform.js [COUNT]
import { UART_LSR, UART_SCR } from '#lkvm/abi/uart.js';
import { PM_TIMER_PORT } from '#lkvm/arch/x86_64/memory-map.js';
import { Bus } from '#lkvm/bus/bus.js';
import { addPlatform, createPlatform } from '#lkvm/platform/platform.js';
import { SharedLines } from '#lkvm/platform/shared-lines.js';
import { monotonicUs } from '#lkvm/util/clock.js';
import { PLATFORM_LAYOUT } from '#lkvm/vmm/platform-layout.js';

const count = Number(process.argv[2] ?? 2_000_000);
const TTYS0 = 0x3f8;
const ROUNDS = 5;

const shared = createPlatform({
  layout: PLATFORM_LAYOUT,
  debugExitPort: undefined,
  lowBytes: 0x2000_0000,
  highBytes: 0,
  cpus: 1,
});
const pio = new Bus('pio');
let doorbells = 0;
const { serial } = addPlatform(pio, shared, {
  lines: new SharedLines(shared.lines, () => {}),
  end: { powerOff: () => {}, reset: () => {}, debugExit: () => {} },
  clock: { monotonicUs, wallMs: () => Date.now() },
  doorbell: () => doorbells++,
  configPorts: undefined,
});
const sink = new Uint8Array(0x4000);
let sum = 0;

/** Best of some rounds, nanoseconds per step. */
function report(what: string, step: (i: number) => void): void {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    for (let i = 0; i < count; i++) step(i);
    best = Math.min(best, ((performance.now() - start) * 1e6) / count);
  }
  console.log(`${what.padEnd(56)} ${best.toFixed(1).padStart(8)} ns`);
}

report('byte into an array and out of it', (i) => {
  sink[i & 0x3fff] = i;
  sum += sink[(i + 1) & 0x3fff] as number;
});
report('serial: TX written, ring emptied every 8 KiB', (i) => {
  pio.write(TTYS0, 1, i & 0xff);
  if ((i & 0x1fff) === 0) {
    serial[0]?.output.take(sink, 0, sink.length);
    serial[0]?.outputTaken();
  }
});
report('serial: LSR read', () => {
  sum += pio.read(TTYS0 + UART_LSR, 1);
});
report('serial: scratch register read', () => {
  sum += pio.read(TTYS0 + UART_SCR, 1);
});
report('PM timer read', () => {
  sum += pio.read(PM_TIMER_PORT, 4);
});
report('port 0x80 written', (i) => {
  pio.write(0x80, 1, i & 0xff);
});
report('port that nobody has', () => {
  sum += pio.read(0x1234, 1);
});
console.log(`(doorbells: ${doorbells}; ${sum})`);

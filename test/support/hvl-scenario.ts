/** What most conformance tests begin with: benches of test devices, started drivers, echoed data. */
import assert from 'node:assert/strict';
import { type BenchOptions, HvlBench, POOL_BASE } from './hvl-bench.js';
import { TestDevice } from './hvl-devices.js';
import type { Generation, HvlDriver, RingPlan } from './hvl-driver.js';

/** Rings in the arena of a pool without a device tree, far enough apart for 256 entries. */
export const RING_0 = POOL_BASE + 0x2000;
export const RING_1 = POOL_BASE + 0x6000;
export const OTHER_RING_0 = POOL_BASE + 0xa000;
export const OTHER_RING_1 = POOL_BASE + 0xe000;
export const BUFFERS = POOL_BASE + 0x20000;

export const TWO_RINGS: readonly RingPlan[] = [
  { at: RING_0, size: 4 },
  { at: RING_1, size: 4 },
];
export const OTHER_TWO_RINGS: readonly RingPlan[] = [
  { at: OTHER_RING_0, size: 4 },
  { at: OTHER_RING_1, size: 4 },
];

/** Rings for slot n of several two-queue devices. */
export function ringsOf(slot: number): readonly RingPlan[] {
  return [
    { at: POOL_BASE + 0x40000 + slot * 0x8000, size: 4 },
    { at: POOL_BASE + 0x44000 + slot * 0x8000, size: 4 },
  ];
}

/** A device with a receive queue (0) and an echo queue (1). */
export function twoQueues(options: ConstructorParameters<typeof TestDevice>[0] = {}): TestDevice {
  return new TestDevice({ name: 'console', deviceId: 3, queueMaxSizes: [128, 128], ...options });
}

/** A bench with one two-queue device in slot 0. */
export function oneDevice(
  more: Partial<BenchOptions> = {},
  options: ConstructorParameters<typeof TestDevice>[0] = {},
): { bench: HvlBench; device: TestDevice } {
  const device = twoQueues(options);
  return { bench: new HvlBench({ devices: [{ device }], ...more }), device };
}

/** The same with a driver that runs. */
export function running(
  generation: Generation,
  more: Partial<BenchOptions> = {},
  options: ConstructorParameters<typeof TestDevice>[0] = {},
): { bench: HvlBench; device: TestDevice; driver: HvlDriver } {
  const { bench, device } = oneDevice(more, options);
  const driver = bench.driver(0, generation, TWO_RINGS);
  assert.ok(driver.start(), 'the driver starts');
  bench.run();
  return { bench, device, driver };
}

/** Sends bytes through an echo queue and checks the answer. */
export function assertEcho(bench: HvlBench, driver: HvlDriver, queue = 1, text = 'hypervisorless'): void {
  const bytes = Buffer.from(text);
  const ring = driver.rings[queue];
  assert.ok(ring);
  const input = BUFFERS;
  const output = BUFFERS + 0x1000;
  bench.pool.set(bytes, input - POOL_BASE);
  bench.pool.fill(0, output - POOL_BASE, output - POOL_BASE + 0x100);
  const head = ring.add({ addr: input, len: bytes.length }, { addr: output, len: 0x100, writable: true });
  driver.kick(queue);
  bench.run();
  assert.deepEqual(ring.takeAll(), [{ head, len: bytes.length }]);
  assert.equal(Buffer.from(bench.bytesAt(output, bytes.length)).toString(), text);
}

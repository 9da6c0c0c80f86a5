/** Interrupts, doorbells and frames of a Linux guest or machine, from its own counters. */

/** Since the start. */
export interface SignalCounts {
  /** Of virtio devices. */
  readonly interrupts: number;
  /** NaN without the module `virtio_hvl`: kicks are not counted there. */
  readonly doorbells: number;
  readonly received: number;
  readonly sent: number;
}

/** @param sh runs a line of shell in it, where debugfs is mounted @returns what `eth0` and the virtio devices have counted */
export async function signalCounts(sh: (line: string) => Promise<string>): Promise<SignalCounts> {
  const statistics = '/sys/class/net/eth0/statistics';
  const text = await sh(
    `cat ${statistics}/rx_packets ${statistics}/tx_packets; grep virtio /proc/interrupts; ` +
      'cat /sys/kernel/debug/virtio_hvl/* 2> /dev/null || true',
  );
  const [received = 0, sent = 0] = text.split('\n').map(Number);
  const interrupts = [...text.matchAll(/^ *\d+: +(\d+)/gm)].reduce((sum, [, each]) => sum + Number(each), 0);
  const doorbells = Number(/^doorbells=(\d+)/m.exec(text)?.[1] ?? Number.NaN);
  return { interrupts, doorbells, received, sent };
}

/** @returns interrupts per 1000 frames received between two counts */
export function interruptsPerThousand(from: SignalCounts, to: SignalCounts): number {
  return (1000 * (to.interrupts - from.interrupts)) / (to.received - from.received);
}

/** @returns doorbells per 1000 frames sent between two counts */
export function doorbellsPerThousand(from: SignalCounts, to: SignalCounts): number {
  return (1000 * (to.doorbells - from.doorbells)) / (to.sent - from.sent);
}

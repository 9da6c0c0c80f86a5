/**
 * net-gbps: two network namespaces talk TCP through a PMM.
 *
 *     kernel A - tap - lkvm pmm - pool - lkvm aux --net-tap - tap - kernel B
 *
 * The floor is a veth pair between the same two namespaces: no copy at all, the kernel hands the same buffer over. Here
 * a segment is copied into the pool and out of it. On two processors sender, receiver, PMM and auxiliary runtime share
 * them, so this is a measure of work per byte more than of latency.
 */
import type { Bench, BenchOptions, Measurement } from './bench.js';
import { iperf, Network, networkMissing, until } from './support/network.js';
import { MAIN, PmmPlace, startPmm } from './support/pmm-child.js';

const SECONDS = 4;
const QUICK_SECONDS = 1;
const PMM_ADDRESS = '192.168.33.1';
const AUX_ADDRESS = '192.168.33.2';
const VETH_ADDRESS = '10.77.0.2';

/** The floor: a virtual cable. */
async function cable(a: Network, b: Network, seconds: number): Promise<number> {
  a.ip('link', 'add', 'cable0', 'type', 'veth', 'peer', 'name', 'cable1', 'netns', String(b.pid));
  a.ip('addr', 'add', '10.77.0.1/24', 'dev', 'cable0');
  a.ip('link', 'set', 'cable0', 'up');
  b.ip('addr', 'add', `${VETH_ADDRESS}/24`, 'dev', 'cable1');
  b.ip('link', 'set', 'cable1', 'up');
  await until('the veth pair', () => a.reaches(VETH_ADDRESS));
  const gbps = await iperf({ client: a, server: b, address: VETH_ADDRESS, seconds, reverse: false });
  a.ip('link', 'del', 'cable0');
  return gbps;
}

async function measure(options: BenchOptions): Promise<Measurement> {
  using a = await Network.make();
  using b = await Network.make();
  const seconds = options.quick ? QUICK_SECONDS : SECONDS;
  const floor = await cable(a, b, seconds);
  const place = new PmmPlace(options);
  const devices = ['--network', 'mode=tap,tapif=pmm0', '--region', 'net=32M'];
  await using _pmm = await startPmm(place, { poll: 'adaptive', size: '64M', devices, prefix: a.prefix });
  a.ip('addr', 'add', `${PMM_ADDRESS}/24`, 'dev', 'pmm0');
  a.ip('link', 'set', 'pmm0', 'up');
  const words = [...place.words, '--net-tap', 'aux0', '--loglevel', 'warning'];
  const aux = b.spawn([process.execPath, MAIN, 'aux', ...words]);
  try {
    await until('the tap of aux', () => {
      try {
        b.ip('addr', 'replace', `${AUX_ADDRESS}/24`, 'dev', 'aux0');
        b.ip('link', 'set', 'aux0', 'up');
        return true;
      } catch {
        return false; // aux has not made it yet
      }
    });
    await until('the PMM and aux', () => a.reaches(AUX_ADDRESS));
    const pair = { client: a, server: b, address: AUX_ADDRESS, seconds };
    const toAux = await iperf({ ...pair, reverse: false });
    const toPmm = await iperf({ ...pair, reverse: true });
    return {
      value: Math.min(toAux, toPmm),
      floor,
      extra: { pmm_to_aux_gbps: toAux, aux_to_pmm_gbps: toPmm },
    };
  } finally {
    aux.kill('SIGTERM');
  }
}

export const netGbps: Bench = {
  name: 'net-gbps',
  unit: 'Gbit/s',
  about: 'one TCP connection between two namespaces, the slower direction; floor: a veth pair',
  async run(options) {
    const missing = networkMissing();
    return missing === undefined ? await measure(options) : { skipped: missing };
  },
};

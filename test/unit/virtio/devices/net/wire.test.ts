// Network device: config space and packet header. Spec: virtio 1.2 sections 5.1.4 and 5.1.6.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  VIRTIO_F_VERSION_1,
  VIRTIO_NET_F_CSUM,
  VIRTIO_NET_F_HOST_ECN,
  VIRTIO_NET_F_HOST_TSO4,
  VIRTIO_NET_F_HOST_TSO6,
  VIRTIO_NET_F_HOST_UFO,
  VIRTIO_NET_F_MAC,
  VIRTIO_NET_F_MRG_RXBUF,
} from '#lkvm/abi/virtio.js';
import { featureSet } from '#lkvm/virtio/core/features.js';
import { netConfig, netHeaderBytes, TxRules } from '#lkvm/virtio/devices/net/wire.js';

const NEEDS_CSUM = 1;
const TCPV4 = 1;
const UDP = 3;
const TCPV6 = 4;
const ECN = 0x80;

interface Header {
  readonly flags?: number;
  readonly gso?: number;
  readonly hdrLen?: number;
  readonly gsoSize?: number;
  readonly csumStart?: number;
  readonly csumOffset?: number;
}

/** A header as a driver writes it: u8 flags, u8 gso, u16 x 4, (u16 num_buffers). */
function header(fields: Header, bytes = 12): Uint8Array {
  const view = new DataView(new ArrayBuffer(bytes));
  view.setUint8(0, fields.flags ?? 0);
  view.setUint8(1, fields.gso ?? 0);
  view.setUint16(2, fields.hdrLen ?? 0, true);
  view.setUint16(4, fields.gsoSize ?? 0, true);
  view.setUint16(6, fields.csumStart ?? 0, true);
  view.setUint16(8, fields.csumOffset ?? 0, true);
  return new Uint8Array(view.buffer);
}

test('net config: 24 bytes: MAC, link up, no queue pairs beyond the first', () => {
  const config = netConfig([2, 0x15, 0x15, 0x15, 0x15, 0x16]);
  assert.equal(config.length, 24);
  assert.deepEqual(config.subarray(0, 10), Uint8Array.of(2, 0x15, 0x15, 0x15, 0x15, 0x16, 1, 0, 0, 0));
  assert.deepEqual(config.subarray(10), new Uint8Array(14));
});

test('net header: 10 bytes; 12 with MRG_RXBUF or VERSION_1 (5.1.6)', () => {
  assert.equal(netHeaderBytes(featureSet(VIRTIO_NET_F_MAC)), 10);
  assert.equal(netHeaderBytes(featureSet(VIRTIO_NET_F_MRG_RXBUF)), 12);
  assert.equal(netHeaderBytes(featureSet(VIRTIO_F_VERSION_1)), 12);
});

const csum = { flags: NEEDS_CSUM, csumStart: 34, csumOffset: 16 };
const tso = { ...csum, gsoSize: 1448, hdrLen: 66 };
const C = VIRTIO_NET_F_CSUM;

// what, negotiated, header, frame bytes, accepted
const table: readonly (readonly [string, readonly number[], Header, number, boolean])[] = [
  ['an ordinary frame, nothing negotiated', [], {}, 60, true],
  ['checksum wanted, not negotiated', [], csum, 60, false],
  ['checksum wanted and negotiated', [C], csum, 60, true],
  ['checksum in the frame’s last two bytes', [C], { flags: 1, csumStart: 42, csumOffset: 16 }, 60, true],
  ['checksum one byte beyond the frame', [C], { flags: 1, csumStart: 43, csumOffset: 16 }, 60, false],
  [
    'checksum start and offset at their limits',
    [C],
    { flags: 1, csumStart: 0xffff, csumOffset: 0xffff },
    60,
    false,
  ],
  ['TSO4 not negotiated', [C], { ...tso, gso: TCPV4 }, 9000, false],
  ['TSO4', [C, VIRTIO_NET_F_HOST_TSO4], { ...tso, gso: TCPV4 }, 9000, true],
  ['TSO4 without checksum', [C, VIRTIO_NET_F_HOST_TSO4], { gso: TCPV4, gsoSize: 1448 }, 9000, false],
  ['TSO4 with size 0', [C, VIRTIO_NET_F_HOST_TSO4], { ...tso, gso: TCPV4, gsoSize: 0 }, 9000, false],
  ['TSO6 with only TSO4 negotiated', [C, VIRTIO_NET_F_HOST_TSO4], { ...tso, gso: TCPV6 }, 9000, false],
  ['TSO6', [C, VIRTIO_NET_F_HOST_TSO6], { ...tso, gso: TCPV6 }, 9000, true],
  ['UFO not negotiated', [C, VIRTIO_NET_F_HOST_TSO4], { ...tso, gso: UDP }, 9000, false],
  ['UFO', [C, VIRTIO_NET_F_HOST_UFO], { ...tso, gso: UDP }, 9000, true],
  ['ECN not negotiated', [C, VIRTIO_NET_F_HOST_TSO4], { ...tso, gso: TCPV4 | ECN }, 9000, false],
  ['ECN', [C, VIRTIO_NET_F_HOST_TSO4, VIRTIO_NET_F_HOST_ECN], { ...tso, gso: TCPV4 | ECN }, 9000, true],
  ['ECN without a type', [C, VIRTIO_NET_F_HOST_ECN], { ...tso, gso: ECN }, 9000, false],
  ['an unknown GSO type', [C, VIRTIO_NET_F_HOST_TSO4], { ...tso, gso: 5 }, 9000, false],
  ['GSO with nothing negotiated', [], { gso: TCPV4, gsoSize: 1448 }, 9000, false],
];

for (const [what, features, fields, frameBytes, accepted] of table) {
  test(`net tx header: ${what} → ${accepted ? 'accepted' : 'refused'}`, () => {
    assert.equal(new TxRules(featureSet(...features)).accept(header(fields), frameBytes), accepted);
  });
}

test('net tx header: unknown flags and meaningless fields → cleared, as the kernel checks them (5.1.6.2.2)', () => {
  const copy = header({ flags: 0xfe, hdrLen: 9, gsoSize: 9, csumStart: 9, csumOffset: 9 });
  copy[10] = 7;
  assert.equal(new TxRules(featureSet()).accept(copy, 60), true);
  assert.deepEqual(copy, new Uint8Array(12));
});

test('net tx header: hdr_len beyond the frame is only a hint → cleared', () => {
  const copy = header({ ...tso, gso: TCPV4, hdrLen: 9001 });
  assert.equal(new TxRules(featureSet(C, VIRTIO_NET_F_HOST_TSO4)).accept(copy, 9000), true);
  assert.deepEqual(copy.subarray(2, 4), Uint8Array.of(0, 0));
});

test('net tx header: any bytes, any features → accepted only with what was negotiated, checksum inside the frame', () => {
  const bits = fc.subarray([C, VIRTIO_NET_F_HOST_TSO4, VIRTIO_NET_F_HOST_TSO6, VIRTIO_NET_F_HOST_ECN]);
  const bytes = fc.uint8Array({ minLength: 10, maxLength: 10 });
  fc.assert(
    fc.property(bits, bytes, fc.integer({ min: 14, max: 65553 }), (features, raw, frameBytes) => {
      const copy = Uint8Array.from(raw);
      if (!new TxRules(featureSet(...features)).accept(copy, frameBytes)) return;
      const view = new DataView(copy.buffer);
      const checksums = (view.getUint8(0) & NEEDS_CSUM) !== 0;
      const type = view.getUint8(1) & 0x7f;
      assert.equal(view.getUint8(0) & ~NEEDS_CSUM, 0);
      assert.ok(!checksums || features.includes(C));
      assert.ok(!checksums || view.getUint16(6, true) + view.getUint16(8, true) + 2 <= frameBytes);
      assert.ok(
        type === 0 ||
          (type === TCPV4 && features.includes(VIRTIO_NET_F_HOST_TSO4)) ||
          (type === TCPV6 && features.includes(VIRTIO_NET_F_HOST_TSO6)),
      );
      assert.ok(view.getUint8(1) === 0 || (checksums && view.getUint16(4, true) > 0));
    }),
  );
});

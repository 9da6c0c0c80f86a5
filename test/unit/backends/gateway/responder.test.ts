// What the built-in gateway answers. Frames are hostile input: every length is checked.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FRAME_BYTES, Responder } from '#lkvm/backends/gateway/responder.js';
import {
  arpRequest,
  DHCP_XID,
  dhcpFrame,
  dhcpMessage,
  dhcpOptions,
  echoRequest,
  ethernet,
  GATEWAY_IP,
  GATEWAY_MAC,
  GUEST_IP,
  GUEST_MAC,
  icmp,
  ip,
  ipFrame,
  ipv4,
  plainChecksum,
  udp,
} from '../../../support/frames.js';

const settings = {
  mac: [2, 1, 1, 1, 1, 1],
  serverIp: 0xc0a82101,
  clientIp: 0xc0a8210f,
  netmask: 0xffffff00,
  router: 0xc0a82101,
  dns: [0xc0a82101],
  leaseSeconds: 86_400,
};

/** @returns the answer, or the negative or zero result */
function answer(frame: Uint8Array): Buffer | number {
  const reply = Buffer.alloc(FRAME_BYTES);
  const n = new Responder(settings).answer(frame, frame.length, reply);
  return n > 0 ? reply.subarray(0, n) : n;
}

function reply(frame: Uint8Array): Buffer {
  const result = answer(frame);
  if (typeof result === 'number') throw new Error(`no answer: ${result}`);
  return result;
}

/** The parts of an IPv4 frame, after checking what any receiver checks. */
function open(frame: Buffer): {
  to: string;
  source: string;
  destination: string;
  protocol: number;
  payload: Buffer;
} {
  assert.equal(frame.toString('hex', 6, 12), GATEWAY_MAC);
  assert.equal(frame.readUInt16BE(12), 0x0800);
  assert.equal(frame[14], 0x45);
  assert.equal(plainChecksum(frame.subarray(14, 34)), 0, 'IP checksum');
  assert.equal(frame.readUInt16BE(16), frame.length - 14, 'total length');
  return {
    to: frame.toString('hex', 0, 6),
    source: [...frame.subarray(26, 30)].join('.'),
    destination: [...frame.subarray(30, 34)].join('.'),
    protocol: frame[23] ?? 0,
    payload: frame.subarray(34),
  };
}

test('gateway arp: who has the gateway → its MAC', () => {
  const got = reply(arpRequest(GATEWAY_IP));
  assert.equal(
    got.toString('hex'),
    [
      GUEST_MAC,
      GATEWAY_MAC,
      '0806',
      '0001080006040002',
      GATEWAY_MAC,
      ip(GATEWAY_IP).toString('hex'),
      GUEST_MAC,
      ip(GUEST_IP).toString('hex'),
    ].join(''),
  );
});

test('gateway arp: who has anybody else → no answer', () => {
  assert.equal(answer(arpRequest('192.168.33.2')), -1);
  assert.equal(answer(arpRequest(GUEST_IP)), 0, 'announcement');
});

for (const [what, at, value] of [
  ['another hardware type', 15, 2],
  ['another protocol', 16, 9],
  ['other address lengths', 18, 7],
  ['a reply', 21, 2],
] as const) {
  test(`gateway arp: ${what} → no answer`, () => {
    const frame = arpRequest(GATEWAY_IP);
    frame[at] = value;
    assert.equal(answer(frame), -1);
  });
}

for (const bytes of [0, 1, 56, 1472]) {
  test(`gateway icmp: echo request with ${bytes} bytes → the same bytes back, checksums right`, () => {
    const request = echoRequest(bytes, 7);
    const got = open(reply(ipFrame({ protocol: 1, payload: request })));
    assert.deepEqual(
      [got.to, got.source, got.destination, got.protocol],
      [GUEST_MAC, GATEWAY_IP, GUEST_IP, 1],
    );
    assert.deepEqual(got.payload, icmp(0, 0, request.subarray(4)));
  });
}

test('gateway icmp: IP options and Ethernet padding → answered without either', () => {
  const packet = ipv4({ protocol: 1, payload: echoRequest(5), options: Buffer.alloc(8, 1) });
  const frame = ethernet(GATEWAY_MAC, GUEST_MAC, 0x0800, Buffer.concat([packet, Buffer.alloc(13, 0xff)]));
  assert.deepEqual(open(reply(frame)).payload, icmp(0, 0, echoRequest(5).subarray(4)));
});

const good = ipFrame({ protocol: 1, payload: echoRequest(20) });

/** A copy with some bytes changed and the IP header checksum put right again. */
function changed(edits: readonly (readonly [number, number])[]): Buffer {
  const frame = Buffer.from(good);
  for (const [at, value] of edits) frame[at] = value;
  frame.writeUInt16BE(0, 24);
  frame.writeUInt16BE(plainChecksum(frame.subarray(14, 34)), 24);
  return frame;
}

for (const [what, frame] of [
  ['IP version 6', changed([[14, 0x65]])],
  ['header length 16', changed([[14, 0x44]])],
  ['header longer than the packet', changed([[14, 0x4f]])],
  [
    'total length shorter than the header',
    changed([
      [16, 0],
      [17, 19],
    ]),
  ],
  [
    'total length beyond the frame',
    changed([
      [16, 0],
      [17, 49],
    ]),
  ],
  ['more fragments', changed([[20, 0x20]])],
  ['fragment offset', changed([[21, 1]])],
  ['another destination', changed([[33, 2]])],
  ['from 0.0.0.0', ipFrame({ source: '0.0.0.0', protocol: 1, payload: echoRequest(1) })],
  ['from a multicast address', ipFrame({ source: '224.0.0.1', protocol: 1, payload: echoRequest(1) })],
  ['to everybody', ipFrame({ destination: '255.255.255.255', protocol: 1, payload: echoRequest(1) })],
  ['IP checksum wrong', Buffer.concat([good.subarray(0, 24), Buffer.from([1, 2]), good.subarray(26)])],
  ['ICMP checksum wrong', Buffer.concat([good.subarray(0, 36), Buffer.from([1, 2]), good.subarray(38)])],
  ['an echo reply', ipFrame({ protocol: 1, payload: icmp(0, 0, Buffer.alloc(8)) })],
  ['another ICMP code', ipFrame({ protocol: 1, payload: icmp(8, 1, Buffer.alloc(8)) })],
  ['seven bytes of ICMP', ipFrame({ protocol: 1, payload: icmp(8, 0, Buffer.alloc(3)) })],
  ['another protocol', ipFrame({ protocol: 89, payload: Buffer.alloc(20) })],
  ['another ethertype', ethernet(GATEWAY_MAC, GUEST_MAC, 0x86dd, good.subarray(14))],
  ['another station', ethernet('020101010102', GUEST_MAC, 0x0800, good.subarray(14))],
] as const) {
  test(`gateway: ${what} → no answer`, () => assert.equal(answer(frame), -1));
}

test('gateway: a right echo request cut anywhere → no answer, no exception', () => {
  for (let n = 0; n < good.length; n++) assert.equal(answer(good.subarray(0, n)), -1);
});

test('gateway: a frame longer than 1514 → no answer', () => {
  assert.equal(answer(Buffer.concat([good, Buffer.alloc(1514)])), -1);
});

for (const [protocol, payload] of [
  [17, udp({ sourcePort: 4000, destinationPort: 53, payload: Buffer.from('who is there') })],
  [6, Buffer.from('0fa00050000000010000000050020000000000000', 'hex')],
] as const) {
  test(`gateway: protocol ${protocol} to the gateway → port unreachable, quoting the header and 8 bytes`, () => {
    const frame = ipFrame({ protocol, payload });
    const got = open(reply(frame));
    assert.equal(got.protocol, 1);
    const quoted = frame.subarray(14, 14 + 20 + 8);
    assert.deepEqual(got.payload, icmp(3, 3, Buffer.concat([Buffer.alloc(4), quoted])));
  });
}

for (const [what, payload] of [
  [
    'UDP checksum wrong',
    Buffer.concat([
      udp({ sourcePort: 1, destinationPort: 2, payload: Buffer.alloc(4) }).subarray(0, 6),
      Buffer.alloc(6, 9),
    ]),
  ],
  ['UDP length beyond the packet', Buffer.from('0001000200ff0000', 'hex')],
  ['UDP length below 8', Buffer.from('0001000200070000', 'hex')],
  ['seven bytes of UDP', Buffer.alloc(7)],
] as const) {
  test(`gateway: ${what} → no answer`, () => assert.equal(answer(ipFrame({ protocol: 17, payload })), -1));
}

/** A reply to a DHCP frame: addressing, fixed fields, options. */
function lease(frame: Buffer) {
  const { destination, payload, to } = open(reply(frame));
  assert.equal(payload.readUInt16BE(0), 67);
  assert.equal(payload.readUInt16BE(2), 68);
  assert.equal(payload.readUInt16BE(4), payload.length);
  const pseudo = Buffer.concat([
    ip(GATEWAY_IP),
    ip(destination),
    Buffer.from([0, 17]),
    payload.subarray(4, 6),
  ]);
  assert.equal(plainChecksum(Buffer.concat([pseudo, payload])), 0, 'UDP checksum');
  const message = payload.subarray(8);
  assert.ok(message.length >= 300, 'old clients want 300 bytes');
  assert.equal(message.toString('hex', 0, 3), '020106');
  assert.equal(message.readUInt32BE(4), DHCP_XID);
  assert.equal(message.toString('hex', 28, 34), GUEST_MAC);
  const yiaddr = [...message.subarray(16, 20)].join('.');
  return { to, destination, yiaddr, options: dhcpOptions(message) };
}

const LEASE = [
  [54, 'c0a82101'],
  [51, '00015180'],
  [1, 'ffffff00'],
  [3, 'c0a82101'],
  [6, 'c0a82101'],
] as const;

test('gateway dhcp: DISCOVER → OFFER with mask, router, name server, lease; unicast', () => {
  const got = lease(dhcpFrame({ type: 1 }));
  assert.deepEqual([got.to, got.destination, got.yiaddr], [GUEST_MAC, GUEST_IP, GUEST_IP]);
  assert.deepEqual(got.options, new Map<number, string>([[53, '02'], ...LEASE]));
});

test('gateway dhcp: DISCOVER with the broadcast flag → OFFER to everybody', () => {
  const got = lease(dhcpFrame({ type: 1, broadcast: true }));
  assert.deepEqual([got.to, got.destination], ['ffffffffffff', '255.255.255.255']);
});

test('gateway dhcp: REQUEST for the offered address → ACK', () => {
  const options = [
    [50, ip(GUEST_IP)],
    [54, ip(GATEWAY_IP)],
  ] as const;
  const got = lease(dhcpFrame({ type: 3, options }));
  assert.equal(got.yiaddr, GUEST_IP);
  assert.deepEqual(got.options, new Map<number, string>([[53, '05'], ...LEASE]));
});

test('gateway dhcp: renewal from the address → ACK, unicast', () => {
  const got = lease(dhcpFrame({ type: 3, ciaddr: GUEST_IP }));
  assert.deepEqual([got.destination, got.options.get(53)], [GUEST_IP, '05']);
});

test('gateway dhcp: REQUEST for another address → NAK to everybody, without a lease', () => {
  const got = lease(dhcpFrame({ type: 3, options: [[50, ip('10.0.0.7')]] }));
  assert.deepEqual([got.destination, got.yiaddr], ['255.255.255.255', '0.0.0.0']);
  assert.deepEqual(
    got.options,
    new Map([
      [53, '06'],
      [54, 'c0a82101'],
    ]),
  );
});

test('gateway dhcp: INFORM → ACK without address and lease', () => {
  const got = lease(dhcpFrame({ type: 8, ciaddr: '192.168.33.77' }));
  assert.deepEqual([got.destination, got.yiaddr, got.options.has(51)], ['192.168.33.77', '0.0.0.0', false]);
});

for (const [what, fields] of [
  ['REQUEST to another server', { type: 3, options: [[54, ip('192.168.33.9')]] as const }],
  ['RELEASE', { type: 7, ciaddr: GUEST_IP }],
  ['DECLINE', { type: 4 }],
  ['an unknown type', { type: 99 }],
] as const) {
  test(`gateway dhcp: ${what} → taken, no answer`, () => assert.equal(answer(dhcpFrame(fields)), 0));
}

test('gateway dhcp: a message cut anywhere, or with options running over its end → no answer, no exception', () => {
  const whole = dhcpMessage({ type: 1, options: [[12, Buffer.from('name')]] });
  const asFrame = (payload: Uint8Array) =>
    ipFrame({ protocol: 17, payload: udp({ sourcePort: 68, destinationPort: 67, payload }) });
  for (let n = 0; n <= 242; n++) assert.equal(answer(asFrame(whole.subarray(0, n))), 0, `${n} bytes`);
  const over = Buffer.from(whole);
  over[whole.length - 2 - 4] = 200;
  assert.equal(answer(asFrame(over)), 0);
});

test('gateway: any bytes, and right frames with any bytes changed → no exception; answers are whole and ours', () => {
  const right = [
    good,
    dhcpFrame({ type: 1 }),
    dhcpFrame({ type: 3, ciaddr: GUEST_IP }),
    arpRequest(GATEWAY_IP),
  ];
  const edit = fc.tuple(fc.nat(400), fc.nat(255));
  const any = fc.oneof(
    fc.uint8Array({ maxLength: 1600 }),
    fc.tuple(fc.constantFrom(...right), fc.array(edit, { maxLength: 4 })).map(([frame, edits]) => {
      const copy = Buffer.from(frame);
      for (const [at, value] of edits) copy[at % copy.length] = value;
      return copy;
    }),
  );
  fc.assert(
    fc.property(any, (frame) => {
      const got = answer(frame);
      if (typeof got === 'number') return;
      assert.ok(got.length >= 42 && got.length <= 1514);
      assert.equal(got.toString('hex', 6, 12), GATEWAY_MAC);
    }),
    { numRuns: 2000 },
  );
});

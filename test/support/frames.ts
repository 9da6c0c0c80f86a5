/** Builds and reads Ethernet frames for tests, from the RFCs' formulas; shares no code with src/. */

export const GATEWAY_MAC = '020101010101';
export const GUEST_MAC = '021515151515';
export const GATEWAY_IP = '192.168.33.1';
export const GUEST_IP = '192.168.33.15';

export function ip(text: string): Buffer {
  return Buffer.from(text.split('.').map(Number));
}

/** RFC 1071, in the plainest way: 32-bit sum of big-endian words, folded once at the end. */
export function plainChecksum(data: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < data.length; i += 2) sum += (data[i] ?? 0) * 256 + (data[i + 1] ?? 0);
  while (sum >= 65536) sum = (sum % 65536) + Math.floor(sum / 65536);
  return 65535 - sum;
}

export function ethernet(to: string, from: string, type: number, payload: Uint8Array): Buffer {
  return Buffer.concat([
    Buffer.from(to, 'hex'),
    Buffer.from(from, 'hex'),
    Buffer.from([type >> 8, type & 255]),
    payload,
  ]);
}

export interface Ipv4Fields {
  readonly source?: string;
  readonly destination?: string;
  readonly protocol: number;
  readonly payload: Uint8Array;
  /** Flags and fragment offset. */
  readonly fragment?: number;
  /** Option bytes, a multiple of 4. */
  readonly options?: Uint8Array;
}

export function ipv4(fields: Ipv4Fields): Buffer {
  const options = fields.options ?? new Uint8Array(0);
  const header = Buffer.concat([Buffer.alloc(20), options]);
  header[0] = 0x40 + header.length / 4;
  header.writeUInt16BE(header.length + fields.payload.length, 2);
  header.writeUInt16BE(0x1234, 4);
  header.writeUInt16BE(fields.fragment ?? 0x4000, 6);
  header[8] = 64;
  header[9] = fields.protocol;
  ip(fields.source ?? GUEST_IP).copy(header, 12);
  ip(fields.destination ?? GATEWAY_IP).copy(header, 16);
  header.writeUInt16BE(plainChecksum(header), 10);
  return Buffer.concat([header, fields.payload]);
}

/** A frame from the driver to the gateway with an IPv4 packet in it. */
export function ipFrame(fields: Ipv4Fields): Buffer {
  return ethernet(GATEWAY_MAC, GUEST_MAC, 0x0800, ipv4(fields));
}

export function icmp(type: number, code: number, rest: Uint8Array): Buffer {
  const message = Buffer.concat([Buffer.from([type, code, 0, 0]), rest]);
  message.writeUInt16BE(plainChecksum(message), 2);
  return message;
}

/** An echo request of `bytes` data bytes. */
export function echoRequest(bytes: number, sequence = 1): Buffer {
  const rest = Buffer.alloc(4 + bytes);
  rest.writeUInt16BE(0x7777, 0);
  rest.writeUInt16BE(sequence, 2);
  for (let i = 0; i < bytes; i++) rest[4 + i] = (i * 3 + sequence) & 0xff;
  return icmp(8, 0, rest);
}

export interface UdpFields {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly payload: Uint8Array;
  readonly source?: string;
  readonly destination?: string;
}

/** A UDP datagram with a right checksum. */
export function udp(fields: UdpFields): Buffer {
  const length = 8 + fields.payload.length;
  const datagram = Buffer.concat([Buffer.alloc(8), fields.payload]);
  datagram.writeUInt16BE(fields.sourcePort, 0);
  datagram.writeUInt16BE(fields.destinationPort, 2);
  datagram.writeUInt16BE(length, 4);
  const pseudo = Buffer.concat([
    ip(fields.source ?? GUEST_IP),
    ip(fields.destination ?? GATEWAY_IP),
    Buffer.from([0, 17, length >> 8, length & 255]),
  ]);
  datagram.writeUInt16BE(plainChecksum(Buffer.concat([pseudo, datagram])) || 0xffff, 6);
  return datagram;
}

export function arpRequest(target: string, source = GUEST_IP, sender = GUEST_MAC): Buffer {
  return ethernet(
    'ffffffffffff',
    sender,
    0x0806,
    Buffer.concat([
      Buffer.from('0001080006040001', 'hex'),
      Buffer.from(sender, 'hex'),
      ip(source),
      Buffer.alloc(6),
      ip(target),
    ]),
  );
}

export interface DhcpFields {
  readonly type: number;
  readonly broadcast?: boolean;
  readonly ciaddr?: string;
  /** More options: number and value. */
  readonly options?: readonly (readonly [number, Uint8Array])[];
}

export const DHCP_XID = 0x1badcafe;

/** A DHCP message from the client, as UDP payload. */
export function dhcpMessage(fields: DhcpFields): Buffer {
  const head = Buffer.alloc(240);
  head.set([1, 1, 6, 0]);
  head.writeUInt32BE(DHCP_XID, 4);
  head.writeUInt16BE(fields.broadcast === true ? 0x8000 : 0, 10);
  ip(fields.ciaddr ?? '0.0.0.0').copy(head, 12);
  Buffer.from(GUEST_MAC, 'hex').copy(head, 28);
  head.writeUInt32BE(0x63825363, 236);
  const options = [[53, Uint8Array.of(fields.type)] as const, ...(fields.options ?? [])].map(([n, value]) =>
    Buffer.concat([Buffer.from([n, value.length]), value]),
  );
  return Buffer.concat([head, ...options, Buffer.from([255])]);
}

export function dhcpFrame(fields: DhcpFields): Buffer {
  const source = fields.ciaddr ?? '0.0.0.0';
  const destination = fields.ciaddr === undefined ? '255.255.255.255' : GATEWAY_IP;
  const payload = udp({
    source,
    destination,
    sourcePort: 68,
    destinationPort: 67,
    payload: dhcpMessage(fields),
  });
  const packet = ipv4({ source, destination, protocol: 17, payload });
  return ethernet(fields.ciaddr === undefined ? 'ffffffffffff' : GATEWAY_MAC, GUEST_MAC, 0x0800, packet);
}

/** Options of a DHCP message, by number; hex. */
export function dhcpOptions(message: Buffer): Map<number, string> {
  const options = new Map<number, string>();
  for (let i = 240; i < message.length && message[i] !== 255; ) {
    const length = message[i + 1] ?? 0;
    options.set(message[i] ?? 0, message.toString('hex', i + 2, i + 2 + length));
    i += 2 + length;
  }
  return options;
}

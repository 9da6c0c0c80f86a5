/** The driver of a network device: keeps receive buffers posted, takes frames, sends frames; reuses its memory. */

import { type Features, hasFeature } from '#lkvm/virtio/core/features.js';
import type { NetDevice } from '#lkvm/virtio/devices/net/device.js';
import { DeviceRig } from './device-rig.js';

const RX = 0;
const TX = 1;
const TX_SLOTS = 32;
const TX_BYTES = 0x1_1000;

export interface Packet {
  readonly header: Buffer;
  readonly frame: Buffer;
}

export interface NetPortOptions {
  readonly features: Features;
  /** Bytes of each receive buffer, header included. */
  readonly rxBytes: number;
  /** How many; default 64. */
  readonly rxBuffers?: number;
  readonly access?: number;
}

export class NetPort {
  readonly rig: DeviceRig;
  readonly headerBytes: number;
  readonly #rxBytes: number;
  readonly #rxFree: number[] = [];
  readonly #rxAt = new Map<number, number>();
  readonly #txFree: number[] = [];
  readonly #txAt = new Map<number, number>();

  constructor(device: NetDevice, options: NetPortOptions) {
    const { features, rxBuffers = 64, rxBytes } = options;
    this.headerBytes = hasFeature(features, 15) ? 12 : 10;
    this.#rxBytes = rxBytes;
    const bytes = 0x1_0000 + Math.ceil((rxBuffers * rxBytes + TX_SLOTS * TX_BYTES) / 4096) * 4096;
    this.rig = new DeviceRig(device, { sizes: [256, 256], features, bytes, access: options.access ?? 0 });
    this.rig.start();
    for (let i = 0; i < rxBuffers; i++) this.#rxFree.push(this.rig.memory.alloc(rxBytes));
    for (let i = 0; i < TX_SLOTS; i++) this.#txFree.push(this.rig.memory.alloc(TX_BYTES));
    this.post();
  }

  /** Posts all free receive buffers. */
  post(): void {
    const driver = this.rig.driver(RX);
    for (const addr of this.#rxFree) {
      this.#rxAt.set(driver.addChain([{ addr, len: this.#rxBytes, writable: true }]), addr);
    }
    this.#rxFree.length = 0;
    driver.publish();
    this.rig.kick();
  }

  /** Takes the packets that have arrived, put together from their buffers, and posts the buffers again. */
  receive(): Packet[] {
    const packets: Packet[] = [];
    const pieces: Buffer[] = [];
    let left = 0;
    for (const { head, written } of this.rig.driver(RX).takeAllUsed()) {
      const addr = this.#rxAt.get(head) ?? 0;
      const piece = Buffer.from(this.rig.driver(RX).read(addr, written));
      this.#rxFree.push(addr);
      if (left === 0) left = this.headerBytes === 12 ? piece.readUInt16LE(10) : 1;
      pieces.push(piece);
      if (--left > 0) continue;
      const packet = Buffer.concat(pieces);
      pieces.length = 0;
      packets.push({
        header: packet.subarray(0, this.headerBytes),
        frame: packet.subarray(this.headerBytes),
      });
    }
    if (left > 0) throw new Error('NetPort: num_buffers says more than was delivered');
    if (packets.length > 0) this.post();
    return packets;
  }

  /** Sends a packet. @returns false if all slots are in use */
  send(frame: Uint8Array, header: Uint8Array = new Uint8Array(this.headerBytes)): boolean {
    const driver = this.rig.driver(TX);
    for (const { head } of driver.takeAllUsed()) this.#txFree.push(this.#txAt.get(head) ?? 0);
    const addr = this.#txFree.pop();
    if (addr === undefined) return false;
    driver.write(addr, header.subarray(0, this.headerBytes));
    driver.write(addr + this.headerBytes, frame);
    this.#txAt.set(driver.addChain([{ addr, len: this.headerBytes + frame.length }]), addr);
    driver.publish();
    this.rig.kick();
    return true;
  }
}

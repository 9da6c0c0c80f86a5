/** The table from interrupts (GSIs) to what they raise, as one thread knows it; `msi-routes.ts` shares it. */
import {
  KVM_IRQ_ROUTING_IRQCHIP,
  KVM_IRQ_ROUTING_MSI,
  KVM_ROUTE_BYTES,
  KVM_ROUTE_GSI_OFF,
  KVM_ROUTE_IRQCHIP_IRQCHIP_OFF,
  KVM_ROUTE_IRQCHIP_PIN_OFF,
  KVM_ROUTE_MSI_ADDRESS_HI_OFF,
  KVM_ROUTE_MSI_ADDRESS_LO_OFF,
  KVM_ROUTE_MSI_DATA_OFF,
  KVM_ROUTE_TYPE_OFF,
  KVM_ROUTING_BYTES,
  KVM_ROUTING_NR_OFF,
} from '../abi/kvm.js';
import {
  KVM_IOAPIC_NUM_PINS,
  KVM_IRQCHIP_IOAPIC,
  KVM_IRQCHIP_PIC_MASTER,
  KVM_IRQCHIP_PIC_SLAVE,
} from '../abi/kvm-x86.js';
import { NativeBuffer } from '../memory/native-buffer.js';
import { ConfigError } from '../util/errors.js';

interface PinRoute {
  readonly gsi: number;
  readonly chip: number;
  readonly pin: number;
}

interface MsiRoute {
  readonly addressLo: number;
  readonly addressHi: number;
  readonly data: number;
}

/** Pins of the two PICs together. */
const PIC_PINS = 16;
/** The pin of the first PIC to which the second one is connected. */
const CASCADE_PIN = 2;

/**
 * KVM replaces the table as a whole, so this keeps it. A GSI of a message is used again when it was released, so the
 * table does not grow with each change of a vector.
 */
export class GsiRouting {
  readonly #capacity: number;
  readonly #pins: PinRoute[] = [];
  readonly #messages = new Map<number, MsiRoute>();
  readonly #free: number[] = [];
  readonly #buffer: NativeBuffer;
  #nextGsi = KVM_IOAPIC_NUM_PINS;

  /** @param capacity most entries, KVM_CAP_IRQ_ROUTING says how many KVM takes (4096 today) */
  constructor(capacity = 1024) {
    this.#capacity = capacity;
    this.#buffer = new NativeBuffer(KVM_ROUTING_BYTES + capacity * KVM_ROUTE_BYTES);
  }

  /** Adds a pin of an interrupt controller (KVM_IRQCHIP_ constant). One GSI may have a pin on several. */
  addPin(gsi: number, chip: number, pin: number): void {
    this.#checkRoom();
    this.#pins.push({ gsi, chip, pin });
  }

  /**
   * The wiring of a PC: GSI n is line n of the PICs and of the IOAPIC, except that the timer, GSI 0, is on pin 2 of the
   * IOAPIC, where the PICs' cascade would be.
   */
  addPcPins(): void {
    for (let gsi = 0; gsi < PIC_PINS; gsi++) {
      if (gsi === CASCADE_PIN) continue;
      const chip = gsi < PIC_PINS / 2 ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE;
      this.addPin(gsi, chip, gsi % (PIC_PINS / 2));
    }
    for (let gsi = 0; gsi < KVM_IOAPIC_NUM_PINS; gsi++) {
      if (gsi === CASCADE_PIN) continue;
      this.addPin(gsi, KVM_IRQCHIP_IOAPIC, gsi === 0 ? CASCADE_PIN : gsi);
    }
  }

  /** A GSI for a message, above the pins. It raises nothing until {@link setMessage}. Errors: ConfigError if all are taken. */
  allocate(): number {
    const released = this.#free.pop();
    if (released !== undefined) return released;
    if (this.#nextGsi >= this.#capacity) throw new ConfigError(`all ${this.#capacity} interrupts are taken`);
    return this.#nextGsi++;
  }

  /** Gives a GSI back, and its route goes. */
  release(gsi: number): void {
    this.clearMessage(gsi);
    this.#free.push(gsi);
  }

  /** The GSI delivers nothing any more. */
  clearMessage(gsi: number): void {
    this.#messages.delete(gsi);
  }

  /**
   * What a GSI delivers: a write of `data` to the address. All three unsigned 32-bit.
   * @param gsi from {@link allocate}, or chosen by the caller, if it uses that for none
   */
  setMessage(gsi: number, addressLo: number, addressHi: number, data: number): void {
    if (!this.#messages.has(gsi)) this.#checkRoom();
    this.#messages.set(gsi, { addressLo, addressHi, data });
  }

  /** Entries now. */
  get size(): number {
    return this.#pins.length + this.#messages.size;
  }

  /** Writes the table as struct kvm_irq_routing. @returns its address, valid until the next call */
  encode(): number {
    const { view, u8, address } = this.#buffer;
    u8.fill(0, 0, KVM_ROUTING_BYTES + this.size * KVM_ROUTE_BYTES);
    view.setUint32(KVM_ROUTING_NR_OFF, this.size, true);
    let at = KVM_ROUTING_BYTES;
    for (const { gsi, chip, pin } of this.#pins) {
      this.#header(at, gsi, KVM_IRQ_ROUTING_IRQCHIP);
      view.setUint32(at + KVM_ROUTE_IRQCHIP_IRQCHIP_OFF, chip, true);
      view.setUint32(at + KVM_ROUTE_IRQCHIP_PIN_OFF, pin, true);
      at += KVM_ROUTE_BYTES;
    }
    for (const [gsi, { addressLo, addressHi, data }] of this.#messages) {
      this.#header(at, gsi, KVM_IRQ_ROUTING_MSI);
      view.setUint32(at + KVM_ROUTE_MSI_ADDRESS_LO_OFF, addressLo, true);
      view.setUint32(at + KVM_ROUTE_MSI_ADDRESS_HI_OFF, addressHi, true);
      view.setUint32(at + KVM_ROUTE_MSI_DATA_OFF, data, true);
      at += KVM_ROUTE_BYTES;
    }
    return address;
  }

  #header(at: number, gsi: number, type: number): void {
    this.#buffer.view.setUint32(at + KVM_ROUTE_GSI_OFF, gsi, true);
    this.#buffer.view.setUint32(at + KVM_ROUTE_TYPE_OFF, type, true);
  }

  #checkRoom(): void {
    if (this.size >= this.#capacity)
      throw new ConfigError(`an interrupt table has at most ${this.#capacity} entries`);
  }
}

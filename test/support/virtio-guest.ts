/**
 * A guest program that drives an entropy device over virtio-mmio: 32-bit code, interrupts by the PIC. It sets the device
 * up as virtio 1.2 section 3.1.1 says, makes one buffer of 16 bytes available again and again, kicks, sleeps, and is woken
 * by the device's interrupt. Offsets are those of section 4.2.2.
 *
 * The interrupt handler never returns (iretd of protected mode is an instruction that not every KVM can emulate): it goes
 * on with the next request, on a fresh stack.
 */
import { Asm } from './asm.js';
import { STACK } from './kvm-rig.js';
import * as reg from './trapped-rig.js';

export const DEVICE = 0xd300_0000;
export const GSI = 5;
/** Vector that the PIC delivers for {@link GSI}. */
export const VECTOR = 0x20 + GSI;
export const HANDLER = 0x1400;
export const QUEUE_SIZE = 8;
export const DESC = 0x2_0000;
export const AVAIL = 0x2_0100;
export const USED = 0x2_0200;
export const BUFFER = 0x2_1000;
export const BUFFER_BYTES = 16;

/** Ports the program reports on: device status; InterruptStatus and the first four bytes of each request; its end. */
export const STATUS_PORT = 0x50;
export const ISR_PORT = 0x51;
export const DATA_PORT = 0x52;
export const DONE_PORT = 0x80;

export interface GuestOptions {
  /** Requests, 1 ... 255; undefined = for ever, without reading InterruptStatus: no exit at all. */
  readonly rounds?: number;
  /** Where the available ring is said to be; default where it is. */
  readonly avail?: number;
}

/** mov eax, [address]; out port, eax */
function report(asm: Asm, address: number, port: number): Asm {
  const bytes = [0, 8, 16, 24].map((shift) => (address >>> shift) & 0xff);
  return asm.db(0xa1, ...bytes).outAx(port);
}

function wirePic(asm: Asm): Asm {
  return asm
    .outByte(0x20, 0x11)
    .outByte(0x21, 0x20)
    .outByte(0x21, 4)
    .outByte(0x21, 1)
    .outByte(0x21, ~(1 << GSI) & 0xff);
}

function setUp(asm: Asm, avail: number): Asm {
  const write = (register: number, value: number): Asm => asm.storeDword(DEVICE + register, value);
  write(reg.STATUS, 0);
  write(reg.STATUS, reg.ACKNOWLEDGE);
  write(reg.STATUS, reg.ACKNOWLEDGE | reg.DRIVER);
  write(reg.DRIVER_FEATURES_SEL, 1);
  write(reg.DRIVER_FEATURES, reg.VERSION_1);
  write(reg.STATUS, reg.ACKNOWLEDGE | reg.DRIVER | reg.FEATURES_OK);
  write(reg.QUEUE_SEL, 0);
  write(reg.QUEUE_NUM, QUEUE_SIZE);
  write(reg.QUEUE_DESC, DESC);
  write(reg.QUEUE_DRIVER, avail);
  write(reg.QUEUE_DEVICE, USED);
  write(reg.QUEUE_READY, 1);
  write(reg.STATUS, reg.RUNNING);
  return report(asm, DEVICE + reg.STATUS, STATUS_PORT);
}

/** One more available index, and the kick. */
function request(asm: Asm): Asm {
  const at = AVAIL + 2;
  const incWord = [0x66, 0xff, 0x05, at & 0xff, (at >>> 8) & 0xff, at >>> 16, 0];
  return asm.db(...incWord).storeDword(DEVICE + reg.QUEUE_NOTIFY, 0);
}

/** The program, for CODE. */
export function entropyGuest({ avail = AVAIL }: GuestOptions = {}): Uint8Array {
  const asm = setUp(wirePic(new Asm(32)), avail)
    .storeDword(DESC, BUFFER)
    .storeDword(DESC + 8, BUFFER_BYTES)
    .storeDword(DESC + 12, 2); // device-writable
  return request(asm).sti().label('wait').hlt().jmp('wait').code();
}

/** Its interrupt handler, for {@link HANDLER}. */
export function entropyHandler({ rounds }: GuestOptions = {}): Uint8Array {
  const asm = new Asm(32).outByte(0x20, 0x20);
  if (rounds !== undefined) {
    report(asm, DEVICE + reg.INTERRUPT_STATUS, ISR_PORT);
    asm.storeDword(DEVICE + reg.INTERRUPT_ACK, 3);
    report(asm, BUFFER, DATA_PORT)
      .loadAl(USED + 2)
      .cmpAl(rounds)
      .je('done');
  }
  request(asm).db(0xbc, STACK & 0xff, STACK >> 8, 0, 0); // mov esp, STACK
  return asm
    .sti()
    .label('wait')
    .hlt()
    .jmp('wait')
    .label('done')
    .outByte(DONE_PORT, 0)
    .cli()
    .label('halt')
    .hlt()
    .jmp('halt')
    .code();
}

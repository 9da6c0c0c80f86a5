// One vCPU and one host at a 16550A. The whole way to the host is in serial-pump.test.ts, several threads in serial-threads.test.ts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as u from '#lkvm/abi/uart.js';
import { SerialRig, TTYS0 } from '../../support/serial-rig.js';

const FIFO = u.UART_FCR_ENABLE_FIFO;
/** Register values before anybody has touched the port: 9600 baud, 8 bits. */
const UNTOUCHED = { IER: 0, IIR: u.UART_IIR_NO_INT, LCR: 0x03, MCR: 0x08, LSR: 0x60, MSR: 0xb0, SCR: 0 };

test('Serial8250: untouched → as firmware leaves it; the divisor is not 0', () => {
  const rig = new SerialRig();
  const seen = {
    IER: rig.get(u.UART_IER),
    IIR: rig.get(u.UART_IIR),
    LCR: rig.get(u.UART_LCR),
    MCR: rig.get(u.UART_MCR),
    LSR: rig.get(u.UART_LSR),
    MSR: rig.get(u.UART_MSR),
    SCR: rig.get(u.UART_SCR),
  };
  assert.deepEqual(seen, UNTOUCHED);
  rig.set(u.UART_LCR, u.UART_LCR_DLAB);
  assert.deepEqual([rig.get(u.UART_DLL), rig.get(u.UART_DLM)], [12, 0]);
});

test('Serial8250: DLAB set → offsets 0 and 1 are the divisor, nothing is sent or enabled', () => {
  const rig = new SerialRig();
  rig.set(u.UART_LCR, u.UART_LCR_DLAB | u.UART_LCR_WLEN8);
  rig.set(u.UART_DLL, 0x34);
  rig.set(u.UART_DLM, 0x12);
  assert.deepEqual([rig.get(u.UART_DLL), rig.get(u.UART_DLM)], [0x34, 0x12]);
  rig.set(u.UART_LCR, u.UART_LCR_WLEN8);
  assert.equal(rig.get(u.UART_IER), 0);
  assert.equal(rig.sent(), '');
});

test('Serial8250: bits that a 16550A does not have → read 0: IER 4-7, MCR 5-7, the 64-byte FIFO', () => {
  const rig = new SerialRig();
  rig.set(u.UART_IER, 0xf0);
  rig.set(u.UART_MCR, 0xe0);
  rig.set(u.UART_FCR, FIFO | 0x20);
  assert.deepEqual([rig.get(u.UART_IER), rig.get(u.UART_MCR), rig.get(u.UART_IIR) & 0x30], [0, 0, 0]);
});

test('Serial8250: LSR and MSR written → nothing changes', () => {
  const rig = new SerialRig();
  rig.set(u.UART_LSR, 0xff);
  rig.set(u.UART_MSR, 0xff);
  assert.deepEqual([rig.get(u.UART_LSR), rig.get(u.UART_MSR)], [UNTOUCHED.LSR, UNTOUCHED.MSR]);
});

test('Serial8250: two bytes wide → two registers, low one first', () => {
  const rig = new SerialRig();
  rig.set(u.UART_LCR, u.UART_LCR_DLAB);
  rig.pio.write(TTYS0, 2, 0x0201);
  assert.deepEqual([rig.get(u.UART_DLL), rig.get(u.UART_DLM)], [1, 2]);
  assert.equal(rig.pio.read(TTYS0, 2), 0x0201);
});

// What drivers/tty/serial/8250/8250_port.c of Linux 6.1 does to find out what a port is.
test('Serial8250: autoconfiguration as Linux does it → a 16550A with working loopback', () => {
  const rig = new SerialRig();
  rig.set(u.UART_IER, 0);
  assert.equal(rig.get(u.UART_IER) & 0x0f, 0);
  rig.set(u.UART_IER, 0x0f);
  assert.equal(rig.get(u.UART_IER) & 0x0f, 0x0f);
  rig.set(u.UART_IER, 0);
  const mcr = rig.get(u.UART_MCR);
  rig.set(u.UART_MCR, u.UART_MCR_LOOP | u.UART_MCR_OUT2 | u.UART_MCR_RTS);
  assert.equal(rig.get(u.UART_MSR) & 0xf0, u.UART_MSR_DCD | u.UART_MSR_CTS);
  rig.set(u.UART_MCR, mcr);
  rig.set(u.UART_LCR, 0xbf);
  rig.set(u.UART_FCR, 0);
  rig.set(u.UART_LCR, 0);
  rig.set(u.UART_FCR, FIFO);
  assert.equal(rig.get(u.UART_IIR) >> 6, 3, '16550A');
  rig.set(u.UART_LCR, u.UART_LCR_DLAB);
  assert.notEqual(rig.get(2), 0, 'not a 16650: EFR is not there');
  rig.set(u.UART_LCR, 0xbf);
  assert.notEqual(rig.get(2), 0, 'not a 16650V2');
  rig.set(u.UART_LCR, 0);
  rig.set(u.UART_FCR, FIFO | 0x20);
  assert.equal(rig.get(u.UART_IIR) >> 5, 6);
  rig.set(u.UART_LCR, u.UART_LCR_DLAB);
  rig.set(u.UART_FCR, FIFO | 0x20);
  assert.equal(rig.get(u.UART_IIR) >> 5, 6, 'not a 16750');
  rig.set(u.UART_FCR, FIFO);
  rig.set(u.UART_LCR, 0);
  rig.set(u.UART_IER, 0x40);
  assert.equal(rig.get(u.UART_IER), 0, 'not an XScale');
  for (const pattern of [0xa5, 0x5a]) {
    rig.set(u.UART_SCR, pattern);
    assert.equal(rig.get(u.UART_SCR), pattern, 'not an 8250');
  }
});

// serial8250_do_startup: a port that fails either test is polled by timer from then on.
test('Serial8250: the THRE tests of Linux → the interrupt comes each time it is enabled', () => {
  const rig = new SerialRig();
  rig.set(u.UART_IER, u.UART_IER_THRI);
  assert.equal(rig.get(u.UART_IIR), u.UART_IIR_THRI);
  rig.set(u.UART_IER, 0);
  rig.set(u.UART_IER, u.UART_IER_THRI);
  assert.equal(rig.get(u.UART_IIR), u.UART_IIR_THRI);
  rig.set(u.UART_IER, 0);
  rig.set(u.UART_IER, u.UART_IER_THRI);
  assert.equal(rig.get(u.UART_LSR) & u.UART_LSR_TEMT, u.UART_LSR_TEMT);
  assert.equal(rig.get(u.UART_IIR), u.UART_IIR_THRI);
  rig.set(u.UART_IER, 0);
  assert.ok(!rig.irq);
});

test('Serial8250: THRI → raised by enabling, taken back by reading IIR, raised again by each byte sent', () => {
  const rig = new SerialRig();
  rig.set(u.UART_IER, u.UART_IER_THRI);
  assert.ok(rig.irq);
  assert.equal(rig.get(u.UART_IIR), u.UART_IIR_THRI);
  assert.ok(!rig.irq);
  assert.equal(rig.get(u.UART_IIR), u.UART_IIR_NO_INT);
  rig.set(u.UART_IER, u.UART_IER_THRI); // already enabled: no new event
  assert.ok(!rig.irq);
  rig.set(u.UART_TX, 0x41, 0x42);
  assert.ok(rig.irq);
  assert.deepEqual(rig.changes, ['4+', '4-', '4+']);
  assert.equal(rig.sent(), 'AB');
});

test('Serial8250: output → in order; one doorbell for the first byte, one for the half-full ring', () => {
  const rig = new SerialRig();
  const text = 'x'.repeat(0x2000);
  rig.set(u.UART_TX, ...Buffer.from(text.slice(0, 100)));
  assert.equal(rig.doorbells, 1);
  rig.set(u.UART_TX, ...Buffer.from(text.slice(100)));
  assert.equal(rig.doorbells, 2);
  assert.equal(rig.sent(), text);
  rig.set(u.UART_TX, 0x79); // the consumer has not gone to sleep: it looks by itself
  assert.equal(rig.doorbells, 2);
  assert.equal(rig.sent(), 'y');
  assert.ok(rig.serial.output.sleep());
  rig.set(u.UART_TX, 0x7a);
  assert.equal(rig.doorbells, 3);
});

test('Serial8250: host takes nothing → THRE goes, THRI waits; a driver that looks loses nothing', () => {
  const rig = new SerialRig();
  rig.set(u.UART_IER, u.UART_IER_THRI);
  let sent = 0;
  while ((rig.get(u.UART_LSR) & u.UART_LSR_THRE) !== 0 && sent < 100_000) {
    for (let i = 0; i < 16; i++) rig.set(u.UART_TX, sent++ & 0xff);
  }
  assert.ok(sent > 0x3000 && sent < 0x4000, `${sent}`);
  rig.get(u.UART_IIR);
  assert.ok(!rig.irq, 'not empty: no interrupt');
  rig.set(u.UART_IER, 0);
  rig.set(u.UART_IER, u.UART_IER_THRI);
  assert.ok(!rig.irq, 'enabling it does not raise it now');
  const taken = Buffer.from(rig.sent(), 'latin1');
  assert.equal(taken.length, sent);
  assert.ok(taken.every((byte, i) => byte === (i & 0xff)));
  assert.ok(rig.irq, 'room again');
  assert.equal(rig.get(u.UART_LSR), 0x60);
  assert.equal(rig.serial.lost, 0);
});

test('Serial8250: a driver that writes into a full ring, host gone → waits once, then the bytes are counted as lost', () => {
  const rig = new SerialRig();
  for (let i = 0; i < 0x4000; i++) rig.set(u.UART_TX, i & 0xff);
  assert.equal(rig.serial.lost, 0);
  for (let i = 0; i < 1000; i++) rig.set(u.UART_TX, 0);
  assert.equal(rig.serial.lost, 1000);
  assert.equal(rig.sent().length, 0x4000);
  rig.set(u.UART_TX, 0x41);
  assert.equal(rig.sent(), 'A');
});

test('Serial8250: input → DR, interrupt while enabled, bytes in order, then nothing', () => {
  const rig = new SerialRig();
  rig.type('ab');
  assert.equal(rig.get(u.UART_LSR), 0x61);
  assert.ok(!rig.irq);
  rig.set(u.UART_IER, u.UART_IER_RDI);
  assert.ok(rig.irq);
  assert.equal(rig.get(u.UART_IIR), u.UART_IIR_RDI);
  assert.equal(rig.readAll(), 'ab');
  assert.ok(!rig.irq);
  assert.equal(rig.get(u.UART_RX), 0);
});

for (const [fcr, trigger] of [
  [FIFO, 1],
  [FIFO | u.UART_FCR_TRIGGER_4, 4],
  [FIFO | u.UART_FCR_TRIGGER_8, 8],
  [FIFO | u.UART_FCR_TRIGGER_14, 14],
] as const) {
  test(`Serial8250: FIFO with trigger ${trigger} → fewer bytes show as a timeout, so many as data`, () => {
    const rig = new SerialRig();
    rig.set(u.UART_FCR, fcr);
    rig.set(u.UART_IER, u.UART_IER_RDI);
    for (let n = 1; n <= 16; n++) {
      rig.type('x');
      const id = n < trigger ? u.UART_IIR_RX_TIMEOUT : u.UART_IIR_RDI;
      assert.equal(rig.get(u.UART_IIR), id | u.UART_IIR_FIFO_ENABLED);
    }
    assert.ok(rig.irq);
    assert.deepEqual(rig.changes, ['4+'], 'one edge');
  });
}

test('Serial8250: FIFO cleared → what is in its 16 places is lost, what waits behind comes', () => {
  const rig = new SerialRig();
  rig.set(u.UART_FCR, FIFO);
  rig.type('0123456789abcdefREST');
  rig.set(u.UART_FCR, FIFO | u.UART_FCR_CLEAR_RCVR);
  assert.equal(rig.readAll(), 'REST');
});

test('Serial8250: CLEAR_RCVR without the FIFO enabled → ignored, as are the trigger bits', () => {
  const rig = new SerialRig();
  rig.type('ab');
  rig.set(u.UART_FCR, u.UART_FCR_CLEAR_RCVR | u.UART_FCR_TRIGGER_14);
  assert.equal(rig.readAll(), 'ab');
  assert.equal(rig.get(u.UART_IIR), u.UART_IIR_NO_INT);
});

test('Serial8250: LCR written → the FIFO keeps its bytes, and LCR reads back', () => {
  const rig = new SerialRig();
  rig.type('ab');
  rig.set(u.UART_LCR, 0x07);
  assert.equal(rig.get(u.UART_LCR), 0x07);
  assert.equal(rig.readAll(), 'ab');
});

test('Serial8250: BREAK and a letter → BI with a zero byte, once, the letter behind; line status interrupt until LSR is read', () => {
  const rig = new SerialRig();
  rig.set(u.UART_FCR, FIFO);
  rig.set(u.UART_IER, u.UART_IER_RDI | u.UART_IER_RLSI);
  assert.ok(rig.serial.receiveBreak(0x68));
  assert.equal(rig.get(u.UART_IIR) & 0x0f, u.UART_IIR_RLSI);
  assert.equal(rig.get(u.UART_LSR), 0x60 | u.UART_LSR_FIFOE | u.UART_LSR_BI | u.UART_LSR_DR);
  assert.equal(rig.get(u.UART_LSR), 0x61);
  assert.equal(rig.get(u.UART_IIR) & 0x0f, u.UART_IIR_RDI);
  assert.equal(rig.get(u.UART_RX), 0);
  assert.equal(rig.get(u.UART_LSR), 0x61);
  assert.equal(rig.get(u.UART_RX), 0x68);
  assert.ok(!rig.irq);
});

test('Serial8250: only line status interrupts enabled → reading LSR takes the interrupt back', () => {
  const rig = new SerialRig();
  rig.set(u.UART_IER, u.UART_IER_RLSI);
  rig.serial.receiveBreak(-1);
  assert.ok(rig.irq);
  rig.get(u.UART_LSR);
  assert.ok(!rig.irq);
});

test('Serial8250: BREAK behind other input → BI only when it is its turn', () => {
  const rig = new SerialRig();
  rig.set(u.UART_FCR, FIFO);
  rig.type('a');
  rig.serial.receiveBreak(-1);
  assert.equal(rig.get(u.UART_LSR), 0x61 | u.UART_LSR_FIFOE);
  assert.equal(rig.get(u.UART_RX), 0x61);
  assert.equal(rig.get(u.UART_LSR), 0x61 | u.UART_LSR_FIFOE | u.UART_LSR_BI);
  assert.equal(rig.readAll(), '\0');
});

test('Serial8250: BREAK when the ring is full → refused, nothing is overwritten', () => {
  const rig = new SerialRig();
  assert.equal(rig.type('x'.repeat(5000)), 4096);
  assert.ok(!rig.serial.receiveBreak(0x68));
  assert.equal(rig.readAll(), 'x'.repeat(4096));
});

test('Serial8250: loopback → a byte sent comes back and does not go out; the modem lines follow the outputs', () => {
  const rig = new SerialRig();
  rig.set(u.UART_FCR, FIFO);
  for (const [mcr, msr] of [
    [u.UART_MCR_DTR, u.UART_MSR_DSR],
    [u.UART_MCR_RTS, u.UART_MSR_CTS],
    [u.UART_MCR_OUT1, u.UART_MSR_RI],
    [u.UART_MCR_OUT2, u.UART_MSR_DCD],
    [0x0f, 0xf0],
    [0, 0],
  ] as const) {
    rig.set(u.UART_MCR, u.UART_MCR_LOOP | mcr);
    assert.equal(rig.get(u.UART_MSR) & 0xf0, msr);
  }
  rig.set(u.UART_TX, 0xae, 0xea);
  assert.equal(rig.readAll(), '\xae\xea');
  rig.set(u.UART_MCR, 0x0b);
  assert.equal(rig.sent(), '');
});

test('Serial8250: loopback with input waiting → only what was sent is heard; the input is there afterwards', () => {
  const rig = new SerialRig();
  rig.type('typed');
  rig.set(u.UART_MCR, u.UART_MCR_LOOP);
  assert.equal(rig.get(u.UART_LSR), 0x60);
  rig.set(u.UART_TX, 0xae);
  assert.equal(rig.get(u.UART_RX), 0xae);
  rig.set(u.UART_TX, 0x11);
  rig.type(' more');
  rig.set(u.UART_MCR, 0x0b);
  assert.equal(rig.readAll(), 'typed more');
});

test('Serial8250: loopback left with a byte unread → it is gone in the next loopback', () => {
  const rig = new SerialRig();
  rig.set(u.UART_MCR, u.UART_MCR_LOOP);
  rig.set(u.UART_TX, 0x11);
  rig.set(u.UART_MCR, 0x0b);
  assert.equal(rig.get(u.UART_LSR), 0x60);
  rig.set(u.UART_MCR, u.UART_MCR_LOOP);
  assert.equal(rig.get(u.UART_LSR), 0x60);
});

test('Serial8250: loopback, a byte too many → overrun, once: the FIFO keeps the old ones, without FIFO the new one stays', () => {
  const rig = new SerialRig();
  rig.set(u.UART_FCR, FIFO);
  rig.set(u.UART_MCR, u.UART_MCR_LOOP);
  rig.set(u.UART_TX, ...Buffer.from('0123456789abcdefX'));
  assert.equal(rig.get(u.UART_LSR), 0x61 | u.UART_LSR_OE);
  assert.equal(rig.readAll(), '0123456789abcdef');
  rig.set(u.UART_FCR, 0);
  rig.set(u.UART_TX, 0x31, 0x32);
  assert.equal(rig.get(u.UART_LSR), 0x61 | u.UART_LSR_OE);
  assert.equal(rig.readAll(), '2');
});

test('Serial8250: loopback, break control set → BREAK is heard', () => {
  const rig = new SerialRig();
  rig.set(u.UART_MCR, u.UART_MCR_LOOP);
  rig.set(u.UART_LCR, 0x03 | u.UART_LCR_SBC);
  assert.equal(rig.get(u.UART_LSR), 0x61 | u.UART_LSR_BI);
  assert.equal(rig.get(u.UART_RX), 0);
  rig.set(u.UART_LCR, 0x03);
  assert.equal(rig.get(u.UART_LSR), 0x60);
});

test('Serial8250: modem lines change → delta bits and interrupt, both gone once MSR is read; the ring indicator at its end', () => {
  const rig = new SerialRig();
  rig.set(u.UART_MCR, u.UART_MCR_LOOP);
  rig.get(u.UART_MSR);
  rig.set(u.UART_IER, u.UART_IER_MSI);
  rig.set(u.UART_MCR, u.UART_MCR_LOOP | u.UART_MCR_RTS | u.UART_MCR_OUT1);
  assert.ok(rig.irq);
  assert.equal(rig.get(u.UART_IIR), u.UART_IIR_MSI);
  assert.equal(rig.get(u.UART_MSR), u.UART_MSR_CTS | u.UART_MSR_RI | u.UART_MSR_DCTS);
  assert.ok(!rig.irq);
  rig.set(u.UART_MCR, u.UART_MCR_LOOP | u.UART_MCR_RTS);
  assert.equal(rig.get(u.UART_MSR), u.UART_MSR_CTS | u.UART_MSR_TERI);
});

test('Serial8250: all interrupts at once → IIR names them by priority as they are served', () => {
  const rig = new SerialRig();
  rig.set(u.UART_MCR, u.UART_MCR_LOOP);
  rig.set(u.UART_MCR, 0x0b); // deltas
  rig.serial.receiveBreak(-1);
  rig.set(u.UART_IER, 0x0f);
  const ids = [rig.get(u.UART_IIR)];
  rig.get(u.UART_LSR);
  ids.push(rig.get(u.UART_IIR));
  rig.get(u.UART_RX);
  ids.push(rig.get(u.UART_IIR), rig.get(u.UART_IIR));
  rig.get(u.UART_MSR);
  ids.push(rig.get(u.UART_IIR));
  assert.deepEqual(ids, [
    u.UART_IIR_RLSI,
    u.UART_IIR_RDI,
    u.UART_IIR_THRI,
    u.UART_IIR_MSI,
    u.UART_IIR_NO_INT,
  ]);
});

test('Serial8250: ttyS0 and ttyS2 share a line → it is up while either wants it', () => {
  const rig = new SerialRig();
  rig.set(u.UART_IER, u.UART_IER_THRI);
  rig.out(0x3e8 + u.UART_IER, u.UART_IER_THRI);
  rig.get(u.UART_IIR);
  assert.ok(rig.irq);
  rig.in(0x3e8 + u.UART_IIR);
  assert.ok(!rig.irq);
  assert.deepEqual(rig.changes, ['4+', '4-']);
});

test('Serial8250: input ring full → no room until the guest has read most of it, then one doorbell', () => {
  const rig = new SerialRig();
  assert.equal(rig.serial.inputRoom(), 4096);
  rig.type('x'.repeat(4096));
  assert.equal(rig.serial.inputRoom(), 0);
  let reads = 0;
  for (; rig.doorbells === 0 && reads < 5000; reads++) rig.get(u.UART_RX);
  assert.equal(reads, 3072);
  rig.get(u.UART_RX);
  assert.equal(rig.doorbells, 1);
  assert.equal(rig.serial.inputRoom(), 3073);
});

test('Serial8250: a receiving driver takes back RTS → no input until it shows it again', () => {
  const rig = new SerialRig();
  rig.set(u.UART_IER, u.UART_IER_RDI);
  rig.set(u.UART_MCR, 0x0b);
  rig.set(u.UART_MCR, 0x09);
  assert.equal(rig.serial.inputRoom(), 0);
  rig.set(u.UART_MCR, 0x0b);
  assert.equal(rig.doorbells, 1);
  assert.equal(rig.serial.inputRoom(), 4096);
});

test('Serial8250: RTS never shown, dropped while not receiving, or the driver stops → input goes on', () => {
  const rig = new SerialRig();
  rig.set(u.UART_IER, u.UART_IER_RDI);
  rig.set(u.UART_MCR, 0x08);
  assert.equal(rig.serial.inputRoom(), 4096);
  rig.set(u.UART_IER, 0);
  rig.set(u.UART_MCR, 0x0b);
  rig.set(u.UART_MCR, 0x08);
  assert.equal(rig.serial.inputRoom(), 4096);
  rig.set(u.UART_IER, u.UART_IER_RDI);
  rig.set(u.UART_MCR, 0x0b);
  rig.set(u.UART_MCR, 0x08);
  assert.equal(rig.serial.inputRoom(), 0);
  rig.set(u.UART_IER, 0);
  assert.equal(rig.serial.inputRoom(), 4096);
});

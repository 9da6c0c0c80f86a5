// 16550A serial port: <linux/serial_reg.h>; National Semiconductor PC16550D data sheet.

// Register offsets. RX, TX and IER are DLL and DLM while LCR has DLAB.
export const UART_RX = 0;
export const UART_TX = 0;
export const UART_DLL = 0;
export const UART_DLM = 1;
export const UART_IER = 1;
export const UART_IIR = 2;
export const UART_FCR = 2;
export const UART_LCR = 3;
export const UART_MCR = 4;
export const UART_LSR = 5;
export const UART_MSR = 6;
export const UART_SCR = 7;
export const UART_REGISTERS = 8;

// Interrupt enable
export const UART_IER_RDI = 0x01;
export const UART_IER_THRI = 0x02;
export const UART_IER_RLSI = 0x04;
export const UART_IER_MSI = 0x08;

// Interrupt identification, highest priority first; the last one means "none"
export const UART_IIR_RLSI = 0x06;
export const UART_IIR_RX_TIMEOUT = 0x0c;
export const UART_IIR_RDI = 0x04;
export const UART_IIR_THRI = 0x02;
export const UART_IIR_MSI = 0x00;
export const UART_IIR_NO_INT = 0x01;
/** Both FIFO bits: a 16550A whose FIFOs are on. */
export const UART_IIR_FIFO_ENABLED = 0xc0;

// FIFO control
export const UART_FCR_ENABLE_FIFO = 0x01;
export const UART_FCR_CLEAR_RCVR = 0x02;
export const UART_FCR_CLEAR_XMIT = 0x04;
export const UART_FCR_TRIGGER_MASK = 0xc0;
export const UART_FCR_TRIGGER_4 = 0x40;
export const UART_FCR_TRIGGER_8 = 0x80;
export const UART_FCR_TRIGGER_14 = 0xc0;

// Line control
export const UART_LCR_WLEN8 = 0x03;
export const UART_LCR_SBC = 0x40;
export const UART_LCR_DLAB = 0x80;

// Modem control
export const UART_MCR_DTR = 0x01;
export const UART_MCR_RTS = 0x02;
export const UART_MCR_OUT1 = 0x04;
export const UART_MCR_OUT2 = 0x08;
export const UART_MCR_LOOP = 0x10;

// Line status
export const UART_LSR_DR = 0x01;
export const UART_LSR_OE = 0x02;
export const UART_LSR_PE = 0x04;
export const UART_LSR_FE = 0x08;
export const UART_LSR_BI = 0x10;
export const UART_LSR_THRE = 0x20;
export const UART_LSR_TEMT = 0x40;
export const UART_LSR_FIFOE = 0x80;
export const UART_LSR_BRK_ERROR_BITS = 0x1e;

// Modem status
export const UART_MSR_DCTS = 0x01;
export const UART_MSR_DDSR = 0x02;
export const UART_MSR_TERI = 0x04;
export const UART_MSR_DDCD = 0x08;
export const UART_MSR_CTS = 0x10;
export const UART_MSR_DSR = 0x20;
export const UART_MSR_RI = 0x40;
export const UART_MSR_DCD = 0x80;

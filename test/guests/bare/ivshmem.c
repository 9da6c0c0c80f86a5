// A front end of the hypervisorless protocol on QEMU's ivshmem-doorbell device, written from the protocol text: finds
// the pool in BAR 2, starts the first entropy device as the front ends in the field do, asks for random bytes, and sleeps
// for every answer until the interrupt comes. Speaks over the first serial port.
// command line: requests=N  then=0 stop, 1 reboot, 2 power off, 3 sleep for ever
#include "virtio.h"

enum { IVSHMEM_ID = 0x11101af4, MSIX_CAPABILITY = 0x11, MSIX_ENABLE = 1u << 31, VECTOR = 0x40 };
enum { BAR_IV_POSITION = 8, BAR_DOORBELL = 12 };
enum { LAPIC = 0xfee00000, LAPIC_EOI = 0xb0, LAPIC_SPURIOUS = 0xf0, LAPIC_ENABLED = 0x1ff };
// registers of a device's block
enum { R_MAGIC = 0, R_VERSION = 4, R_DEVICE = 8, R_DRIVER_FEATURES = 0x20, R_PAGE_SIZE = 0x28, R_QUEUE_SEL = 0x30,
       R_QUEUE_NUM = 0x38, R_QUEUE_ALIGN = 0x3c, R_QUEUE_PFN = 0x40, R_NOTIFY = 0x50, R_INTERRUPT = 0x60, R_ACK = 0x64,
       R_STATUS = 0x70, R_BASE_LOW = 0xb8, R_BASE_HIGH = 0xbc };
enum { VIRT = 0x74726976, ACCEPTED = 0xaabbaabb, PAGE = 4096, FIRST_REGION = 0x10000, ID_ENTROPY = 4 };
enum { ENTRIES = 2, USED_AT = PAGE, BUFFER_AT = 2 * PAGE, BUFFER_BYTES = 64 };

volatile u32 interrupts;
__asm__(".text\n.globl on_interrupt\non_interrupt: incl interrupts\n movl $0, 0xfee000b0\n iret\n"
        ".globl ignore_interrupt\nignore_interrupt: iret\n");
extern char on_interrupt, ignore_interrupt;

static u64 gdt[3] = {0, 0x00cf9b000000ffffull, 0x00cf93000000ffffull};
static u64 idt[256];
static volatile u32 *registers; // BAR 0
static volatile u8 *pool, *block;

static void say(const char *text) {
  for (; *text; text++) {
    while (!(inb(SERIAL + LSR) & 0x20)) {}
    outb(SERIAL, (u8)*text);
  }
}

static void say_number(const char *text, u32 value) {
  char digits[11];
  int at = 10;
  digits[at] = 0;
  do {
    digits[--at] = (char)('0' + value % 10);
    value /= 10;
  } while (value);
  say(text);
  say(digits + at);
}

static int fail(const char *why) {
  say("FAILED ");
  say(why);
  say("\n");
  return 1;
}

static void load_table(const char *instruction_is_lgdt, const void *table, u16 bytes) {
  struct {
    u16 limit;
    u32 base;
  } __attribute__((packed)) where = {(u16)(bytes - 1), (u32)table};
  if (instruction_is_lgdt) __asm__ volatile("lgdt %0\n ljmp $8, $1f\n1: mov %1, %%ds\n mov %1, %%es\n mov %1, %%ss"
                                            : : "m"(where), "r"((u16)16) : "memory");
  else __asm__ volatile("lidt %0" : : "m"(where));
}

static void set_gate(u32 vector, const char *handler) {
  u32 at = (u32)handler;
  idt[vector] = (u64)(at & 0xffff0000) << 32 | 0x8e0000000000ull | 8u << 16 | (at & 0xffff);
}

static void enable_interrupts(void) {
  outb(0x21, 0xff); // the old controllers stay silent
  outb(0xa1, 0xff);
  for (u32 i = 32; i < 256; i++) set_gate(i, &ignore_interrupt);
  set_gate(VECTOR, &on_interrupt);
  load_table("gdt", gdt, sizeof gdt);
  load_table(0, idt, sizeof idt);
  *(volatile u32 *)(LAPIC + LAPIC_SPURIOUS) = LAPIC_ENABLED;
}

// 0 if there is no such device, or none with interrupts
static int find_ivshmem(void) {
  u32 slot = 0;
  while (slot < 32 && pci_read(slot, 0) != IVSHMEM_ID) slot++;
  if (slot == 32) return 0;
  u32 bar[4];
  for (u32 i = 0; i < 4; i++) bar[i] = pci_read(slot, 0x10 + i * 4);
  if (bar[3]) return 0; // the pool above 4 GiB
  pci_write(slot, 4, (pci_read(slot, 4) & 0xffff) | 6);
  registers = (volatile u32 *)(bar[0] & ~15u);
  pool = (volatile u8 *)(bar[2] & ~15u);
  u32 at = pci_read(slot, 0x34) & 0xfc;
  while (at && (pci_read(slot, at) & 0xff) != MSIX_CAPABILITY) at = pci_read(slot, at) >> 8 & 0xfc;
  if (!at) return 0;
  volatile u32 *entry = (volatile u32 *)((bar[1] & ~15u) + (pci_read(slot, at + 4) & ~7u));
  entry[0] = LAPIC;
  entry[1] = 0;
  entry[2] = VECTOR;
  entry[3] = 0;
  pci_write(slot, at, pci_read(slot, at) | MSIX_ENABLE);
  return 1;
}

static u32 get(u32 offset) { return *(volatile u32 *)(block + offset); }
static void put(u32 offset, u32 value) { *(volatile u32 *)(block + offset) = value; }

static void ring(void) {
  barrier();
  registers[BAR_DOORBELL / 4] = 0; // peer 0, vector 0
}

// what a front end does in its interrupt handler
static void serve_interrupt(void) {
  u32 bits = get(R_INTERRUPT);
  put(R_ACK, bits);
  if (bits) ring();
}

// sleeps until an interrupt has come since `seen` was read
static void wait_for_interrupt(u32 seen) {
  while (interrupts == seen) __asm__ volatile("sti; hlt; cli" : : : "memory");
  serve_interrupt();
}

static void step(u32 offset, u32 value) {
  put(offset, value);
  ring();
}

// everything up to DRIVER_OK, with one queue at `rings` in the address space of the PMM
static void start_entropy(u32 rings) {
  step(R_STATUS, get(R_STATUS) | ACKNOWLEDGE);
  put(R_PAGE_SIZE, PAGE);
  step(R_STATUS, get(R_STATUS) | DRIVER);
  step(R_DRIVER_FEATURES, 0);
  put(R_QUEUE_SEL, 0);
  put(R_QUEUE_NUM, ENTRIES);
  put(R_QUEUE_ALIGN, PAGE);
  u32 seen = interrupts;
  step(R_QUEUE_PFN, rings / PAGE);
  while (get(R_QUEUE_PFN) != ACCEPTED) {
    wait_for_interrupt(seen);
    seen = interrupts;
  }
  put(R_QUEUE_PFN, rings / PAGE);
  step(R_STATUS, get(R_STATUS) | DRIVER_OK);
}

static int ask(u32 requests, u32 base, u32 rings_at) {
  volatile u8 *rings = pool + rings_at, *buffer = rings + BUFFER_AT;
  volatile Descriptor *descriptor = (volatile Descriptor *)rings;
  volatile u16 *avail = (volatile u16 *)(rings + ENTRIES * 16), *used = (volatile u16 *)(rings + USED_AT);
  for (u32 request = 0; request < requests; request++) {
    for (u32 i = 0; i < BUFFER_BYTES; i++) buffer[i] = 0;
    descriptor[0].address = base + rings_at + BUFFER_AT;
    descriptor[0].length = BUFFER_BYTES;
    descriptor[0].flags = WRITE;
    avail[2 + request % ENTRIES] = 0;
    barrier();
    avail[1] = (u16)(request + 1);
    u32 seen = interrupts;
    step(R_NOTIFY, 0);
    while (used[1] != (u16)(request + 1)) {
      wait_for_interrupt(seen);
      seen = interrupts;
    }
    u32 sum = 0;
    for (u32 i = 0; i < BUFFER_BYTES; i++) sum += buffer[i];
    if (!sum) return 0;
  }
  return 1;
}

int main(void) {
  say("IVSHMEM-BEGIN\n");
  enable_interrupts();
  if (!find_ivshmem()) return fail("no ivshmem device");
  block = pool;
  if (get(R_MAGIC) != VIRT) block = pool + FIRST_REGION; // behind a device tree
  if (get(R_MAGIC) != VIRT || get(R_VERSION) != 1 || get(R_DEVICE) != ID_ENTROPY) return fail("no entropy device");
  u32 base = get(R_BASE_LOW) - (u32)(block - pool), rings_at = FIRST_REGION * 2;
  say_number("PEER ", registers[BAR_IV_POSITION / 4]);
  start_entropy(base + rings_at);
  u32 requests = option("requests", 10);
  if (!ask(requests, base, rings_at)) return fail("zeros");
  say_number("\nENTROPY ", requests);
  say_number(" interrupts ", interrupts);
  say("\n");
  u32 then = option("then", 0);
  if (then == 1) outb(0x64, 0xfe);
  if (then == 2) __asm__ volatile("outw %0, %1" : : "a"((u16)0x2000), "Nd"((u16)0x604));
  while (then) __asm__ volatile("cli; hlt");
  return 0;
}

// A hypervisorless front end for an entropy device in a pool: the handshake, requests one after the other, each answered
// by an interrupt on one line. Register blocks, ring and buffers are plain memory; only the doorbells are not.
// command line: shm_addr=ADDRESS of the pool, irq=LINE rounds=N dtb=0|1 outside=0|1 (a buffer not in the pool)
// sync=0|1 (a store to a doorbell waits until the device has looked) scribble=N seed=N size=BYTES (first N stores of
// garbage all over the pool, but not in its last pages; with dtb=0)
#include "bare.h"

enum { MAGIC_VALUE = 0, VERSION = 4, DEVICE_ID = 8, PAGE_SIZE = 0x28, GUEST_FEATURES = 0x20, QUEUE_SEL = 0x30,
       QUEUE_NUM = 0x38, QUEUE_ALIGN = 0x3c, QUEUE_PFN = 0x40, QUEUE_NOTIFY = 0x50, INTERRUPT_STATUS = 0x60,
       INTERRUPT_ACK = 0x64, STATUS = 0x70, SHM_LEN = 0xb0, SHM_BASE = 0xb8 };
enum { BLOCK_BYTES = 0x200, MAGIC = 0x74726976, ENTROPY = 4, FDT_MAGIC = 0xd00dfeed, FDT_BYTES = 0x10000, SIZE = 4, PAGE = 4096,
       BUFFER_BYTES = 64, WRITE = 2 };
enum { DOORBELL = 0xe0000000, OWN_DOORBELL = 0xd30001f0, ACK = 0xaabbaabb };
enum { PIC1 = 0x20, PIC2 = 0xa0, FIRST_VECTOR = 0x30 };

static volatile u8 *block;
static volatile u32 interrupts;
static u32 rings;

#define REG(offset) (*(volatile u32 *)(block + (offset)))

// An interrupt is counted and acknowledged at both controllers. Not `iret`: KVM's emulator lacks it in protected mode.
__asm__(".text\ninterrupt: push %eax\n push %ecx\n call count\n pop %ecx\n pop %eax\n pushl 8(%esp)\n popfl\n ret $8\n");
extern char interrupt[];

__attribute__((used)) static void count(void) {
  interrupts++;
  outb(PIC2, 0x20);
  outb(PIC1, 0x20);
}

static u32 gates[2 * 0x40] __attribute__((aligned(8)));
static u64 segments[4] __attribute__((aligned(8))) = {0, 0x00cf9a000000ffff, 0x00cf92000000ffff};

// segments of our own, because those of the start may be nowhere; one line open, all others masked
static void prepare_interrupts(u32 line) {
  struct __attribute__((packed)) { u16 limit; u32 base; } gdt = {sizeof segments - 1, (u32)segments},
                                                          idt = {sizeof gates - 1, (u32)gates};
  u32 vector = FIRST_VECTOR + line;
  gates[2 * vector] = 0x80000u | ((u32)interrupt & 0xffff); // selector 8
  gates[2 * vector + 1] = ((u32)interrupt & 0xffff0000) | 0x8e00;
  __asm__ volatile("lgdt %0\n lidt %1\n ljmp $8, $1f\n1:" : : "m"(gdt), "m"(idt) : "memory");
  for (u32 chip = 0; chip < 2; chip++) {
    u16 port = chip ? PIC2 : PIC1;
    outb(port, 0x11);
    outb(port + 1, (u8)(FIRST_VECTOR + 8 * chip));
    outb(port + 1, chip ? 2 : 4);
    outb(port + 1, 1);
  }
  outb(PIC1 + 1, (u8) ~(line < 8 ? 1 << line : 1 << 2));
  outb(PIC2 + 1, (u8) ~(line < 8 ? 0 : 1 << (line - 8)));
}

// waits for an interrupt that comes after `seen`
static void wait_for_more_than(u32 seen) {
  for (;;) {
    __asm__ volatile("cli");
    if (interrupts != seen) break;
    __asm__ volatile("sti; hlt"); // no interrupt comes between the two
  }
  __asm__ volatile("sti");
}

// the doorbell of all devices and the device's own, in turn; the value means nothing
static void ring(void) {
  barrier();
  rings++;
  *(volatile u32 *)(rings & 1 ? DOORBELL : OWN_DOORBELL) = rings;
}

__attribute__((noreturn)) static void fail(const char *what) {
  print("FAILED: ");
  print(what);
  print("\n");
  finish(1);
}

static void set_status(u32 value) {
  REG(STATUS) = value;
  ring();
}

static void serve_interrupt(void) {
  u32 status = REG(INTERRUPT_STATUS);
  REG(INTERRUPT_ACK) = status;
  if (status) ring();
}

static void handshake(u32 ring_address) {
  if (REG(MAGIC_VALUE) != MAGIC || REG(VERSION) != 1 || REG(DEVICE_ID) != ENTROPY) fail("no entropy device");
  if (!REG(SHM_BASE) || !REG(SHM_LEN)) fail("not hypervisorless");
  set_status(1);
  REG(PAGE_SIZE) = PAGE;
  set_status(3);
  REG(GUEST_FEATURES) = 0;
  ring();
  REG(QUEUE_SEL) = 0;
  REG(QUEUE_NUM) = SIZE;
  REG(QUEUE_ALIGN) = PAGE;
  u32 seen = interrupts;
  REG(QUEUE_PFN) = ring_address / PAGE;
  ring();
  if (option("sync", 0) && REG(QUEUE_PFN) != ACK) fail("the store has not waited");
  wait_for_more_than(seen);
  if (REG(QUEUE_PFN) != ACK) fail("queue not acknowledged");
  serve_interrupt();
  REG(QUEUE_PFN) = ring_address / PAGE;
  set_status(7);
}

// What is at a doorbell is no memory: reads are all ones, stores beside it go nowhere.
static void look_at_doorbells(void) {
  if (*(volatile u32 *)DOORBELL != 0xffffffff || *(volatile u32 *)OWN_DOORBELL != 0xffffffff) fail("a doorbell reads");
  *(volatile u32 *)(DOORBELL + 4) = 1;
  *(volatile u8 *)(OWN_DOORBELL + 4) = 1;
  if (*(volatile u32 *)(DOORBELL + 4) != 0xffffffff) fail("beside a doorbell");
}

// @returns length of the answer
static u32 request(volatile u8 *area, u32 buffer, u32 number) {
  volatile u16 *avail = (volatile u16 *)(area + 16 * SIZE), *used = (volatile u16 *)(area + PAGE);
  *(volatile u32 *)area = buffer; // descriptor 0; upper half of the address is 0
  *(volatile u32 *)(area + 8) = BUFFER_BYTES;
  *(volatile u16 *)(area + 12) = WRITE;
  avail[2 + number % SIZE] = 0;
  u32 seen = interrupts; // before the device can see the request: it may look without a doorbell
  barrier();
  avail[1] = (u16)(number + 1);
  REG(QUEUE_NOTIFY) = 0;
  ring();
  do {
    wait_for_more_than(seen);
    seen = interrupts;
    serve_interrupt();
  } while (used[1] != (u16)(number + 1));
  return *(volatile u32 *)(area + PAGE + 4 + 8 * (number % SIZE) + 4);
}

// What a driver could write, or what a driver would write: small numbers, addresses in the pool, all bits.
static u32 garbage(u32 pool, u32 size) {
  switch (below(6)) {
  case 0: return below(16);
  case 1: return pool / PAGE + below(size / PAGE - 1);
  case 2: return pool + below(size - PAGE);
  case 3: return 1u << below(32);
  case 4: return ~below(4);
  default: return random32();
  }
}

// Registers and rings of all devices, without any order; doorbells now and then.
static void scribble(u32 pool, u32 size, u32 stores) {
  static const u16 registers[] = {GUEST_FEATURES, PAGE_SIZE, QUEUE_SEL, QUEUE_NUM, QUEUE_ALIGN, QUEUE_PFN, QUEUE_PFN,
                                  QUEUE_NOTIFY, INTERRUPT_STATUS, INTERRUPT_ACK, STATUS, STATUS, 0x180, 0x194, 0x198};
  for (u32 i = 0; i < stores; i++) {
    u32 to = pool + below(8) * BLOCK_BYTES + registers[below(sizeof registers / sizeof *registers)];
    if (below(2)) to = pool + PAGE + below((size - 4 * PAGE) / 4) * 4;
    *(volatile u32 *)to = garbage(pool, size);
    if (below(4) == 0) ring();
  }
  for (u32 i = 0; i < 8; i++) *(volatile u32 *)(pool + i * BLOCK_BYTES + STATUS) = 0;
  ring();
}

// the register block of the entropy device
static volatile u8 *find_block(u32 pool) {
  for (u32 i = 0; i < 8; i++) {
    volatile u8 *at = (volatile u8 *)(pool + i * BLOCK_BYTES);
    if (*(volatile u32 *)(at + DEVICE_ID) == ENTROPY) return at;
  }
  fail("no entropy device");
}

int main(void) {
  u32 pool = option("shm_addr", 0xd4000000), rounds = option("rounds", 10), dtb = option("dtb", 1);
  static u8 elsewhere[BUFFER_BYTES];
  if (dtb && *(volatile u32 *)pool != __builtin_bswap32(FDT_MAGIC)) fail("no device tree");
  block = dtb ? (volatile u8 *)(pool + FDT_BYTES) : find_block(pool);
  volatile u8 *area = (volatile u8 *)(dtb ? (u32)block + PAGE : pool + option("size", 1 << 20) - 3 * PAGE);
  volatile u8 *buffer = area + 2 * PAGE;
  prepare_interrupts(option("irq", 12));
  look_at_doorbells();
  u32 stores = option("scribble", 0);
  seed_random(option("seed", 1));
  if (stores) scribble(pool, option("size", 1 << 20), stores);
  for (u32 i = 0; i < 2 * PAGE; i++) area[i] = 0;
  handshake((u32)area);
  u32 sum = 0, number = 0;
  for (; number < rounds; number++) {
    for (u32 i = 0; i < BUFFER_BYTES; i++) buffer[i] = 0;
    if (request(area, (u32)buffer, number) != BUFFER_BYTES) fail("a short answer");
    u32 bits = 0;
    for (u32 i = 0; i < BUFFER_BYTES; i++) bits |= buffer[i], sum += buffer[i];
    if (!bits) fail("no entropy");
  }
  if (option("outside", 0)) {
    if (request(area, (u32)elsewhere, number) != 0) fail("a buffer outside the pool was filled");
    for (u32 i = 0; i < BUFFER_BYTES; i++) {
      if (elsewhere[i]) fail("memory outside the pool was written");
    }
  }
  print("HVL-OK interrupts=");
  print_number(interrupts);
  print(" rings=");
  print_number(rings);
  print(" sum=");
  print_number(sum);
  print("\n");
  return 0;
}

// Seeded garbage into every register and ring of all virtio devices but one; that one, the last disk, is asked for its
// first sector again and again. In the end all others are reset, and must be able to start.
// command line: seed=N actions=N
// What would only hurt this image itself is left out: rings and buffers are in an arena of their own or outside of RAM,
// BARs do not move onto the witness's, and messages of MSI-X stay ordinary interrupts.
#include "virtio.h"

enum { ARENA = 0x400000, ARENA_BYTES = 0x800000, AREAS = 0x200000, BETWEEN_CHECKS = 64, QUEUES = 4 };
enum { BAR_FIRST = 0x10, BAR_LAST = 0x24, FREE_WINDOW = 0xf8000000, MSIX_TABLE = 0x2000, MSIX_END = 0x2800 };
enum { CFG_ACCESS_TYPE = 5 };

static Device devices[MOST_DEVICES];
static u8 sector[SECTOR];
static const char expected[] = "witness of the test";

static __attribute__((noreturn)) void fail(const char *what, u32 number) {
  print("HOSTILE-FAIL ");
  print(what);
  print(" ");
  print_number(number);
  print("\n");
  finish(1);
}

// Mostly useful numbers, sometimes any.
static u32 odd_number(void) {
  switch (below(4)) {
    case 0: return below(8);
    case 1: return 1u << below(32);
    case 2: return 0u - below(16);
    default: return random32();
  }
}

// Somewhere in the arena, or somewhere that is no memory.
static u64 odd_address(void) {
  u32 kind = below(8);
  if (kind == 0) return (u64)random32() << 32 | random32() | 1ull << 63;
  if (kind == 1) return 0x80000000u | random32();
  return ARENA + (below(ARENA_BYTES) & (kind == 2 ? ~0u : ~15u));
}

static u32 odd_length(void) { return below(16) == 0 ? odd_number() : below(8192); }

static void write_any(volatile u8 *base, u32 offset, u32 value) {
  switch (below(3)) {
    case 0: base[offset] = (u8)value; break;
    case 1: *(volatile u16 *)(base + offset) = (u16)value; break;
    default: *(volatile u32 *)(base + offset) = value;
  }
}

static void odd_register(const Device *d) {
  u32 offset = below(d->pci ? PCI_WINDOW_BYTES : MMIO_BYTES - 3);
  if (d->pci && below(2)) offset = below(0x40) + (below(2) ? 0 : (u32)(d->data - d->base));
  if (below(4) == 0) {
    (void)*(volatile u32 *)(d->base + (offset & ~3u));
    return;
  }
  u32 in_table = d->pci && offset + 4 > MSIX_TABLE && offset < MSIX_END;
  if (!in_table) write_any(d->base, offset, odd_number());
  else if ((offset & 12) == 8) *(volatile u32 *)(d->base + (offset & ~3u)) = below(256);
  else *(volatile u32 *)(d->base + (offset & ~3u)) = below(2) ? 0xfee00000 | odd_number() : odd_number();
}

// Configuration space; BARs and command come back afterwards.
static void odd_configuration(const Device *d) {
  u32 offset = below(256) & ~3u, kept = pci_read(d->slot, offset);
  if (offset >= BAR_FIRST && offset <= BAR_LAST) pci_write(d->slot, offset, FREE_WINDOW | (odd_number() & 0x3ffffff));
  else pci_write(d->slot, offset, odd_number());
  (void)pci_read(d->slot, offset);
  odd_register(d);
  if (offset <= BAR_LAST) pci_write(d->slot, offset, kept);
}

// The window to the BAR in configuration space, kept away from MSI-X.
static void odd_access(const Device *d) {
  for (u32 at = pci_read(d->slot, 0x34) & 0xfc; at; at = pci_read(d->slot, at) >> 8 & 0xfc) {
    if ((pci_read(d->slot, at) & 0xff0000ff) != (CFG_ACCESS_TYPE << 24 | 9)) continue;
    pci_write(d->slot, at + 4, below(2) ? 0 : odd_number());
    pci_write(d->slot, at + 8, below(MSIX_TABLE - 4));
    pci_write(d->slot, at + 12, below(2) ? 4 : odd_number());
    pci_write(d->slot, at + 16, odd_number());
    (void)pci_read(d->slot, at + 16);
  }
}

static void odd_rings(const Device *d) {
  for (u32 queue = 0; queue < QUEUES; queue++) {
    u8 *area = (u8 *)(ARENA + below(64) * 0x8000);
    Descriptor *table = (Descriptor *)area;
    for (u32 i = 0; i < 16; i++) table[i] = (Descriptor){odd_address(), odd_length(), (u16)below(8), (u16)below(18)};
    volatile u16 *avail = (volatile u16 *)(area + 0x4000);
    avail[0] = (u16)below(2);
    for (u32 i = 2; i < 20; i++) avail[i] = (u16)(below(16) ? below(16) : odd_number());
    barrier();
    avail[1] = (u16)(below(8) ? below(17) : odd_number());
    u64 three[] = {(u32)area, (u32)avail, (u32)area + 0x5000};
    if (below(4) == 0) three[below(3)] = odd_address();
    u32 most = queue_most(d, queue);
    set_queue(d, queue, below(4) ? (most < 16 ? most : 16) : odd_number(), three);
  }
}

static void odd_start(const Device *d) {
  if (below(4)) set_status(d, 0);
  set_status(d, ACKNOWLEDGE | DRIVER);
  accept_features(d, 0, offered_features(d, 0) & (below(2) ? ~0u : random32()));
  accept_features(d, 1, below(4) ? VERSION_1 : odd_number());
  set_status(d, ACKNOWLEDGE | DRIVER | FEATURES_OK);
  odd_rings(d);
  set_status(d, below(8) ? ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK : odd_number());
  for (u32 queue = 0; queue < QUEUES; queue++) notify(d, queue, queue);
}

static void act(const Device *d) {
  switch (below(d->pci ? 10 : 8)) {
    case 0: odd_start(d); break;
    case 1: notify(d, below(QUEUES), below(4) ? below(QUEUES) : odd_number()); break;
    case 2: odd_rings(d); break;
    case 3: set_status(d, odd_number()); break;
    case 8: odd_configuration(d); break;
    case 9: odd_access(d); break;
    default: odd_register(d);
  }
}

static void check_witness(const Device *witness, u32 action) {
  memset(sector, 0, SECTOR);
  if (!read_sector(witness, (u8 *)AREAS, sector)) fail("the witness does not answer after action", action);
  for (u32 i = 0; i < sizeof expected - 1; i++) {
    if (sector[i] != (u8)expected[i]) fail("the witness has other data after action", action);
  }
}

int main(void) {
  u32 actions = option("actions", 2000);
  seed_random(option("seed", 1));
  int count = find_devices(devices), last = count - 1;
  while (last >= 0 && devices[last].id != ID_BLOCK) last--;
  if (last < 0) fail("no disk; devices:", (u32)count);
  Device witness = devices[last];
  devices[last] = devices[--count];
  print("HOSTILE-BEGIN devices=");
  print_number((u32)count);
  print("\n");
  check_witness(&witness, 0);
  for (u32 action = 1; count && action <= actions; action++) {
    act(&devices[below((u32)count)]);
    if (action % BETWEEN_CHECKS == 0) check_witness(&witness, action);
  }
  for (int i = 0; i < count; i++) {
    if (!start_device(&devices[i], (u8 *)AREAS)) fail("cannot start after a reset: device", devices[i].id);
    set_status(&devices[i], 0);
  }
  check_witness(&witness, actions);
  print("HOSTILE-DONE\n");
  return 0;
}

#include "virtio.h"

enum { VENDOR = 0x1af4, FIRST_ID = 0x1040, MAGIC = 0x74726976, MMIO_BASE = 0xd3000000, POLLS = 2000000 };
enum { CAP_VENDOR = 9, CAP_COMMON = 1, CAP_NOTIFY = 2, CAP_DEVICE = 4 };
// offsets of the common configuration
enum { C_DEVICE_SELECT = 0, C_DEVICE = 4, C_DRIVER_SELECT = 8, C_DRIVER = 12, C_STATUS = 20, C_QUEUE = 22, C_SIZE = 24,
       C_ENABLE = 28, C_NOTIFY = 30, C_ADDRESSES = 32 };
// offsets of the memory-mapped registers
enum { M_VERSION = 4, M_ID = 8, M_DEVICE = 0x10, M_DEVICE_SELECT = 0x14, M_DRIVER = 0x20, M_DRIVER_SELECT = 0x24,
       M_QUEUE = 0x30, M_MOST = 0x34, M_SIZE = 0x38, M_READY = 0x44, M_NOTIFY = 0x50, M_STATUS = 0x70, M_ADDRESSES = 0x80 };

static inline u32 get32(volatile u8 *at) { return *(volatile u32 *)at; }
static inline void put32(volatile u8 *at, u32 value) { *(volatile u32 *)at = value; }
static inline void put16(volatile u8 *at, u16 value) { *(volatile u16 *)at = value; }

u32 pci_read(u32 slot, u32 offset) {
  outl(0xcf8, 0x80000000u | slot << 11 | (offset & ~3u));
  return inl(0xcfc);
}

void pci_write(u32 slot, u32 offset, u32 value) {
  outl(0xcf8, 0x80000000u | slot << 11 | (offset & ~3u));
  outl(0xcfc, value);
}

static int look_at_slot(u32 slot, Device *device) {
  u32 ids = pci_read(slot, 0);
  if ((ids & 0xffff) != VENDOR || ids >> 16 < FIRST_ID) return 0;
  *device = (Device){.pci = 1, .slot = slot, .id = (ids >> 16) - FIRST_ID};
  pci_write(slot, 4, pci_read(slot, 4) | 6); // memory, bus master
  for (u32 at = pci_read(slot, 0x34) & 0xfc; at; at = pci_read(slot, at) >> 8 & 0xfc) {
    u32 head = pci_read(slot, at);
    if ((head & 0xff) != CAP_VENDOR) continue;
    u32 bar = pci_read(slot, 0x10 + (pci_read(slot, at + 4) & 7) * 4) & ~15u;
    volatile u8 *structure = (volatile u8 *)(bar + pci_read(slot, at + 8));
    if (head >> 24 == CAP_COMMON) device->base = (volatile u8 *)bar, device->common = structure;
    if (head >> 24 == CAP_DEVICE) device->data = structure;
    if (head >> 24 == CAP_NOTIFY) device->notify = structure, device->notify_step = pci_read(slot, at + 16);
  }
  return device->common != 0;
}

int find_devices(Device *list) {
  int count = 0;
  for (u32 slot = 0; slot < 32 && count < MOST_DEVICES; slot++) count += look_at_slot(slot, list + count);
  for (u32 i = 0; i < MOST_DEVICES && count < MOST_DEVICES; i++) {
    volatile u8 *base = (volatile u8 *)(MMIO_BASE + i * MMIO_BYTES);
    if (get32(base) != MAGIC || get32(base + M_VERSION) != 2 || !get32(base + M_ID)) continue;
    list[count++] = (Device){.base = base, .id = get32(base + M_ID)};
  }
  return count;
}

u32 device_status(const Device *d) { return d->pci ? d->common[C_STATUS] : get32(d->base + M_STATUS); }

void set_status(const Device *d, u32 value) {
  if (d->pci) d->common[C_STATUS] = (u8)value;
  else put32(d->base + M_STATUS, value);
}

u32 offered_features(const Device *d, u32 word) {
  put32(d->pci ? d->common + C_DEVICE_SELECT : d->base + M_DEVICE_SELECT, word);
  return get32(d->pci ? d->common + C_DEVICE : d->base + M_DEVICE);
}

void accept_features(const Device *d, u32 word, u32 value) {
  put32(d->pci ? d->common + C_DRIVER_SELECT : d->base + M_DRIVER_SELECT, word);
  put32(d->pci ? d->common + C_DRIVER : d->base + M_DRIVER, value);
}

static void select_queue(const Device *d, u32 queue) {
  if (d->pci) put16(d->common + C_QUEUE, (u16)queue);
  else put32(d->base + M_QUEUE, queue);
}

u32 queue_most(const Device *d, u32 queue) {
  select_queue(d, queue);
  return d->pci ? *(volatile u16 *)(d->common + C_SIZE) : get32(d->base + M_MOST);
}

void set_queue(const Device *d, u32 queue, u32 size, const u64 *three) {
  select_queue(d, queue);
  if (d->pci) put16(d->common + C_SIZE, (u16)size);
  else put32(d->base + M_SIZE, size);
  for (u32 i = 0; i < 3; i++) {
    volatile u8 *at = d->pci ? d->common + C_ADDRESSES + i * 8 : d->base + M_ADDRESSES + i * 16;
    put32(at, (u32)three[i]);
    put32(at + 4, (u32)(three[i] >> 32));
  }
  if (d->pci) put16(d->common + C_ENABLE, 1);
  else put32(d->base + M_READY, 1);
}

void notify(const Device *d, u32 queue, u32 value) {
  if (!d->pci) put32(d->base + M_NOTIFY, value);
  else put16(d->notify + queue * d->notify_step, (u16)value);
}

static int comes(const Device *d, u32 bits, u32 value) {
  for (u32 i = 0; i < POLLS; i++) {
    if ((device_status(d) & bits) == value) return 1;
  }
  return 0;
}

enum { SIZE = 8, AVAIL = 0x1000, USED = 0x2000, HEAD = 0x3000, RESULT = 0x3010 };

int start_device(const Device *d, u8 *area) {
  set_status(d, 0);
  if (!comes(d, 0xff, 0)) return 0;
  set_status(d, ACKNOWLEDGE);
  set_status(d, ACKNOWLEDGE | DRIVER);
  accept_features(d, 0, 0);
  accept_features(d, 1, VERSION_1);
  set_status(d, ACKNOWLEDGE | DRIVER | FEATURES_OK);
  if (!(device_status(d) & FEATURES_OK) || queue_most(d, 0) < SIZE) return 0;
  memset(area, 0, QUEUE_AREA);
  const u64 three[] = {(u32)area, (u32)area + AVAIL, (u32)area + USED};
  set_queue(d, 0, SIZE, three);
  set_status(d, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
  return (device_status(d) & (DRIVER_OK | NEEDS_RESET)) == DRIVER_OK;
}

static int answered(u8 *area) {
  for (u32 i = 0; i < POLLS; i++) {
    if (*(volatile u16 *)(area + USED + 2) == 1) return area[RESULT] == 0;
    inb(0x80); // goes to user space: if there is just one processor, others get it
  }
  return 0;
}

int read_sector(const Device *d, u8 *area, u8 *to) {
  if (!start_device(d, area)) return 0;
  area[RESULT] = 0xff; // the header is zeros: read, sector 0
  Descriptor *table = (Descriptor *)area;
  table[0] = (Descriptor){(u32)area + HEAD, 16, NEXT, 1};
  table[1] = (Descriptor){(u32)to, SECTOR, NEXT | WRITE, 2};
  table[2] = (Descriptor){(u32)area + RESULT, 1, WRITE, 0};
  barrier();
  *(volatile u16 *)(area + AVAIL + 2) = 1;
  barrier();
  notify(d, 0, 0);
  int read = answered(area);
  set_status(d, 0); // others will use the area
  return read;
}

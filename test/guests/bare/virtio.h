// Virtio devices of a machine, by PCI or memory-mapped registers, and a block driver that polls.
#ifndef VIRTIO_H
#define VIRTIO_H
#include "bare.h"

enum { ID_BLOCK = 2, MOST_DEVICES = 16, QUEUE_AREA = 0x4000, SECTOR = 512 };
enum { ACKNOWLEDGE = 1, DRIVER = 2, DRIVER_OK = 4, FEATURES_OK = 8, NEEDS_RESET = 64 };
enum { VERSION_1 = 1, NEXT = 1, WRITE = 2, INDIRECT = 4 };
enum { PCI_WINDOW_BYTES = 0x3000, MMIO_BYTES = 0x200 };

typedef struct {
  int pci;                             // else memory-mapped registers
  u32 slot;                            // of PCI
  volatile u8 *base;                   // BAR 0, or the registers
  volatile u8 *common, *notify, *data; // PCI: structures in the BAR
  u32 notify_step;
  u32 id;
} Device;

typedef struct {
  u64 address;
  u32 length;
  u16 flags, next;
} Descriptor;

void *memset(void *to, int value, u32 bytes);
int find_devices(Device *list);
u32 pci_read(u32 slot, u32 offset);
void pci_write(u32 slot, u32 offset, u32 value);
u32 device_status(const Device *device);
void set_status(const Device *device, u32 value);
u32 offered_features(const Device *device, u32 word);
void accept_features(const Device *device, u32 word, u32 value);
u32 queue_most(const Device *device, u32 queue);
// sizes and addresses as given, however wrong; enables the queue
void set_queue(const Device *device, u32 queue, u32 size, const u64 *three);
void notify(const Device *device, u32 queue, u32 value);
// reset, and everything up to DRIVER_OK with one queue at `area` (QUEUE_AREA bytes); 0 if the device refuses
int start_device(const Device *device, u8 *area);
// reads the first sector of a disk, from reset to reset; 0 if it does not come
int read_sector(const Device *device, u8 *area, u8 *to);

#endif

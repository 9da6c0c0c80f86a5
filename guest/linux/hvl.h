/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Hypervisorless virtio: the driver side of a pool of shared memory.
 *
 *   main.c       parameters, the ivshmem PCI function
 *   pool.c       one pool: its memory, doorbell, interrupt or timer, and the watch for a PMM that comes or goes
 *   layout.c     what the PMM has published in the pool: device tree, or register blocks at fixed places
 *   plan.c       which pages of the pool are rings, which are bounce slots of which device
 *   device.c     a virtio device: the operations Linux's virtio core calls
 *   wiped.c      a PMM that starts anew: what drivers need to end and to start again
 *   handshake.c  register protocol: reset, status, queues
 *   bounce.c     DMA operations that copy through slots in the pool
 *   spin.c       looking at the rings instead of sleeping, for a while
 *   stats.c      counters in debugfs
 *
 * Nothing in the pool is trusted: each word is read once, checked, and the copy is used.
 */
#ifndef VIRTIO_HVL_H
#define VIRTIO_HVL_H

#include <linux/device.h>
#include <linux/dma-map-ops.h>
#include <linux/hrtimer.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/mutex.h>
#include <linux/ratelimit.h>
#include <linux/spinlock.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/workqueue.h>
#include <uapi/linux/virtio_ring.h>

#if !defined(CONFIG_DMA_OPS) && !defined(CONFIG_ARCH_HAS_DMA_OPS)
#error "this kernel has no DMA operations per device: buffers could not be brought into the pool"
#endif
#ifndef CONFIG_64BIT
#error "virtio_hvl is for 64-bit kernels"
#endif

/* Layout of the pool; the unit is 4096 bytes whatever the kernel's own page size is. */
#define HVL_PAGE_SHIFT 12
#define HVL_PAGE (1UL << HVL_PAGE_SHIFT)
#define HVL_FDT_BYTES 0x10000
#define HVL_BLOCK_BYTES 0x200
#define HVL_CONFIG 0x100
#define HVL_CONFIG_BYTES 0x80
#define HVL_MAX_DEVICES 16
#define HVL_MAX_NODTB_DEVICES 8
#define HVL_MAX_QUEUES 3
#define HVL_CONSOLE_OUT 1
#define HVL_MAX_POOL (2ULL << 30)

/* Registers: legacy virtio-mmio, in plain memory. */
#define HVL_MAGIC 0x000
#define HVL_VERSION 0x004
#define HVL_DEVICE_ID 0x008
#define HVL_VENDOR_ID 0x00c
#define HVL_HOST_FEATURES 0x010
#define HVL_HOST_FEATURES_SEL 0x014
#define HVL_GUEST_FEATURES 0x020
#define HVL_GUEST_FEATURES_SEL 0x024
#define HVL_GUEST_PAGE_SIZE 0x028
#define HVL_QUEUE_SEL 0x030
#define HVL_QUEUE_NUM_MAX 0x034
#define HVL_QUEUE_NUM 0x038
#define HVL_QUEUE_ALIGN 0x03c
#define HVL_QUEUE_PFN 0x040
#define HVL_QUEUE_NOTIFY 0x050
#define HVL_INTERRUPT_STATUS 0x060
#define HVL_INTERRUPT_ACK 0x064
#define HVL_STATUS 0x070
#define HVL_SHM_LEN 0x0b0
#define HVL_SHM_BASE 0x0b8
#define HVL_CONFIG_GENERATION 0x0fc

#define HVL_MAGIC_VALUE 0x74726976
#define HVL_ACK_WORD 0xaabbaabb
#define HVL_INT_USED 1
#define HVL_INT_CONFIG 2
#define HVL_RING_ALIGN 0x1000

enum hvl_layout { HVL_LAYOUT_AUTO, HVL_LAYOUT_DTB, HVL_LAYOUT_NODTB };

struct hvl_device;

/* What the PMM publishes about one device, copied and checked. */
struct hvl_slot {
	u32 block;	/* offset of the register block in the pool */
	u32 id;		/* virtio device id */
	u32 features;	/* offered, bits 0 ... 31 */
	u32 queue_max;
	u32 own_first;	/* pages that are this device's own; none without a device tree */
	u32 own_end;
};

/* ... and about the pool. Two of them are equal byte by byte if the PMM has published the same. */
struct hvl_map {
	u64 published;	/* the pool's address for the PMM */
	u32 arena_first;/* pages for everybody's rings and buffers */
	u32 arena_end;
	u32 count;
	u32 dtb;
	struct hvl_slot slots[HVL_MAX_DEVICES];
};

/* State of a page of the pool. */
struct hvl_page {
	void *buffer;	/* the driver's memory; only in the first page of a slot, NULL while that is free */
	u32 bytes;	/* of the buffer */
	u32 head;	/* first page of the slot this page is part of */
	u32 pages;	/* of the slot; only in its first page */
	u32 filled;	/* bytes that the device says it has written; for devices with "partial" only */
	u8 zone;
	struct hvl_device *owner;
};

#define HVL_ZONE_IN 0	/* buffers that the device writes */
#define HVL_ZONE_OUT 1	/* buffers that the device reads; for some types also the other kind */
#define HVL_ZONES 2
#define HVL_NO_ZONE 0xff/* not reserved: from what is left in the pool */

/* Bounce slots reserved for some queues of a device. */
struct hvl_zone {
	spinlock_t lock; /* of stack, free and the counters */
	u32 slot_pages;
	u32 slots;
	u32 free;
	u32 *stack;	/* first pages of the free slots, then of the others */
	u32 lowest;	/* fewest free slots there ever were */
};

struct hvl_queue_plan {
	u32 num;	/* entries; a power of two */
	u32 least;
	u32 slot_pages;
	u32 zone;
	u32 ring;	/* first page of the ring */
};

struct hvl_plan {
	u32 queues;
	bool skip;	/* no memory for this device */
	bool no_segmentation;
	struct hvl_queue_plan queue[HVL_MAX_QUEUES];
};

struct hvl_counters {
	atomic64_t direct;	/* mappings that were in the pool already */
	atomic64_t bounced;	/* mappings through a slot */
	atomic64_t unreserved;	/* ... of them, not in a reserved slot */
	atomic64_t bytes_in;	/* copied out of the pool */
	atomic64_t bytes_out;	/* copied into the pool */
	atomic64_t exhausted;
	atomic64_t kicks;
	atomic64_t interrupts;
};

/* What looking at a queue without interrupts has to know. */
struct hvl_spin {
	u16 seen;	/* position in the used ring at the last look */
	bool is_quiet;	/* the device is asked for no interrupts */
	u16 quiet;	/* ... by this event index, as it is in the ring */
	u16 event;	/* ... in the place of this one */
};

struct hvl_virtio {
	struct virtio_device vdev;
	struct hvl_device *hdev;
};

struct hvl_device {
	struct device dev;	/* parent of the virtio device: its DMA goes through the pool */
	struct hvl_pool *pool;
	const struct hvl_slot *slot;
	u32 index;
	void *block;
	u64 dma_mask;
	bool keep_tail;		/* what a device leaves unwritten in a buffer must stay as it was */
	bool partial;		/* ... and the used ring says what it has written; one queue only */
	u16 noted;		/* position in the used ring up to which "filled" has been noted */
	struct hvl_plan plan;
	struct hvl_zone zones[HVL_ZONES];
	struct hvl_virtio *virtio;
	u32 status;		/* what we wrote into STATUS last */
	bool draining;		/* the driver takes its buffers back, after a reset */
	bool active;		/* it has queues, so interrupts may be for it; under lock */
	bool suspect;		/* looked lost at the last look */
	bool recovering;	/* "recover" is queued or runs */
	bool sleeping;		/* its driver is being put to sleep for that */
	bool unanswered;	/* restored without the PMM's answers: to be done again */
	bool stuck;		/* its driver is in no state to be called again */
	struct work_struct recover;
	spinlock_t lock;	/* of vqs, against interrupts */
	struct virtqueue *vqs[HVL_MAX_QUEUES];
	struct vring rings[HVL_MAX_QUEUES]; /* where they lie in the pool */
	bool event_idx;		/* the PMM takes event indices */
	struct hvl_spin spin[HVL_MAX_QUEUES];
	struct list_head old_vqs; /* of a console that is being started again */
	struct hvl_counters counters;
	struct ratelimit_state complaints; /* that there is no room for a buffer */
};

/* How to reach a pool. */
struct hvl_access {
	struct device *parent;
	phys_addr_t base;
	size_t size;
	enum hvl_layout layout;
	bool size_is_exact;	/* the pool is that large, whatever the devices publish */
	bool confine;		/* each device in its own region */
	void __iomem *doorbell;	/* NULL: the PMM looks by itself */
	u32 doorbell_value;
	bool ring_acks;		/* ring for an acknowledged interrupt, too */
	int irq;		/* < 0: none */
	u32 poll_us;		/* between two looks at the pool */
	u32 spin_us;		/* looks all the time for so long after a doorbell or an answer */
};

struct hvl_pool {
	struct hvl_access access;
	void *memory;
	u32 npages;
	spinlock_t page_lock;	/* of used */
	unsigned long *used;
	struct hvl_page *pages;
	struct hvl_map map;
	struct hvl_device *devices[HVL_MAX_DEVICES];
	bool up;
	bool said_waiting;
	bool stuck;		/* a device's driver cannot be taken off: this has to stay */
	struct hrtimer timer;
	struct workqueue_struct *queue;
	struct delayed_work watch;
	struct hvl_spinner *spinner; /* NULL: none */
	struct dentry *debugfs;
	atomic64_t doorbells;
	atomic64_t interrupts;
	atomic64_t by_timer;	/* looks of the timer that have found something */
	atomic64_t by_spinning;	/* ... of the spinner */
};

static inline u32 hvl_read(const struct hvl_device *hdev, u32 offset)
{
	return le32_to_cpu(READ_ONCE(*(__le32 *)(hdev->block + offset)));
}

static inline void hvl_write(struct hvl_device *hdev, u32 offset, u32 value)
{
	/* All earlier stores, to rings too, are seen before this one. */
	mb();
	WRITE_ONCE(*(__le32 *)(hdev->block + offset), cpu_to_le32(value));
}

static inline void *hvl_page_address(struct hvl_pool *pool, u32 page)
{
	return pool->memory + ((size_t)page << HVL_PAGE_SHIFT);
}

static inline struct hvl_device *hvl_of(struct virtio_device *vdev)
{
	return container_of(vdev, struct hvl_virtio, vdev)->hdev;
}

/* pool.c */
struct hvl_pool *hvl_pool_create(const struct hvl_access *access);
void hvl_pool_destroy(struct hvl_pool *pool);
void hvl_ring(struct hvl_pool *pool);
irqreturn_t hvl_interrupt(int irq, void *data);

/* layout.c */
int hvl_read_layout(const struct hvl_access *access, const void *memory, struct hvl_map *map);

/* plan.c */
void hvl_plan_devices(struct hvl_pool *pool);
void hvl_plan_free(struct hvl_device *hdev);
bool hvl_take(struct hvl_device *hdev, u32 pages, u32 *first);
void hvl_give(struct hvl_pool *pool, u32 first, u32 pages);
u32 hvl_ring_pages(u32 num);
unsigned long hvl_9p_msize(u32 num);

/* device.c */
struct hvl_device *hvl_device_create(struct hvl_pool *pool, u32 index);
int hvl_device_register(struct hvl_device *hdev);
void hvl_device_unregister(struct hvl_device *hdev);
void hvl_device_destroy(struct hvl_device *hdev);
bool hvl_device_interrupt(struct hvl_device *hdev);
bool hvl_device_lost(struct hvl_device *hdev);

/* wiped.c */
bool hvl_is_wiped(struct hvl_device *hdev);
void hvl_calm(struct hvl_device *hdev);
void hvl_settle_console(struct hvl_device *hdev);
void hvl_drain(struct hvl_device *hdev);
void hvl_drained_one(struct hvl_device *hdev, u32 zone);
void hvl_recover(struct work_struct *work);
void hvl_device_recover(struct hvl_device *hdev);

/* handshake.c */
void hvl_reset(struct virtio_device *vdev);
void hvl_set_status(struct virtio_device *vdev, u8 status);
int hvl_finalize_features(struct virtio_device *vdev);
int hvl_request_queue(struct hvl_device *hdev, u32 index);

/* bounce.c */
extern const struct dma_map_ops hvl_dma_ops;
void hvl_zone_reset(struct hvl_device *hdev);

/* spin.c */
void hvl_spin(struct hvl_pool *pool);
void hvl_spin_start(struct hvl_pool *pool);
void hvl_spin_stop(struct hvl_pool *pool);

/* stats.c */
void hvl_stats_add(struct hvl_pool *pool);
void hvl_stats_remove(struct hvl_pool *pool);
void hvl_stats_init(void);
void hvl_stats_exit(void);

#endif

// SPDX-License-Identifier: GPL-2.0
/*
 * Who has which pages of the pool. Each queue of each device gets its ring, and a bounce slot for each entry of the
 * ring, of the size that the driver's buffers have; so a driver that has a descriptor has a slot. If the pool is too
 * small for all wishes the most expensive queue is halved until it is not.
 */
#include <linux/bitmap.h>
#include <linux/log2.h>
#include <linux/slab.h>
#include <uapi/linux/virtio_ids.h>
#include <uapi/linux/virtio_net.h>
#include <uapi/linux/virtio_ring.h>
#include "hvl.h"

/* Fragments of a large TCP segment are parts of blocks of this size. */
#define SEGMENT_FRAGMENT 32768
#define SEGMENTATION (BIT(VIRTIO_NET_F_HOST_TSO4) | BIT(VIRTIO_NET_F_HOST_TSO6) | BIT(VIRTIO_NET_F_HOST_UFO))
#define VSOCK_PACKET (65536 + 64)

static u32 pages_of(size_t bytes)
{
	return DIV_ROUND_UP(bytes, HVL_PAGE);
}

u32 hvl_ring_pages(u32 num)
{
	return pages_of(vring_size(num, HVL_RING_ALIGN));
}

static bool take_between(struct hvl_pool *pool, u32 from, u32 end, u32 pages, u32 *first)
{
	unsigned long flags, at;
	bool taken;

	spin_lock_irqsave(&pool->page_lock, flags);
	at = bitmap_find_next_zero_area(pool->used, end, from, pages, 0);
	taken = at < end;
	if (taken)
		bitmap_set(pool->used, at, pages);
	spin_unlock_irqrestore(&pool->page_lock, flags);
	*first = at;
	return taken;
}

/* Pages in a row: of the device's own region if there are, else of the common arena. */
bool hvl_take(struct hvl_device *hdev, u32 pages, u32 *first)
{
	const struct hvl_map *map = &hdev->pool->map;

	return take_between(hdev->pool, hdev->slot->own_first, hdev->slot->own_end, pages, first) ||
	       (!hdev->pool->access.confine &&
		take_between(hdev->pool, map->arena_first, map->arena_end, pages, first));
}

void hvl_give(struct hvl_pool *pool, u32 first, u32 pages)
{
	unsigned long flags;

	spin_lock_irqsave(&pool->page_lock, flags);
	bitmap_clear(pool->used, first, pages);
	spin_unlock_irqrestore(&pool->page_lock, flags);
}

static void wish(struct hvl_device *hdev, u32 num, u32 least, size_t bytes, u32 zone)
{
	struct hvl_plan *plan = &hdev->plan;

	num = min(num, rounddown_pow_of_two(hdev->slot->queue_max));
	plan->queue[plan->queues++] = (struct hvl_queue_plan){
		.num = num, .least = min(num, least), .slot_pages = pages_of(bytes), .zone = zone,
	};
}

/* What each type of device wants: entries, how few are enough, size of a buffer, direction. */
static void wishes(struct hvl_device *hdev)
{
	u32 i, features = hdev->slot->features;

	switch (hdev->slot->id) {
	case VIRTIO_ID_NET:
		/* A receive buffer takes what is left of its block, and may get two pages long by that. */
		wish(hdev, 256, 16, 2 * PAGE_SIZE, HVL_ZONE_IN);
		/* The driver stops sending while less than MAX_SKB_FRAGS + 2 entries are free. */
		if (features & SEGMENTATION)
			wish(hdev, 128, 32, SEGMENT_FRAGMENT, HVL_ZONE_OUT);
		else
			wish(hdev, 256, 32, PAGE_SIZE, HVL_ZONE_OUT);
		if (features & BIT(VIRTIO_NET_F_CTRL_VQ))
			wish(hdev, 16, 8, PAGE_SIZE, HVL_ZONE_OUT);
		break;
	case VIRTIO_ID_CONSOLE:
		wish(hdev, 32, 2, PAGE_SIZE, HVL_ZONE_IN);
		wish(hdev, 32, 2, PAGE_SIZE, HVL_ZONE_OUT);
		break;
	case VIRTIO_ID_RNG:
		wish(hdev, 8, 1, PAGE_SIZE, HVL_ZONE_IN);
		break;
	case VIRTIO_ID_9P:
		/* A message is as many entries as it has pages: a smaller ring makes msize smaller. */
		wish(hdev, 128, 16, PAGE_SIZE, HVL_ZONE_OUT);
		hdev->partial = true;
		break;
	case VIRTIO_ID_VSOCK:
		wish(hdev, 64, 4, 2 * PAGE_SIZE, HVL_ZONE_IN);
		wish(hdev, 32, 4, VSOCK_PACKET, HVL_ZONE_OUT);
		wish(hdev, 8, 4, PAGE_SIZE, HVL_ZONE_IN);
		break;
	default:
		for (i = 0; i < HVL_MAX_QUEUES; i++)
			wish(hdev, 64, 4, 2 * PAGE_SIZE, HVL_ZONE_OUT);
		hdev->keep_tail = true;
	}
}

static int reserve_zone(struct hvl_device *hdev, u32 index)
{
	struct hvl_pool *pool = hdev->pool;
	struct hvl_zone *zone = &hdev->zones[index];
	u32 i, page, wanted = 0;

	for (i = 0; i < hdev->plan.queues; i++) {
		if (hdev->plan.queue[i].zone != index)
			continue;
		wanted += hdev->plan.queue[i].num;
		zone->slot_pages = max(zone->slot_pages, hdev->plan.queue[i].slot_pages);
	}
	zone->stack = kvcalloc(wanted ?: 1, sizeof(*zone->stack), GFP_KERNEL);
	if (!zone->stack)
		return -ENOMEM;
	while (zone->slots < wanted) {
		u32 first;

		if (!hvl_take(hdev, zone->slot_pages, &first))
			return -ENOSPC;
		zone->stack[zone->slots++] = first;
		for (page = first; page < first + zone->slot_pages; page++)
			pool->pages[page] = (struct hvl_page){ .head = first, .zone = index, .owner = hdev };
		pool->pages[first].pages = zone->slot_pages;
	}
	zone->free = zone->slots;
	zone->lowest = zone->slots;
	return 0;
}

static int reserve(struct hvl_device *hdev)
{
	u32 i;
	int err = 0;

	/* Rings first, so that they are at the start of the region. */
	for (i = 0; i < hdev->plan.queues; i++)
		if (!hvl_take(hdev, hvl_ring_pages(hdev->plan.queue[i].num), &hdev->plan.queue[i].ring))
			return -ENOSPC;
	for (i = 0; i < HVL_ZONES && !err; i++)
		err = reserve_zone(hdev, i);
	return err;
}

void hvl_plan_free(struct hvl_device *hdev)
{
	u32 i;

	for (i = 0; i < HVL_ZONES; i++) {
		kvfree(hdev->zones[i].stack);
		hdev->zones[i].stack = NULL;
		hdev->zones[i].slots = 0;
		hdev->zones[i].free = 0;
		hdev->zones[i].slot_pages = 0;
	}
}

/* Forgets all reservations. Nothing is in use yet. */
static void forget(struct hvl_pool *pool)
{
	u32 i;

	for (i = 0; i < pool->map.count; i++)
		hvl_plan_free(pool->devices[i]);
	bitmap_zero(pool->used, pool->npages);
	memset(pool->pages, 0, array_size(pool->npages, sizeof(*pool->pages)));
}

/*
 * Makes one wish smaller: of any device, or if each has its own memory, of the one that had not enough. The least
 * important thing left is a whole device, the last one.
 */
static void shrink(struct hvl_pool *pool, const struct hvl_device *failed)
{
	struct hvl_queue_plan *largest = NULL;
	struct hvl_device *segments = NULL, *last = NULL;
	u32 i, q;

	for (i = 0; i < pool->map.count; i++) {
		struct hvl_device *hdev = pool->devices[i];

		if (hdev->plan.skip || (pool->access.confine && hdev != failed))
			continue;
		last = hdev;
		if (hdev->slot->id == VIRTIO_ID_NET && !hdev->plan.no_segmentation &&
		    (hdev->slot->features & SEGMENTATION))
			segments = hdev;
		for (q = 0; q < hdev->plan.queues; q++) {
			struct hvl_queue_plan *queue = &hdev->plan.queue[q];

			if (queue->num > queue->least &&
			    (!largest || queue->num * queue->slot_pages > largest->num * largest->slot_pages))
				largest = queue;
		}
	}
	if (largest) {
		largest->num /= 2;
	} else if (segments) {
		segments->plan.no_segmentation = true;
		segments->plan.queue[1].slot_pages = pages_of(PAGE_SIZE);
	} else if (last) {
		last->plan.skip = true;
		last->plan.queues = 0;
	}
}

/* A message is as many entries as it has pages, and some for headers. */
unsigned long hvl_9p_msize(u32 num)
{
	return (num - 4) * PAGE_SIZE;
}

static void say(struct hvl_device *hdev)
{
	u32 i, limit = rounddown_pow_of_two(hdev->slot->queue_max ?: 1);

	if (hdev->plan.skip) {
		dev_err(&hdev->dev, "the pool is too small for this device\n");
		return;
	}
	for (i = 0; i < hdev->plan.queues; i++)
		dev_dbg(&hdev->dev, "queue %u: %u entries, slots of %lu bytes\n", i, hdev->plan.queue[i].num,
			hdev->plan.queue[i].slot_pages * HVL_PAGE);
	if (hdev->slot->id == VIRTIO_ID_9P && hdev->plan.queue[0].num < min(limit, 128U))
		dev_warn(&hdev->dev, "the pool is small: mount with msize=%lu or less\n",
			 hvl_9p_msize(hdev->plan.queue[0].num));
	if (hdev->plan.no_segmentation)
		dev_warn(&hdev->dev, "the pool is small: no segmentation offload\n");
}

/* Reserves memory for all devices of the pool. Devices that do not fit are marked. */
void hvl_plan_devices(struct hvl_pool *pool)
{
	struct hvl_device *failed;
	u32 i;

	for (i = 0; i < pool->map.count; i++) {
		struct hvl_device *hdev = pool->devices[i];

		if (hdev->slot->queue_max)
			wishes(hdev);
		else
			hdev->plan.skip = true;
	}
	for (;;) {
		failed = NULL;
		for (i = 0; i < pool->map.count && !failed; i++)
			if (!pool->devices[i]->plan.skip && reserve(pool->devices[i]))
				failed = pool->devices[i];
		if (!failed)
			break;
		forget(pool);
		shrink(pool, failed);
	}
	for (i = 0; i < pool->map.count; i++)
		say(pool->devices[i]);
}

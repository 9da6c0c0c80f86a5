// SPDX-License-Identifier: GPL-2.0
/*
 * DMA operations of the devices behind a pool. The PMM sees nothing but the pool, so a buffer elsewhere is copied
 * through a slot in it, and the slot's address is what goes into the descriptor.
 *
 * Slots are reserved when the queues are laid out, one for each ring entry and as large as that queue's buffers get:
 * with a descriptor there is a slot. Larger buffers, and those of a driver that maps more than it queues, take what is
 * left over in the pool; if that is too little the mapping fails, which drivers know how to handle.
 */
#include <linux/scatterlist.h>
#include "hvl.h"

static struct hvl_device *hvl_of_parent(struct device *dev)
{
	return container_of(dev, struct hvl_device, dev);
}

/* All slots free again: the device has been reset, and its driver has let go of its buffers. */
void hvl_zone_reset(struct hvl_device *hdev)
{
	struct hvl_pool *pool = hdev->pool;
	u32 i, page;

	for (i = 0; i < HVL_ZONES; i++) {
		struct hvl_zone *zone = &hdev->zones[i];

		zone->free = zone->slots;
		for (page = 0; page < zone->slots; page++)
			pool->pages[zone->stack[page]].buffer = NULL;
	}
	for (page = 0; page < pool->npages; page++) {
		struct hvl_page *state = &pool->pages[page];

		if (state->owner == hdev && state->zone == HVL_NO_ZONE && state->head == page && state->buffer) {
			state->buffer = NULL;
			hvl_give(pool, page, state->pages);
		}
	}
}

static bool take_slot(struct hvl_zone *zone, u32 pages, u32 *first)
{
	unsigned long flags;
	bool taken = false;

	if (pages > zone->slot_pages)
		return false;
	spin_lock_irqsave(&zone->lock, flags);
	if (zone->free) {
		*first = zone->stack[--zone->free];
		zone->lowest = min(zone->lowest, zone->free);
		taken = true;
	}
	spin_unlock_irqrestore(&zone->lock, flags);
	return taken;
}

/* Some devices have one zone for both directions. */
static u32 zone_of(struct hvl_device *hdev, enum dma_data_direction dir)
{
	return dir == DMA_FROM_DEVICE && hdev->zones[HVL_ZONE_IN].slots ? HVL_ZONE_IN : HVL_ZONE_OUT;
}

static struct hvl_page *take(struct hvl_device *hdev, size_t size, enum dma_data_direction dir)
{
	u32 pages = DIV_ROUND_UP(size, HVL_PAGE);
	u32 first, i;

	if (take_slot(&hdev->zones[zone_of(hdev, dir)], pages, &first))
		return &hdev->pool->pages[first];
	if (!hvl_take(hdev, pages, &first)) {
		atomic64_inc(&hdev->counters.exhausted);
		if (__ratelimit(&hdev->complaints))
			dev_warn(&hdev->dev, "the pool has no room for a buffer of %zu bytes\n", size);
		return NULL;
	}
	atomic64_inc(&hdev->counters.unreserved);
	for (i = 0; i < pages; i++)
		hdev->pool->pages[first + i] = (struct hvl_page){ .head = first, .zone = HVL_NO_ZONE, .owner = hdev };
	hdev->pool->pages[first].pages = pages;
	return &hdev->pool->pages[first];
}

static void give(struct hvl_device *hdev, struct hvl_page *state)
{
	struct hvl_zone *zone;
	unsigned long flags;

	state->buffer = NULL;
	if (state->zone == HVL_NO_ZONE) {
		hvl_give(hdev->pool, state->head, state->pages);
		return;
	}
	zone = &hdev->zones[state->zone];
	spin_lock_irqsave(&zone->lock, flags);
	zone->stack[zone->free++] = state->head;
	spin_unlock_irqrestore(&zone->lock, flags);
}

/*
 * The slot that an address is in, with the address's offset in it; NULL if that range is no mapped buffer of this
 * device. (A buffer that was in the pool from the start is not in a slot.)
 */
static struct hvl_page *find(struct hvl_device *hdev, dma_addr_t address, size_t size, size_t *offset)
{
	struct hvl_pool *pool = hdev->pool;
	u64 at = address - pool->map.published;
	struct hvl_page *state;

	if (at >= pool->access.size)
		return NULL;
	state = &pool->pages[pool->pages[at >> HVL_PAGE_SHIFT].head];
	if (state->owner != hdev || !state->buffer)
		return NULL;
	*offset = at - ((u64)state->head << HVL_PAGE_SHIFT);
	if (*offset > state->bytes || size > state->bytes - *offset)
		return NULL;
	return state;
}

static void copy_in(struct hvl_device *hdev, struct hvl_page *state, size_t offset, size_t size)
{
	memcpy(hvl_page_address(hdev->pool, state->head) + offset, state->buffer + offset, size);
	atomic64_add(size, &hdev->counters.bytes_out);
}

static void copy_out(struct hvl_device *hdev, struct hvl_page *state, size_t offset, size_t size)
{
	memcpy(state->buffer + offset, hvl_page_address(hdev->pool, state->head) + offset, size);
	atomic64_add(size, &hdev->counters.bytes_in);
}

/* The device has used this chain: spreads the bytes it has written over the chain's buffers, in order. */
static void note_chain(struct hvl_device *hdev, const struct vring *ring, u32 id, u32 written)
{
	struct virtio_device *vdev = &hdev->virtio->vdev;
	u32 steps;

	for (steps = 0; steps < ring->num && id < ring->num; steps++) {
		const struct vring_desc *desc = &ring->desc[id];
		u16 flags = virtio16_to_cpu(vdev, READ_ONCE(desc->flags));

		if (flags & VRING_DESC_F_WRITE) {
			u32 bytes = min(written, virtio32_to_cpu(vdev, READ_ONCE(desc->len)));
			size_t offset;
			struct hvl_page *state = find(hdev, virtio64_to_cpu(vdev, READ_ONCE(desc->addr)), bytes, &offset);

			if (state && !offset)
				state->filled = bytes;
			written -= bytes;
		}
		if (!(flags & VRING_DESC_F_NEXT))
			return;
		id = virtio16_to_cpu(vdev, READ_ONCE(desc->next));
	}
}

/*
 * Linux's virtio core takes a chain out of the used ring and then unmaps its buffers; what was written into them can be
 * found there still. A PMM that says something else here than it said to the core, or that changes the descriptors,
 * decides how much of a mapped buffer is copied from its slot, and nothing else. Context: lock of the queue.
 */
static void note_used(struct hvl_device *hdev)
{
	struct virtio_device *vdev = &hdev->virtio->vdev;
	const struct vring *ring = &hdev->rings[0];
	u16 idx = virtio16_to_cpu(vdev, READ_ONCE(ring->used->idx));

	if ((u16)(idx - hdev->noted) > ring->num)
		hdev->noted = idx - ring->num; /* buffers of the pool itself are not unmapped, or not by us */
	rmb(); /* the elements were there before the index */
	for (; hdev->noted != idx; hdev->noted++) {
		const struct vring_used_elem *element = &ring->used->ring[hdev->noted & (ring->num - 1)];

		note_chain(hdev, ring, virtio32_to_cpu(vdev, READ_ONCE(element->id)),
			   virtio32_to_cpu(vdev, READ_ONCE(element->len)));
	}
}

static dma_addr_t hvl_map_page(struct device *dev, struct page *page, unsigned long offset, size_t size,
			       enum dma_data_direction dir, unsigned long attrs)
{
	struct hvl_device *hdev = hvl_of_parent(dev);
	struct hvl_pool *pool = hdev->pool;
	phys_addr_t at = page_to_phys(page) + offset;
	struct hvl_page *state;

	if (at >= pool->access.base && at - pool->access.base < pool->access.size &&
	    size <= pool->access.size - (at - pool->access.base)) {
		atomic64_inc(&hdev->counters.direct);
		return pool->map.published + (at - pool->access.base);
	}
	if (!size || size > U32_MAX)
		return DMA_MAPPING_ERROR;
	state = take(hdev, size, dir);
	if (!state)
		return DMA_MAPPING_ERROR;
	atomic64_inc(&hdev->counters.bounced);
	state->buffer = page_address(page) + offset;
	state->bytes = size;
	state->filled = 0;
	/*
	 * A buffer that is not filled to its end is copied back whole, unless what was filled is known. Where its owner may
	 * look behind that (a read into a program's memory) the slot has to start with the buffer's content.
	 */
	if (!(attrs & DMA_ATTR_SKIP_CPU_SYNC) && (dir != DMA_FROM_DEVICE || hdev->keep_tail))
		copy_in(hdev, state, 0, size);
	return pool->map.published + ((u64)state->head << HVL_PAGE_SHIFT);
}

static void hvl_unmap_page(struct device *dev, dma_addr_t address, size_t size, enum dma_data_direction dir,
			   unsigned long attrs)
{
	struct hvl_device *hdev = hvl_of_parent(dev);
	struct hvl_page *state;
	size_t offset;

	if (READ_ONCE(hdev->draining))
		hvl_drained_one(hdev, zone_of(hdev, dir));
	state = find(hdev, address, size, &offset);
	if (!state || offset)
		return;
	if (!(attrs & DMA_ATTR_SKIP_CPU_SYNC) && dir != DMA_TO_DEVICE) {
		if (hdev->partial)
			note_used(hdev);
		copy_out(hdev, state, 0, hdev->partial ? state->filled : size);
	}
	give(hdev, state);
}

static void hvl_unmap_sg(struct device *dev, struct scatterlist *list, int count, enum dma_data_direction dir,
			 unsigned long attrs)
{
	struct scatterlist *entry;
	int i;

	for_each_sg(list, entry, count, i)
		hvl_unmap_page(dev, sg_dma_address(entry), sg_dma_len(entry), dir, attrs);
}

static int hvl_map_sg(struct device *dev, struct scatterlist *list, int count, enum dma_data_direction dir,
		      unsigned long attrs)
{
	struct scatterlist *entry;
	int i;

	for_each_sg(list, entry, count, i) {
		entry->dma_address = hvl_map_page(dev, sg_page(entry), entry->offset, entry->length, dir, attrs);
		if (entry->dma_address == DMA_MAPPING_ERROR) {
			hvl_unmap_sg(dev, list, i, dir, attrs | DMA_ATTR_SKIP_CPU_SYNC);
			return -ENOMEM;
		}
		sg_dma_len(entry) = entry->length;
	}
	return count;
}

static void hvl_sync_for_cpu(struct device *dev, dma_addr_t address, size_t size, enum dma_data_direction dir)
{
	struct hvl_device *hdev = hvl_of_parent(dev);
	size_t offset;
	struct hvl_page *state = find(hdev, address, size, &offset);

	if (state && dir != DMA_TO_DEVICE)
		copy_out(hdev, state, offset, size);
}

static void hvl_sync_for_device(struct device *dev, dma_addr_t address, size_t size, enum dma_data_direction dir)
{
	struct hvl_device *hdev = hvl_of_parent(dev);
	size_t offset;
	struct hvl_page *state = find(hdev, address, size, &offset);

	if (state && dir != DMA_FROM_DEVICE)
		copy_in(hdev, state, offset, size);
}

/* Memory of the pool for a driver's own use: no copies. */
static void *hvl_alloc(struct device *dev, size_t size, dma_addr_t *address, gfp_t gfp, unsigned long attrs)
{
	struct hvl_device *hdev = hvl_of_parent(dev);
	u32 first;
	void *memory;

	if (!size || !hvl_take(hdev, DIV_ROUND_UP(size, HVL_PAGE), &first))
		return NULL;
	memory = hvl_page_address(hdev->pool, first);
	memset(memory, 0, size);
	*address = hdev->pool->map.published + ((u64)first << HVL_PAGE_SHIFT);
	return memory;
}

static void hvl_free(struct device *dev, size_t size, void *memory, dma_addr_t address, unsigned long attrs)
{
	struct hvl_device *hdev = hvl_of_parent(dev);

	hvl_give(hdev->pool, (memory - hdev->pool->memory) >> HVL_PAGE_SHIFT, DIV_ROUND_UP(size, HVL_PAGE));
}

static int hvl_dma_supported(struct device *dev, u64 mask)
{
	return 1; /* the address is the PMM's, not a bus address */
}

/* The largest buffer that surely has a slot. */
static size_t hvl_max_mapping_size(struct device *dev)
{
	const struct hvl_zone *zone = hvl_of_parent(dev)->zones;
	size_t least = SIZE_MAX;
	u32 i;

	for (i = 0; i < HVL_ZONES; i++, zone++)
		if (zone->slots)
			least = min_t(size_t, least, zone->slot_pages * HVL_PAGE);
	return least;
}

const struct dma_map_ops hvl_dma_ops = {
	.alloc = hvl_alloc,
	.free = hvl_free,
	.map_page = hvl_map_page,
	.unmap_page = hvl_unmap_page,
	.map_sg = hvl_map_sg,
	.unmap_sg = hvl_unmap_sg,
	.sync_single_for_cpu = hvl_sync_for_cpu,
	.sync_single_for_device = hvl_sync_for_device,
	.dma_supported = hvl_dma_supported,
	.max_mapping_size = hvl_max_mapping_size,
};

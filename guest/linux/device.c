// SPDX-License-Identifier: GPL-2.0
/*
 * A virtio device of the pool, as Linux's virtio core and drivers see it. Its parent is a device of ours whose DMA
 * operations bring buffers into the pool; so the core has to use the DMA API (ACCESS_PLATFORM), while rings and headers
 * stay those of legacy virtio (no VERSION_1).
 */
#include <linux/slab.h>
#include <linux/version.h>
#include <linux/virtio_ring.h>
#include <uapi/linux/virtio_console.h>
#include <uapi/linux/virtio_ids.h>
#include <uapi/linux/virtio_net.h>
#include "hvl.h"

/* A device says at most once in this time that the pool has no room for a buffer. */
#define COMPLAINT_SECONDS 60

static void hvl_get(struct virtio_device *vdev, unsigned int offset, void *buffer, unsigned int bytes)
{
	struct hvl_device *hdev = hvl_of(vdev);
	u8 *to = buffer;

	for (; bytes; bytes--, offset++)
		*to++ = offset < HVL_CONFIG_BYTES ? READ_ONCE(*(u8 *)(hdev->block + HVL_CONFIG + offset)) : 0;
}

/* The configuration is the PMM's: it does not look there. */
static void hvl_set(struct virtio_device *vdev, unsigned int offset, const void *buffer, unsigned int bytes)
{
}

static u32 hvl_generation(struct virtio_device *vdev)
{
	return hvl_read(hvl_of(vdev), HVL_CONFIG_GENERATION);
}

static u8 hvl_get_status(struct virtio_device *vdev)
{
	return hvl_of(vdev)->status; /* nobody else writes it; that the PMM wiped it is the watch's business */
}

/*
 * Not taken: indirect descriptors (an entry would need more than one slot), several queue pairs and ports (more queues
 * than are planned), what a driver would have to write into the configuration.
 */
static u64 hvl_get_features(struct virtio_device *vdev)
{
	struct hvl_device *hdev = hvl_of(vdev);
	u64 features = hdev->slot->features;

	features &= ~(BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC) | BIT_ULL(30) | BIT_ULL(31));
	if (hdev->slot->id == VIRTIO_ID_NET)
		features &= ~BIT_ULL(VIRTIO_NET_F_MQ);
	if (hdev->slot->id == VIRTIO_ID_CONSOLE)
		features &= ~(BIT_ULL(VIRTIO_CONSOLE_F_MULTIPORT) | BIT_ULL(VIRTIO_CONSOLE_F_EMERG_WRITE));
	if (hdev->plan.no_segmentation)
		features &= ~(BIT_ULL(VIRTIO_NET_F_HOST_TSO4) | BIT_ULL(VIRTIO_NET_F_HOST_TSO6) |
			      BIT_ULL(VIRTIO_NET_F_HOST_UFO) | BIT_ULL(VIRTIO_NET_F_HOST_ECN));
	return features | BIT_ULL(VIRTIO_F_ACCESS_PLATFORM);
}

/*
 * Linux's virtio core kicks when a chain does not fit into what is free of a ring. If all of it is, that chain never fits, and
 * 9p, which asks for an msize without knowing the ring, waits for ever.
 */
static void complain_of_chain(struct hvl_device *hdev, const struct virtqueue *vq)
{
	u32 num = hdev->plan.queue[vq->index].num;

	if (hdev->slot->id == VIRTIO_ID_9P && vq->num_free == num && __ratelimit(&hdev->complaints))
		dev_warn(&hdev->dev, "a request needs more than %u entries and waits for ever: mount with msize=%lu or less\n",
			 num, hvl_9p_msize(num));
}

static bool hvl_notify(struct virtqueue *vq)
{
	struct hvl_device *hdev = hvl_of(vq->vdev);

	complain_of_chain(hdev, vq);
	atomic64_inc(&hdev->counters.kicks);
	hvl_write(hdev, HVL_QUEUE_NOTIFY, vq->index);
	hvl_ring(hdev->pool);
	/* Who writes to a console may be in the middle of anything, and looks by itself. */
	if (hdev->slot->id != VIRTIO_ID_CONSOLE)
		hvl_spin(hdev->pool);
	return true;
}

static void hvl_del_vqs(struct virtio_device *vdev)
{
	struct hvl_device *hdev = hvl_of(vdev);
	struct virtqueue *vq, *next;
	unsigned long flags;

	spin_lock_irqsave(&hdev->lock, flags);
	hdev->active = false;
	hdev->draining = false;
	memset(hdev->vqs, 0, sizeof(hdev->vqs));
	spin_unlock_irqrestore(&hdev->lock, flags);
	list_for_each_entry_safe(vq, next, &vdev->vqs, list) {
		if (!hdev->sleeping || hdev->slot->id != VIRTIO_ID_CONSOLE) {
			vring_del_virtqueue(vq);
			continue;
		}
		/* There is no way to keep writers off a console that sleeps: let them find a queue that is broken. */
		__virtqueue_break(vq);
		list_move_tail(&vq->list, &hdev->old_vqs);
	}
	hvl_zone_reset(hdev);
}

static struct virtqueue *make_queue(struct hvl_device *hdev, u32 index, vq_callback_t *callback, const char *name,
				    bool context)
{
	struct hvl_queue_plan *plan = &hdev->plan.queue[index];
	void *ring = hvl_page_address(hdev->pool, plan->ring);
	struct virtqueue *vq;
	int err;

	memset(ring, 0, (size_t)hvl_ring_pages(plan->num) << HVL_PAGE_SHIFT);
	err = hvl_request_queue(hdev, index);
	if (err && !hdev->recovering)
		return ERR_PTR(err);
	/*
	 * A driver that comes back from freezing has to come back: it could not be removed otherwise. So it gets its
	 * queue, and the watch tries again.
	 */
	if (err)
		hdev->unanswered = true;
	vq = vring_new_virtqueue(index, plan->num, HVL_RING_ALIGN, &hdev->virtio->vdev, false, context, ring, hvl_notify,
				 callback, name);
	if (!vq)
		return ERR_PTR(-ENOMEM);
	vq->num_max = plan->num;
	return vq;
}

static int add_queue(struct hvl_device *hdev, u32 index, vq_callback_t *callback, const char *name, bool context,
		     struct virtqueue **vq)
{
	*vq = make_queue(hdev, index, callback, name, context);
	if (IS_ERR(*vq))
		return PTR_ERR(*vq);
	hdev->vqs[index] = *vq;
	vring_init(&hdev->rings[index], hdev->plan.queue[index].num,
		   hvl_page_address(hdev->pool, hdev->plan.queue[index].ring), HVL_RING_ALIGN);
	return 0;
}

static int begin_queues(struct hvl_device *hdev, unsigned int count)
{
	if (count > hdev->plan.queues) {
		dev_err(&hdev->dev, "its driver wants %u queues, %u are planned\n", count, hdev->plan.queues);
		return -ENOSPC;
	}
	hdev->unanswered = false;
	hdev->noted = 0;
	memset(hdev->spin, 0, sizeof(hdev->spin));
	hvl_zone_reset(hdev);
	return 0;
}

static int end_queues(struct hvl_device *hdev, int err)
{
	unsigned long flags;

	if (err) {
		hvl_del_vqs(&hdev->virtio->vdev);
		return err;
	}
	spin_lock_irqsave(&hdev->lock, flags);
	hdev->active = true;
	spin_unlock_irqrestore(&hdev->lock, flags);
	return 0;
}

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
static int hvl_find_vqs(struct virtio_device *vdev, unsigned int count, struct virtqueue *vqs[],
			struct virtqueue_info infos[], struct irq_affinity *affinity)
{
	struct hvl_device *hdev = hvl_of(vdev);
	int err = begin_queues(hdev, count);
	u32 i, index = 0;

	for (i = 0; i < count && !err; i++) {
		vqs[i] = NULL;
		if (infos[i].name)
			err = add_queue(hdev, index++, infos[i].callback, infos[i].name, infos[i].ctx, &vqs[i]);
	}
	return end_queues(hdev, err);
}
#else
static int hvl_find_vqs(struct virtio_device *vdev, unsigned int count, struct virtqueue *vqs[],
			vq_callback_t *callbacks[], const char *const names[], const bool *contexts,
			struct irq_affinity *affinity)
{
	struct hvl_device *hdev = hvl_of(vdev);
	int err = begin_queues(hdev, count);
	u32 i, index = 0;

	for (i = 0; i < count && !err; i++) {
		vqs[i] = NULL;
		if (names[i])
			err = add_queue(hdev, index++, callbacks[i], names[i], contexts && contexts[i], &vqs[i]);
	}
	return end_queues(hdev, err);
}
#endif

static const char *hvl_bus_name(struct virtio_device *vdev)
{
	return dev_name(&hvl_of(vdev)->dev);
}

static const struct virtio_config_ops operations = {
	.get = hvl_get,
	.set = hvl_set,
	.generation = hvl_generation,
	.get_status = hvl_get_status,
	.set_status = hvl_set_status,
	.reset = hvl_reset,
	.find_vqs = hvl_find_vqs,
	.del_vqs = hvl_del_vqs,
	.get_features = hvl_get_features,
	.finalize_features = hvl_finalize_features,
	.bus_name = hvl_bus_name,
};

static void look_at(struct hvl_device *hdev, u32 status)
{
	u32 i;

	if (status) {
		/* First this, then the rings: what comes between the two raises the bit again. */
		hvl_write(hdev, HVL_INTERRUPT_ACK, status);
		mb();
		atomic64_inc(&hdev->counters.interrupts);
	}
	/*
	 * Whatever the bit says. Looking by timer we may acknowledge one bit twice, and the PMM may have raised it again
	 * just before it sees the second time.
	 */
	for (i = 0; i < HVL_MAX_QUEUES; i++)
		if (hdev->vqs[i])
			vring_interrupt(0, hdev->vqs[i]);
	if (status & HVL_INT_CONFIG)
		virtio_config_changed(&hdev->virtio->vdev);
}

/* Returns true if the device had something to say. Context: interrupt. */
bool hvl_device_interrupt(struct hvl_device *hdev)
{
	unsigned long flags;
	u32 status = 0;

	spin_lock_irqsave(&hdev->lock, flags);
	if (hdev->active && hvl_is_wiped(hdev)) {
		hvl_calm(hdev);
	} else if (hdev->active) {
		status = hvl_read(hdev, HVL_INTERRUPT_STATUS) & (HVL_INT_USED | HVL_INT_CONFIG);
		look_at(hdev, status);
	}
	spin_unlock_irqrestore(&hdev->lock, flags);
	return status;
}

/* True if the device has to be started again. */
bool hvl_device_lost(struct hvl_device *hdev)
{
	return hdev->virtio && !hdev->recovering && !hdev->stuck && (hdev->unanswered || hvl_is_wiped(hdev));
}

static void release_virtio(struct device *dev)
{
	kfree(container_of(dev_to_virtio(dev), struct hvl_virtio, vdev));
}

/* Shows the device to the drivers. */
int hvl_device_register(struct hvl_device *hdev)
{
	struct hvl_virtio *virtio;
	int err;

	if (hdev->plan.skip)
		return -ENOSPC;
	virtio = kzalloc(sizeof(*virtio), GFP_KERNEL);
	if (!virtio)
		return -ENOMEM;
	virtio->hdev = hdev;
	virtio->vdev.dev.parent = &hdev->dev;
	virtio->vdev.dev.release = release_virtio;
	virtio->vdev.config = &operations;
	virtio->vdev.id.device = hdev->slot->id;
	virtio->vdev.id.vendor = hvl_read(hdev, HVL_VENDOR_ID);
	hdev->virtio = virtio;
	err = register_virtio_device(&virtio->vdev);
	if (err) {
		dev_err(&hdev->dev, "cannot be registered: %d\n", err);
		hdev->virtio = NULL;
		put_device(&virtio->vdev.dev);
	}
	return err;
}

/* Takes it away from them again; waits until they have let go. */
void hvl_device_unregister(struct hvl_device *hdev)
{
	struct hvl_virtio *virtio = hdev->virtio;

	if (!virtio || hdev->stuck)
		return;
	unregister_virtio_device(&virtio->vdev);
	hdev->virtio = NULL;
}

static void release(struct device *dev)
{
	kfree(container_of(dev, struct hvl_device, dev));
}

struct hvl_device *hvl_device_create(struct hvl_pool *pool, u32 index)
{
	struct hvl_device *hdev = kzalloc(sizeof(*hdev), GFP_KERNEL);
	u32 i;

	if (!hdev)
		return NULL;
	hdev->pool = pool;
	hdev->index = index;
	hdev->slot = &pool->map.slots[index];
	hdev->block = pool->memory + hdev->slot->block;
	spin_lock_init(&hdev->lock);
	for (i = 0; i < HVL_ZONES; i++)
		spin_lock_init(&hdev->zones[i].lock);
	ratelimit_state_init(&hdev->complaints, COMPLAINT_SECONDS * HZ, 1);
	INIT_LIST_HEAD(&hdev->old_vqs);
	INIT_WORK(&hdev->recover, hvl_recover);
	device_initialize(&hdev->dev);
	hdev->dev.parent = pool->access.parent;
	hdev->dev.release = release;
	hdev->dma_mask = DMA_BIT_MASK(64);
	hdev->dev.dma_mask = &hdev->dma_mask;
	hdev->dev.coherent_dma_mask = DMA_BIT_MASK(64);
	set_dma_ops(&hdev->dev, &hvl_dma_ops);
	if (dev_set_name(&hdev->dev, "%s-%u", dev_name(pool->access.parent), index) || device_add(&hdev->dev)) {
		put_device(&hdev->dev);
		return NULL;
	}
	dma_set_mask(&hdev->dev, DMA_BIT_MASK(64)); /* newer kernels find out here that buffers need copies */
	return hdev;
}

void hvl_device_destroy(struct hvl_device *hdev)
{
	hvl_plan_free(hdev);
	device_unregister(&hdev->dev);
}

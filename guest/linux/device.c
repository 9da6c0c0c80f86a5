// SPDX-License-Identifier: GPL-2.0
/*
 * A virtio device of the pool, as Linux's virtio core and drivers see it. Its parent is a device of ours whose DMA
 * operations bring buffers into the pool; so the core has to use the DMA API (ACCESS_PLATFORM), while rings and headers
 * stay those of legacy virtio (no VERSION_1).
 */
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/version.h>
#include <linux/virtio_ring.h>
#include <uapi/linux/virtio_console.h>
#include <uapi/linux/virtio_ids.h>
#include <uapi/linux/virtio_net.h>
#include "hvl.h"

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

static bool hvl_notify(struct virtqueue *vq)
{
	struct hvl_device *hdev = hvl_of(vq->vdev);

	atomic64_inc(&hdev->counters.kicks);
	hvl_write(hdev, HVL_QUEUE_NOTIFY, vq->index);
	hvl_ring(hdev->pool);
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

static void delete_old_queues(struct hvl_device *hdev)
{
	struct virtqueue *vq, *next;

	if (list_empty(&hdev->old_vqs))
		return;
	msleep(20); /* for those who have just looked one up */
	list_for_each_entry_safe(vq, next, &hdev->old_vqs, list)
		vring_del_virtqueue(vq);
}

/*
 * After a reset a driver takes back the buffers that are still in its queues. Linux finds the ends of their chains in the
 * descriptor table, which is in the pool, and stops the machine if the entries it has found are not as many as there
 * are. A PMM that starts anew wipes the pool. So make a table without chains, in which each buffer is one entry, and keep
 * the count right for that: all entries are free but the one that is being taken back.
 */
void hvl_drain(struct hvl_device *hdev)
{
	unsigned long flags;
	u32 i;

	spin_lock_irqsave(&hdev->lock, flags);
	for (i = 0; i < HVL_MAX_QUEUES; i++) {
		struct hvl_queue_plan *plan = &hdev->plan.queue[i];

		if (!hdev->vqs[i])
			continue;
		memset(hvl_page_address(hdev->pool, plan->ring), 0, plan->num * sizeof(struct vring_desc));
		hdev->vqs[i]->num_free = plan->num;
		WRITE_ONCE(hdev->draining, true);
	}
	spin_unlock_irqrestore(&hdev->lock, flags);
}

/* A buffer of a zone is taken back: Linux adds its one entry now. */
void hvl_drained_one(struct hvl_device *hdev, u32 zone)
{
	u32 i;

	for (i = 0; i < HVL_MAX_QUEUES; i++) {
		if (!hdev->vqs[i] || hdev->plan.queue[i].zone != zone)
			continue;
		hdev->vqs[i]->num_free = hdev->plan.queue[i].num - 1;
		return;
	}
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

static struct vring_used *used_ring(struct hvl_device *hdev, u32 index)
{
	struct hvl_queue_plan *plan = &hdev->plan.queue[index];
	struct vring ring;

	vring_init(&ring, plan->num, hvl_page_address(hdev->pool, plan->ring), HVL_RING_ALIGN);
	return ring.used;
}

static int add_queue(struct hvl_device *hdev, u32 index, vq_callback_t *callback, const char *name, bool context,
		     struct virtqueue **vq)
{
	*vq = make_queue(hdev, index, callback, name, context);
	if (IS_ERR(*vq))
		return PTR_ERR(*vq);
	hdev->vqs[index] = *vq;
	hdev->used[index] = used_ring(hdev, index);
	return 0;
}

static int begin_queues(struct hvl_device *hdev, unsigned int count)
{
	if (count > hdev->plan.queues) {
		dev_err(&hdev->dev, "its driver wants %u queues, %u are planned\n", count, hdev->plan.queues);
		return -ENOSPC;
	}
	hdev->unanswered = false;
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

/* The PMM has started anew: it wipes the pool, and with it what we have written. */
static bool is_wiped(struct hvl_device *hdev)
{
	return hvl_read(hdev, HVL_MAGIC) != HVL_MAGIC_VALUE ||
	       (hdev->status && hvl_read(hdev, HVL_STATUS) != hdev->status);
}

/* As if the PMM had used a buffer. */
static void pretend_used(struct hvl_device *hdev, u32 index, u32 id)
{
	struct virtqueue *vq = hdev->vqs[index];
	u16 last = virtqueue_enable_cb_prepare(vq);
	struct vring_used_elem *element = &hdev->used[index]->ring[last & (hdev->plan.queue[index].num - 1)];

	element->id = cpu_to_virtio32(vq->vdev, id);
	element->len = 0;
	wmb(); /* as a device does */
	WRITE_ONCE(hdev->used[index]->idx, cpu_to_virtio16(vq->vdev, last + 1));
}

static bool is_console_output(struct hvl_device *hdev, u32 index)
{
	return hdev->slot->id == VIRTIO_ID_CONSOLE && index == HVL_CONSOLE_OUT;
}

/*
 * A PMM that starts anew wipes the pool. Drivers may wait in a loop, on this processor or another, for a used index that
 * makes sense (virtio_net, before it sends) or for their buffer to come back (virtio_console, with interrupts off). So
 * give them an index that says that nothing was used, or the buffer. The console has one at a time, always the first.
 */
static void calm(struct hvl_device *hdev)
{
	u32 i;

	for (i = 0; i < HVL_MAX_QUEUES; i++) {
		struct virtqueue *vq = hdev->vqs[i];

		if (!vq)
			continue;
		if (!is_console_output(hdev, i))
			WRITE_ONCE(hdev->used[i]->idx, cpu_to_virtio16(vq->vdev, virtqueue_enable_cb_prepare(vq)));
		else if (vq->num_free < hdev->plan.queue[i].num)
			pretend_used(hdev, i, 0);
		else
			__virtqueue_break(vq); /* what is written now is lost, and nobody waits for it */
	}
}

/*
 * Before virtio_console takes back what is queued: a line of the console whose writer has given up must not be among it,
 * since it is no buffer of the usual kind, and freed. So take all that is there out of the output queue.
 */
void hvl_settle_console(struct hvl_device *hdev)
{
	struct virtqueue *vq = hdev->vqs[HVL_CONSOLE_OUT];
	u32 id, length, num = hdev->plan.queue[HVL_CONSOLE_OUT].num;

	if (!vq || !is_console_output(hdev, HVL_CONSOLE_OUT))
		return;
	__virtqueue_break(vq);
	msleep(5); /* whoever waits for it sees that, and goes; nobody else comes */
	memset(hvl_page_address(hdev->pool, hdev->plan.queue[HVL_CONSOLE_OUT].ring), 0,
	       num * sizeof(struct vring_desc));
	for (id = 0; id < num && vq->num_free < num; id++) {
		__virtqueue_unbreak(vq);
		pretend_used(hdev, HVL_CONSOLE_OUT, id);
		virtqueue_get_buf(vq, &length);
		__virtqueue_break(vq);
	}
}

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
	if (hdev->active && is_wiped(hdev)) {
		calm(hdev);
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
	return hdev->virtio && !hdev->recovering && !hdev->stuck && (hdev->unanswered || is_wiped(hdev));
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

/*
 * Starts a device again after the PMM has. Drivers that can sleep are put to sleep and woken, so that what stands on
 * them (network interfaces with their addresses, open consoles) stays; the others are taken off and put on again.
 */
static void recover(struct work_struct *work)
{
	struct hvl_device *hdev = container_of(work, struct hvl_device, recover);
	struct virtio_device *vdev = &hdev->virtio->vdev;
	bool sleeps = false;
	int err = 0;

	virtio_break_device(vdev); /* nobody waits for the old rings any more */
#ifdef CONFIG_PM_SLEEP
	device_lock(&vdev->dev);
	if (vdev->dev.driver) {
		struct virtio_driver *driver = drv_to_virtio(vdev->dev.driver);

		sleeps = driver->freeze && driver->restore;
	}
	if (sleeps) {
		hdev->sleeping = true;
		err = virtio_device_freeze(vdev);
		hdev->sleeping = false;
		if (!err)
			err = virtio_device_restore(vdev);
	}
	device_unlock(&vdev->dev);
#endif
	delete_old_queues(hdev);
	if (err) {
		dev_err(&hdev->dev, "its driver could not start again: %d\n", err);
		__module_get(THIS_MODULE); /* it cannot be removed either */
		hdev->stuck = true;
	}
	if (!sleeps) {
		hvl_device_unregister(hdev);
		hvl_device_register(hdev);
	}
	dev_info(&hdev->dev, "the PMM has started anew: device %s\n", err ? "lost" : "restarted");
	WRITE_ONCE(hdev->recovering, false);
}

void hvl_device_recover(struct hvl_device *hdev)
{
	WRITE_ONCE(hdev->recovering, true);
	hdev->suspect = false;
	queue_work(hdev->pool->queue, &hdev->recover);
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
	INIT_LIST_HEAD(&hdev->old_vqs);
	INIT_WORK(&hdev->recover, recover);
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

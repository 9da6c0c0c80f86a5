// SPDX-License-Identifier: GPL-2.0
/*
 * A PMM that starts anew wipes the pool, under drivers that are in the middle of something. Linux's drivers were not
 * written for that: what has to be so for each of them to come to an end, and to start again, is here.
 */
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/virtio_ring.h>
#include <uapi/linux/virtio_ids.h>
#include "hvl.h"

/* The PMM has started anew: it wipes the pool, and with it what we have written. */
bool hvl_is_wiped(struct hvl_device *hdev)
{
	return hvl_read(hdev, HVL_MAGIC) != HVL_MAGIC_VALUE ||
	       (hdev->status && hvl_read(hdev, HVL_STATUS) != hdev->status);
}

/* As if the PMM had used a buffer. */
static void pretend_used(struct hvl_device *hdev, u32 index, u32 id)
{
	struct virtqueue *vq = hdev->vqs[index];
	u16 last = virtqueue_enable_cb_prepare(vq);
	struct vring_used_elem *element = &hdev->rings[index].used->ring[last & (hdev->plan.queue[index].num - 1)];

	element->id = cpu_to_virtio32(vq->vdev, id);
	element->len = 0;
	wmb(); /* as a device does */
	WRITE_ONCE(hdev->rings[index].used->idx, cpu_to_virtio16(vq->vdev, last + 1));
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
void hvl_calm(struct hvl_device *hdev)
{
	u32 i;

	for (i = 0; i < HVL_MAX_QUEUES; i++) {
		struct virtqueue *vq = hdev->vqs[i];

		if (!vq)
			continue;
		if (!is_console_output(hdev, i))
			WRITE_ONCE(hdev->rings[i].used->idx, cpu_to_virtio16(vq->vdev, virtqueue_enable_cb_prepare(vq)));
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
 * Starts a device again after the PMM has. Drivers that can sleep are put to sleep and woken, so that what stands on
 * them (network interfaces with their addresses, open consoles) stays; the others are taken off and put on again.
 */
void hvl_recover(struct work_struct *work)
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

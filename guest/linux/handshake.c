// SPDX-License-Identifier: GPL-2.0
/*
 * The register protocol. Registers are plain memory: nothing happens when one is written, so each step is a store and
 * a doorbell, and where the protocol has an answer, a wait with an end.
 */
#include <linux/delay.h>
#include <linux/virtio_ring.h>
#include "hvl.h"

#define ANSWER_MS 5000	/* the protocol wants it within 4 s */
#define AGAIN_MS 100	/* ring again: a doorbell may get lost */
#define RESET_MS 100
/*
 * Written into INTERRUPT_ACK behind STATUS = 0: a PMM that resets the device clears it, and so tells that it has. No
 * interrupt has this bit.
 */
#define RESET_MARK 0x80000000

/* Waits for a register to have a value, ringing now and then. */
static bool wait_for(struct hvl_device *hdev, u32 offset, u32 value, u32 limit_ms)
{
	unsigned long end = jiffies + msecs_to_jiffies(limit_ms) + 1;
	unsigned long again = jiffies;

	for (;;) {
		bool last = time_after(jiffies, end);

		if (hvl_read(hdev, offset) == value)
			return true;
		if (last || hvl_read(hdev, HVL_STATUS) != hdev->status)
			return false;
		if (time_after_eq(jiffies, again)) {
			hvl_ring(hdev->pool);
			again = jiffies + msecs_to_jiffies(AGAIN_MS);
		}
		usleep_range(50, 200);
	}
}

/* Waits until the PMM has let go of rings and buffers. Not every PMM shows that it has, and there may be none. */
static void stop(struct hvl_device *hdev)
{
	u32 attempt;

	if (!hvl_read(hdev, HVL_STATUS))
		return;
	for (attempt = 0; attempt < 2; attempt++) {
		/*
		 * The PMM may have been so quick that it saw the zero before the mark was there. So let it see another
		 * value first the second time: then zero is a change again.
		 */
		if (attempt) {
			hvl_write(hdev, HVL_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE);
			hvl_ring(hdev->pool);
			usleep_range(5000, 6000);
		}
		hvl_write(hdev, HVL_STATUS, 0);
		hvl_write(hdev, HVL_INTERRUPT_ACK, RESET_MARK);
		if (wait_for(hdev, HVL_INTERRUPT_ACK, 0, RESET_MS))
			return;
	}
	hvl_write(hdev, HVL_INTERRUPT_ACK, 0);
}

void hvl_reset(struct virtio_device *vdev)
{
	struct hvl_device *hdev = hvl_of(vdev);

	hdev->status = 0;
	stop(hdev);
	hvl_settle_console(hdev);
	hvl_drain(hdev);
}

void hvl_set_status(struct virtio_device *vdev, u8 status)
{
	struct hvl_device *hdev = hvl_of(vdev);
	bool starts = !hdev->status && status;
	unsigned long flags;

	if (starts) /* what an earlier driver may have asked for */
		hvl_write(hdev, HVL_QUEUE_PFN, 0);
	spin_lock_irqsave(&hdev->lock, flags); /* an interrupt takes a difference for a pool that was wiped */
	hdev->status = status;
	hvl_write(hdev, HVL_STATUS, status);
	spin_unlock_irqrestore(&hdev->lock, flags);
	if (starts)
		hvl_write(hdev, HVL_GUEST_PAGE_SIZE, HVL_PAGE);
	hvl_ring(hdev->pool);
}

int hvl_finalize_features(struct virtio_device *vdev)
{
	struct hvl_device *hdev = hvl_of(vdev);

	vring_transport_features(vdev);
	hdev->event_idx = __virtio_test_bit(vdev, VIRTIO_RING_F_EVENT_IDX);
	/* The bits above 31 are between this module and Linux; the register has 32. */
	hvl_write(hdev, HVL_GUEST_FEATURES_SEL, 0);
	hvl_write(hdev, HVL_GUEST_FEATURES, (u32)vdev->features);
	hvl_ring(hdev->pool);
	return 0;
}

/* Names a queue to the PMM and waits for the acknowledge word. The ring's memory has to be zero. */
int hvl_request_queue(struct hvl_device *hdev, u32 index)
{
	struct hvl_queue_plan *queue = &hdev->plan.queue[index];
	u32 pfn = (hdev->pool->map.published >> HVL_PAGE_SHIFT) + queue->ring;

	hvl_write(hdev, HVL_QUEUE_SEL, index);
	hvl_write(hdev, HVL_QUEUE_NUM, queue->num);
	hvl_write(hdev, HVL_QUEUE_ALIGN, HVL_RING_ALIGN);
	hvl_write(hdev, HVL_QUEUE_PFN, pfn);
	if (wait_for(hdev, HVL_QUEUE_PFN, HVL_ACK_WORD, ANSWER_MS))
		return 0;
	dev_err(&hdev->dev, "queue %u (%u entries, page %#x) was not acknowledged\n", index, queue->num, pfn);
	return -ETIMEDOUT;
}

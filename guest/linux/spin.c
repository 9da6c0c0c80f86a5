// SPDX-License-Identifier: GPL-2.0
/*
 * After a doorbell or an answer: looks at the rings for a while, in time that nobody else wants. An answer that comes soon is
 * found without an interrupt, and without waking a processor that sleeps; the PMM is not even asked for the interrupt.
 *
 * That the PMM is not asked is this thread's promise to look: it is taken back before anything else may run here. So a
 * machine that is busy with other things gets its interrupts.
 */
#include <linux/kthread.h>
#include <linux/sched.h>
#include <linux/sched/clock.h>
#include <linux/slab.h>
#include <linux/wait.h>
#include "hvl.h"

/* Looks before others get a chance. */
#define STRETCH 1000
/* Looks between two rests: where the processor is emulated, or shared, a rest lets others go on. */
#define REST 16
/* A position of the used ring that the device has passed; it comes there again after 49,152 buffers. */
#define BEHIND 0x4000
/* So often in a row nothing was found, and then it is no use for a while. */
#define VAIN 8
#define LEAST_PAUSE_NS (20 * NSEC_PER_MSEC)
#define LONGEST_PAUSE_NS (320 * NSEC_PER_MSEC)

/* A pool's spinner. */
struct hvl_spinner {
	struct hvl_pool *pool;
	struct task_struct *task;
	wait_queue_head_t wait;
	u64 budget_ns;
	u64 until;	/* spin until then */
	u64 paused_until;
	u64 pause_ns;
	u32 vain;
};

static u16 *event_of(struct hvl_device *hdev, u32 index)
{
	struct vring *ring = &hdev->rings[index];

	return (u16 *)&ring->avail->ring[ring->num]; /* "used_event" */
}

static u16 used_of(struct hvl_device *hdev, u32 index)
{
	return virtio16_to_cpu(&hdev->virtio->vdev, READ_ONCE(hdev->rings[index].used->idx));
}

/* Asks for no interrupt. Linux's core may write the event index at the same time: what it wrote is kept. */
static void be_quiet(struct hvl_device *hdev, u32 index)
{
	struct hvl_spin *spin = &hdev->spin[index];
	u16 quiet = (__force u16)cpu_to_virtio16(&hdev->virtio->vdev, spin->seen - BEHIND);
	u16 was = xchg(event_of(hdev, index), quiet);

	if (!spin->is_quiet || was != spin->quiet)
		spin->event = was;
	spin->quiet = quiet;
	spin->is_quiet = true;
}

/* One queue. Returns true if the device has used a buffer since the last look. */
static bool look_at_queue(struct hvl_device *hdev, u32 index)
{
	struct hvl_spin *spin = &hdev->spin[index];
	u16 used = used_of(hdev, index);
	bool found = used != spin->seen;

	spin->seen = used;
	if (hdev->event_idx && (found || !spin->is_quiet || READ_ONCE(*event_of(hdev, index)) != spin->quiet))
		be_quiet(hdev, index);
	return found;
}

/* Asks for interrupts as Linux's core wants them, then looks once more. */
static bool end_at_queue(struct hvl_device *hdev, u32 index)
{
	struct hvl_spin *spin = &hdev->spin[index];

	if (!spin->is_quiet)
		return false;
	spin->is_quiet = false;
	cmpxchg(event_of(hdev, index), spin->quiet, spin->event);
	mb(); /* what comes from here on is signalled, what came before is seen now */
	return used_of(hdev, index) != spin->seen;
}

static bool at_device(struct hvl_device *hdev, bool (*at_queue)(struct hvl_device *hdev, u32 index))
{
	unsigned long flags;
	bool found = false;
	u32 i;

	spin_lock_irqsave(&hdev->lock, flags);
	/* What a PMM that has started anew puts where the rings were is not to be touched. */
	for (i = 0; hdev->active && !hvl_is_wiped(hdev) && i < HVL_MAX_QUEUES; i++)
		if (hdev->vqs[i])
			found |= at_queue(hdev, i);
	spin_unlock_irqrestore(&hdev->lock, flags);
	if (found)
		hvl_device_interrupt(hdev);
	return found;
}

static bool at_all(struct hvl_pool *pool, bool (*at_queue)(struct hvl_device *hdev, u32 index))
{
	bool found = false;
	u32 i;

	local_bh_disable(); /* its end runs what the drivers have left for later */
	rcu_read_lock();
	for (i = 0; i < HVL_MAX_DEVICES; i++) {
		struct hvl_device *hdev = READ_ONCE(pool->devices[i]);

		if (hdev && at_device(hdev, at_queue))
			found = true;
	}
	rcu_read_unlock();
	local_bh_enable();
	return found;
}

static bool is_time(const struct hvl_spinner *spinner)
{
	return local_clock() < READ_ONCE(spinner->until);
}

/* Looks until something is found, somebody else wants the processor, or for long enough. Returns true if it was found. */
static bool stretch(struct hvl_spinner *spinner)
{
	bool found = false;
	u32 i;

	preempt_disable();
	for (i = 1; i <= STRETCH && !found && !need_resched() && is_time(spinner); i++) {
		found = at_all(spinner->pool, look_at_queue);
		if (i % REST == 0)
			cpu_relax();
	}
	found |= at_all(spinner->pool, end_at_queue);
	preempt_enable();
	return found;
}

/* It was of use, or not. */
static void learn(struct hvl_spinner *spinner, bool found)
{
	if (found) {
		spinner->vain = 0;
		spinner->pause_ns = LEAST_PAUSE_NS;
	} else if (++spinner->vain >= VAIN) {
		WRITE_ONCE(spinner->paused_until, local_clock() + spinner->pause_ns);
		spinner->pause_ns = min_t(u64, 2 * spinner->pause_ns, LONGEST_PAUSE_NS);
	}
}

static int run(void *data)
{
	struct hvl_spinner *spinner = data;

	while (!kthread_should_stop()) {
		bool found = false;

		wait_event_idle(spinner->wait, kthread_should_stop() || is_time(spinner));
		while (is_time(spinner) && !kthread_should_stop()) {
			if (stretch(spinner)) {
				found = true;
				atomic64_inc(&spinner->pool->by_spinning);
				WRITE_ONCE(spinner->until, local_clock() + spinner->budget_ns);
			}
			yield(); /* to those who have waited for it */
		}
		learn(spinner, found);
	}
	return 0;
}

/* Something was sent to the PMM or has come from it: what follows may come soon. Context: any. */
void hvl_spin(struct hvl_pool *pool)
{
	struct hvl_spinner *spinner = pool->spinner;
	u64 now;

	if (!spinner)
		return;
	now = local_clock();
	if (now < READ_ONCE(spinner->paused_until))
		return;
	WRITE_ONCE(spinner->until, now + spinner->budget_ns);
	if (wq_has_sleeper(&spinner->wait))
		wake_up(&spinner->wait);
}

/* Without enough memory there is none: it only saves time. Nor on a kernel whose locks may sleep. */
void hvl_spin_start(struct hvl_pool *pool)
{
	struct hvl_spinner *spinner;

	if (!pool->access.spin_us || IS_ENABLED(CONFIG_PREEMPT_RT))
		return;
	spinner = kzalloc(sizeof(*spinner), GFP_KERNEL);
	if (!spinner)
		return;
	spinner->pool = pool;
	spinner->budget_ns = (u64)pool->access.spin_us * NSEC_PER_USEC;
	spinner->pause_ns = LEAST_PAUSE_NS;
	init_waitqueue_head(&spinner->wait);
	spinner->task = kthread_create(run, spinner, "virtio_hvl");
	if (IS_ERR(spinner->task)) {
		kfree(spinner);
		return;
	}
	sched_set_normal(spinner->task, MAX_NICE);
	pool->spinner = spinner;
	wake_up_process(spinner->task);
}

/* After the last device is gone. */
void hvl_spin_stop(struct hvl_pool *pool)
{
	if (!pool->spinner)
		return;
	kthread_stop(pool->spinner->task);
	kfree(pool->spinner);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * One pool: its memory, the signals in both directions, and a watch that starts the devices when a PMM has published
 * some and starts them again when the PMM has.
 */
#include <linux/bitmap.h>
#include <linux/slab.h>
#include "hvl.h"

#define WATCH_MS 500

/* Tells the PMM to look. */
void hvl_ring(struct hvl_pool *pool)
{
	if (!pool->access.doorbell)
		return;
	atomic64_inc(&pool->doorbells);
	mb(); /* what it shall find has to be there, and it may be quick */
	writel(pool->access.doorbell_value, pool->access.doorbell);
}

static bool look(struct hvl_pool *pool)
{
	bool any = false;
	u32 i;

	for (i = 0; i < HVL_MAX_DEVICES; i++) {
		struct hvl_device *hdev = READ_ONCE(pool->devices[i]);

		if (hdev && hvl_device_interrupt(hdev))
			any = true;
	}
	if (any && pool->access.ring_acks)
		hvl_ring(pool);
	return any;
}

/* There is one line for all devices, and it may ring for nothing: it is always ours. */
irqreturn_t hvl_interrupt(int irq, void *data)
{
	struct hvl_pool *pool = data;

	atomic64_inc(&pool->interrupts);
	if (look(pool))
		hvl_spin(pool);
	return IRQ_HANDLED;
}

/*
 * Beside interrupts, too: one may get lost, and a CPU that waits for a PMM that has started anew can only be reached by an
 * interrupt of this side.
 */
static enum hrtimer_restart tick(struct hrtimer *timer)
{
	struct hvl_pool *pool = container_of(timer, struct hvl_pool, timer);

	if (look(pool))
		atomic64_inc(&pool->by_timer);
	hrtimer_forward_now(timer, ns_to_ktime((u64)pool->access.poll_us * NSEC_PER_USEC));
	return HRTIMER_RESTART;
}

/* Takes all devices away. Waits for their drivers. */
static void stop(struct hvl_pool *pool)
{
	struct hvl_device *gone[HVL_MAX_DEVICES];
	u32 i;

	for (i = 0; i < HVL_MAX_DEVICES; i++) {
		gone[i] = pool->devices[i];
		if (!gone[i])
			continue;
		flush_work(&gone[i]->recover);
		hvl_device_unregister(gone[i]);
		WRITE_ONCE(pool->devices[i], NULL);
	}
	synchronize_rcu(); /* no interrupt looks at them any more */
	for (i = 0; i < HVL_MAX_DEVICES; i++)
		if (gone[i] && gone[i]->stuck)
			pool->stuck = true;
		else if (gone[i])
			hvl_device_destroy(gone[i]);
	pool->up = false;
}

static void start(struct hvl_pool *pool)
{
	u32 i;
	int err = hvl_read_layout(&pool->access, pool->memory, &pool->map);

	if (err) {
		if (!pool->said_waiting)
			dev_info(pool->access.parent, "%s\n", err == -EAGAIN ? "waiting for a PMM" :
				 "what is in the pool is no layout of devices");
		pool->said_waiting = true;
		return;
	}
	pool->said_waiting = false;
	bitmap_zero(pool->used, pool->npages);
	memset(pool->pages, 0, array_size(pool->npages, sizeof(*pool->pages)));
	for (i = 0; i < pool->map.count; i++) {
		struct hvl_device *hdev = hvl_device_create(pool, i);

		if (!hdev) {
			stop(pool);
			return;
		}
		WRITE_ONCE(pool->devices[i], hdev);
	}
	hvl_plan_devices(pool);
	dev_info(pool->access.parent, "%u devices, pool at %#llx for the PMM, doorbell %s, %s\n", pool->map.count,
		 pool->map.published, pool->access.doorbell ? "yes" : "none",
		 pool->access.irq < 0 ? "no interrupt" : "interrupt");
	pool->up = true;
	for (i = 0; i < pool->map.count; i++)
		hvl_device_register(pool->devices[i]);
}

/* A PMM that has started anew shows the same devices again, or others. */
static void check(struct hvl_pool *pool)
{
	struct hvl_map *now;
	bool lost = false, same;
	u32 i;

	for (i = 0; i < pool->map.count; i++) {
		struct hvl_device *hdev = pool->devices[i];
		bool suspect = hvl_device_lost(hdev);

		/* Twice in a row: once may be a store of our own under way. */
		lost |= suspect && hdev->suspect;
		hdev->suspect = suspect;
	}
	if (!lost)
		return;
	now = kzalloc(sizeof(*now), GFP_KERNEL);
	if (!now)
		return;
	same = false;
	if (!hvl_read_layout(&pool->access, pool->memory, now)) {
		same = !memcmp(now, &pool->map, sizeof(*now));
		if (!same) {
			dev_info(pool->access.parent, "the PMM has started anew, with other devices\n");
			stop(pool);
			start(pool);
		}
	}
	for (i = 0; same && i < pool->map.count; i++)
		if (hvl_device_lost(pool->devices[i]))
			hvl_device_recover(pool->devices[i]);
	kfree(now);
}

static void watch(struct work_struct *work)
{
	struct hvl_pool *pool = container_of(to_delayed_work(work), struct hvl_pool, watch);

	if (pool->up)
		check(pool);
	else
		start(pool);
	queue_delayed_work(pool->queue, &pool->watch, msecs_to_jiffies(WATCH_MS));
}

static void free_memory(struct hvl_pool *pool)
{
	if (pool->queue)
		destroy_workqueue(pool->queue);
	if (pool->memory)
		memunmap(pool->memory);
	bitmap_free(pool->used);
	kvfree(pool->pages);
	kfree(pool);
}

static int get_memory(struct hvl_pool *pool)
{
	pool->npages = pool->access.size >> HVL_PAGE_SHIFT;
	pool->used = bitmap_zalloc(pool->npages, GFP_KERNEL);
	pool->pages = kvcalloc(pool->npages, sizeof(*pool->pages), GFP_KERNEL);
	/* two works of one pool may wait for each other's devices, so: unbound, several at a time */
	pool->queue = alloc_workqueue("virtio_hvl", WQ_UNBOUND, 0);
	if (!pool->used || !pool->pages || !pool->queue)
		return -ENOMEM;
	pool->memory = memremap(pool->access.base, pool->access.size, MEMREMAP_WB);
	return pool->memory ? 0 : -ENOMEM;
}

/* Errors: -EINVAL for a size that cannot be, -ENOMEM, or what the interrupt says. */
struct hvl_pool *hvl_pool_create(const struct hvl_access *access)
{
	struct hvl_pool *pool;
	int err;

	if (access->size < 2 * HVL_PAGE || access->size > HVL_MAX_POOL || access->base % HVL_PAGE) {
		dev_err(access->parent, "a pool of %#zx bytes at %pa cannot be\n", access->size, &access->base);
		return ERR_PTR(-EINVAL);
	}
	pool = kzalloc(sizeof(*pool), GFP_KERNEL);
	if (!pool)
		return ERR_PTR(-ENOMEM);
	pool->access = *access;
	pool->access.size &= ~(HVL_PAGE - 1);
	spin_lock_init(&pool->page_lock);
	INIT_DELAYED_WORK(&pool->watch, watch);
	hrtimer_init(&pool->timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
	pool->timer.function = tick;
	err = get_memory(pool);
	if (!err && access->irq >= 0) {
		err = request_irq(access->irq, hvl_interrupt, 0, "virtio_hvl", pool);
		if (err)
			dev_err(access->parent, "interrupt %d cannot be had: %d\n", access->irq, err);
	}
	if (err) {
		free_memory(pool);
		return ERR_PTR(err);
	}
	hrtimer_start(&pool->timer, ns_to_ktime((u64)access->poll_us * NSEC_PER_USEC), HRTIMER_MODE_REL);
	hvl_spin_start(pool);
	hvl_stats_add(pool);
	queue_delayed_work(pool->queue, &pool->watch, 0);
	return pool;
}

void hvl_pool_destroy(struct hvl_pool *pool)
{
	cancel_delayed_work_sync(&pool->watch);
	stop(pool);
	hvl_stats_remove(pool);
	hrtimer_cancel(&pool->timer);
	if (pool->access.irq >= 0)
		free_irq(pool->access.irq, pool);
	if (pool->stuck)
		return;
	hvl_spin_stop(pool);
	free_memory(pool);
}

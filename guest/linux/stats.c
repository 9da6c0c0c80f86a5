// SPDX-License-Identifier: GPL-2.0
/* Counters of each pool: /sys/kernel/debug/virtio_hvl/NAME */
#include <linux/debugfs.h>
#include <linux/rcupdate.h>
#include <linux/seq_file.h>
#include "hvl.h"

static struct dentry *folder;

static void show_zone(struct seq_file *file, const char *name, const struct hvl_zone *zone)
{
	if (zone->slots)
		seq_printf(file, " %s=%u/%u*%lu", name, zone->lowest, zone->slots, zone->slot_pages * HVL_PAGE);
}

static int stats_show(struct seq_file *file, void *unused)
{
	struct hvl_pool *pool = file->private;
	u32 i;

	seq_printf(file, "doorbells=%llu interrupts=%llu by_timer=%llu by_spinning=%llu\n",
		   (u64)atomic64_read(&pool->doorbells), (u64)atomic64_read(&pool->interrupts),
		   (u64)atomic64_read(&pool->by_timer), (u64)atomic64_read(&pool->by_spinning));
	rcu_read_lock(); /* devices are taken away only when nobody looks at them */
	for (i = 0; i < HVL_MAX_DEVICES; i++) {
		struct hvl_device *hdev = READ_ONCE(pool->devices[i]);
		struct hvl_counters *counters;

		if (!hdev)
			continue;
		counters = &hdev->counters;
		seq_printf(file, "%u: id=%u kicks=%llu interrupts=%llu direct=%llu bounced=%llu unreserved=%llu", i,
			   hdev->slot->id, (u64)atomic64_read(&counters->kicks),
			   (u64)atomic64_read(&counters->interrupts), (u64)atomic64_read(&counters->direct),
			   (u64)atomic64_read(&counters->bounced), (u64)atomic64_read(&counters->unreserved));
		seq_printf(file, " bytes_out=%llu bytes_in=%llu exhausted=%llu", (u64)atomic64_read(&counters->bytes_out),
			   (u64)atomic64_read(&counters->bytes_in), (u64)atomic64_read(&counters->exhausted));
		show_zone(file, "slots_in", &hdev->zones[HVL_ZONE_IN]);
		show_zone(file, "slots_out", &hdev->zones[HVL_ZONE_OUT]);
		seq_putc(file, '\n');
	}
	rcu_read_unlock();
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stats);

void hvl_stats_add(struct hvl_pool *pool)
{
	pool->debugfs = debugfs_create_file(dev_name(pool->access.parent), 0400, folder, pool, &stats_fops);
}

void hvl_stats_remove(struct hvl_pool *pool)
{
	debugfs_remove(pool->debugfs);
}

void hvl_stats_init(void)
{
	folder = debugfs_create_dir("virtio_hvl", NULL);
}

void hvl_stats_exit(void)
{
	debugfs_remove(folder);
}

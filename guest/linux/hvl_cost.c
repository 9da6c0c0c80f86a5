// SPDX-License-Identifier: GPL-2.0
/*
 * Measures what a buffer outside the pool costs: the time to map it for a device of an ivshmem pool (a copy into the pool)
 * and to unmap it (a copy back); and beside it what a buffer in the pool costs that is allocated for each transfer. One that is
 * allocated once and used again costs nothing. Loading it prints a line per size and ends with -EAGAIN: nothing stays loaded.
 */
#include <linux/device.h>
#include <linux/dma-mapping.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/slab.h>

#define MOST_BYTES 16384
#define ROUNDS 2000

static const size_t sizes[] = { 64, 1536, 4096, MOST_BYTES };

/*
 * A network card is best: 9p's buffers are copied back as far as the PMM has written them, which is not at all here, and an
 * entropy source has no slots for what it would read.
 */
static unsigned int device = 2;
module_param(device, uint, 0444);
MODULE_PARM_DESC(device, "slot of the device whose DMA is measured");

/* ns per turn; 0 if the pool has no room. */
static u64 bounce(struct device *dev, void *buffer, size_t bytes, enum dma_data_direction dir)
{
	u64 start = ktime_get_ns();
	int i;

	for (i = 0; i < ROUNDS; i++) {
		dma_addr_t address = dma_map_single(dev, buffer, bytes, dir);

		if (dma_mapping_error(dev, address))
			return 0;
		dma_unmap_single(dev, address, bytes, dir);
	}
	return div_u64(ktime_get_ns() - start, ROUNDS);
}

/* The same for a buffer that is allocated in the pool, and given back. */
static u64 allocate(struct device *dev, size_t bytes)
{
	u64 start = ktime_get_ns();
	int i;

	for (i = 0; i < ROUNDS; i++) {
		dma_addr_t address;
		void *buffer = dma_alloc_coherent(dev, bytes, &address, GFP_KERNEL);

		if (!buffer)
			return 0;
		dma_free_coherent(dev, bytes, buffer, address);
	}
	return div_u64(ktime_get_ns() - start, ROUNDS);
}

static void measure(struct device *dev, void *buffer)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		size_t bytes = sizes[i];
		u64 out = bounce(dev, buffer, bytes, DMA_TO_DEVICE);
		u64 in = bounce(dev, buffer, bytes, DMA_FROM_DEVICE);
		u64 alloc = allocate(dev, bytes);

		pr_info("hvl_cost: bytes=%zu out=%llu in=%llu alloc=%llu\n", bytes, out, in, alloc);
	}
}

static struct device *find_device(struct pci_dev *pci)
{
	char *name = kasprintf(GFP_KERNEL, "%s-%u", pci_name(pci), device);
	struct device *dev = name ? device_find_child_by_name(&pci->dev, name) : NULL;

	kfree(name);
	return dev;
}

static int __init hvl_cost_init(void)
{
	struct pci_dev *pci = pci_get_device(0x1af4, 0x1110, NULL);
	struct device *dev = pci ? find_device(pci) : NULL;
	void *buffer = kmalloc(MOST_BYTES, GFP_KERNEL);
	int err = -EAGAIN;

	if (!dev)
		err = -ENODEV;
	else if (!buffer)
		err = -ENOMEM;
	else
		measure(dev, buffer);
	kfree(buffer);
	put_device(dev);
	pci_dev_put(pci);
	return err;
}
module_init(hvl_cost_init);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Costs of buffers outside a hypervisorless virtio pool");

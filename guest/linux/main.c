// SPDX-License-Identifier: GPL-2.0
/*
 * Hypervisorless virtio front end for Linux: virtio devices that live in a pool of shared memory, served by a Physical
 * Machine Monitor on the other side of it. Where the pool is comes from module parameters, or from an ivshmem PCI
 * function.
 */
#include <linux/acpi.h>
#include <linux/ioport.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/platform_device.h>
#include "hvl.h"

#define IVSHMEM_POSITION 8
#define IVSHMEM_DOORBELL 12
#define IVSHMEM_REGISTERS 0
#define IVSHMEM_MEMORY 2
#define DEFAULT_SIZE 0x1000000
#define DEFAULT_POLL_US 1000
#define SLOW_POLL_US 100000
#define LEAST_POLL_US 20
#define MOST_SPIN_US 10000

static unsigned long long base;
module_param(base, ullong, 0444);
MODULE_PARM_DESC(base, "physical address of the pool; 0: only ivshmem");
static char *size;
module_param(size, charp, 0444);
MODULE_PARM_DESC(size, "bytes of the pool (16M, 0x1000000); 0: 16M, or all of an ivshmem function");
static int irq = -1;
module_param(irq, int, 0444);
MODULE_PARM_DESC(irq, "interrupt of the pool at base=: a GSI with ACPI, else Linux's number; edge; -1: none");
static char *layout = "auto";
module_param(layout, charp, 0444);
MODULE_PARM_DESC(layout, "how the PMM describes the pool: dtb, nodtb or auto");
static unsigned long long doorbell;
module_param(doorbell, ullong, 0444);
MODULE_PARM_DESC(doorbell, "physical address that a store of 32 bits rings at; 0: none, the PMM looks by itself");
static unsigned int poll_us;
module_param(poll_us, uint, 0444);
MODULE_PARM_DESC(poll_us, "look at the pool every so many microseconds; 0: 1000, with an interrupt 100000");
static unsigned int spin_us;
module_param(spin_us, uint, 0444);
MODULE_PARM_DESC(spin_us, "after a doorbell or an answer look for so many microseconds instead of sleeping; 0: do not");
static unsigned int pmm_id;
module_param(pmm_id, uint, 0444);
MODULE_PARM_DESC(pmm_id, "the PMM's number among the ivshmem peers");
static bool confine;
module_param(confine, bool, 0444);
MODULE_PARM_DESC(confine, "keep rings and buffers of each device in its own region (PMM with --confine)");
static bool ring_acks = true;
module_param(ring_acks, bool, 0444);
MODULE_PARM_DESC(ring_acks, "ring when an interrupt was acknowledged, too; lkvm's PMM does not need it");

static struct hvl_pool *plain_pool;
static struct platform_device *plain_parent;
static struct resource *plain_resource;
static void __iomem *plain_doorbell;

/* 0 if it was not given. */
static size_t given_size(void)
{
	return size ? memparse(size, NULL) : 0;
}

static int common_access(struct hvl_access *access)
{
	if (!strcmp(layout, "auto"))
		access->layout = HVL_LAYOUT_AUTO;
	else if (!strcmp(layout, "dtb"))
		access->layout = HVL_LAYOUT_DTB;
	else if (!strcmp(layout, "nodtb"))
		access->layout = HVL_LAYOUT_NODTB;
	else
		return -EINVAL;
	access->confine = confine;
	access->ring_acks = ring_acks;
	access->poll_us = poll_us;
	if (!access->poll_us)
		access->poll_us = access->irq < 0 ? DEFAULT_POLL_US : SLOW_POLL_US;
	access->poll_us = max_t(u32, access->poll_us, LEAST_POLL_US);
	access->spin_us = min_t(u32, spin_us, MOST_SPIN_US);
	return 0;
}

/* Linux's number for irq=. */
static int irq_of(int number)
{
	if (number < 0)
		return -1;
#ifdef CONFIG_ACPI
	if (!acpi_disabled)
		return acpi_register_gsi(NULL, number, ACPI_EDGE_SENSITIVE, ACPI_ACTIVE_HIGH);
#endif
	return number;
}

static void forget_irq(int number)
{
#ifdef CONFIG_ACPI
	if (number >= 0 && !acpi_disabled)
		acpi_unregister_gsi(number);
#endif
}

static void plain_exit(void)
{
	if (!plain_parent)
		return;
	if (plain_pool) {
		hvl_pool_destroy(plain_pool);
		forget_irq(irq);
	}
	if (plain_doorbell)
		iounmap(plain_doorbell);
	if (plain_resource)
		release_mem_region(base, resource_size(plain_resource));
	platform_device_unregister(plain_parent);
}

/* The pool that base= names. */
static int plain_init(void)
{
	struct hvl_access access = { .base = base, .size = given_size(), .size_is_exact = true, .irq = -1 };
	int err;

	if (!base)
		return 0;
	if (!access.size)
		access.size = DEFAULT_SIZE;
	if (base + access.size < base ||
	    region_intersects(base, access.size, IORESOURCE_SYSTEM_RAM, IORES_DESC_NONE) != REGION_DISJOINT) {
		pr_err("virtio_hvl: %#zx bytes at %#llx are (partly) this kernel's own memory\n", access.size, base);
		return -EINVAL;
	}
	plain_parent = platform_device_register_simple("virtio-hvl", PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(plain_parent)) {
		err = PTR_ERR(plain_parent);
		plain_parent = NULL;
		return err;
	}
	access.parent = &plain_parent->dev;
	plain_resource = request_mem_region(base, access.size, "virtio_hvl");
	if (!plain_resource) {
		dev_err(access.parent, "%#zx bytes at %#llx belong to something else\n", access.size, base);
		err = -EBUSY;
		goto failed;
	}
	if (doorbell) {
		plain_doorbell = ioremap(doorbell, sizeof(u32));
		err = -ENOMEM;
		if (!plain_doorbell)
			goto failed;
		access.doorbell = plain_doorbell;
	}
	access.irq = irq_of(irq);
	if (irq >= 0 && access.irq < 0) {
		dev_err(access.parent, "there is no interrupt %d\n", irq);
		err = access.irq;
		goto failed;
	}
	err = common_access(&access);
	if (!err) {
		plain_pool = hvl_pool_create(&access);
		err = PTR_ERR_OR_ZERO(plain_pool);
	}
	if (!err)
		return 0;
	plain_pool = NULL;
	forget_irq(irq);
failed:
	plain_exit();
	return err;
}

/* The function's doorbell and interrupt; ivshmem-plain has neither. */
static void ivshmem_signals(struct pci_dev *pci, struct hvl_access *access, void __iomem *registers)
{
	if (pci_alloc_irq_vectors(pci, 1, 1, PCI_IRQ_MSIX) < 1)
		return;
	pci_set_master(pci); /* otherwise its interrupts go nowhere */
	access->irq = pci_irq_vector(pci, 0);
	access->doorbell = registers + IVSHMEM_DOORBELL;
	access->doorbell_value = pmm_id << 16;
	dev_info(&pci->dev, "peer %u, the PMM is peer %u\n", ioread32(registers + IVSHMEM_POSITION), pmm_id);
}

static int ivshmem_probe(struct pci_dev *pci, const struct pci_device_id *id)
{
	struct hvl_access access = {
		.parent = &pci->dev,
		.base = pci_resource_start(pci, IVSHMEM_MEMORY),
		.size = pci_resource_len(pci, IVSHMEM_MEMORY),
		.irq = -1,
	};
	void __iomem *registers;
	struct hvl_pool *pool;
	int err = pcim_enable_device(pci);

	if (err)
		return err;
	err = pcim_iomap_regions(pci, BIT(IVSHMEM_REGISTERS), "virtio_hvl");
	if (err)
		return err;
	if (!access.base || !devm_request_mem_region(&pci->dev, access.base, access.size, "virtio_hvl"))
		return -EBUSY;
	/* The memory of the function is a power of two, the pool may be less. */
	if (given_size()) {
		access.size = min(access.size, given_size());
		access.size_is_exact = true;
	}
	registers = pcim_iomap_table(pci)[IVSHMEM_REGISTERS];
	ivshmem_signals(pci, &access, registers);
	err = common_access(&access);
	if (!err) {
		pool = hvl_pool_create(&access);
		err = PTR_ERR_OR_ZERO(pool);
	}
	if (err) {
		pci_free_irq_vectors(pci);
		return err;
	}
	pci_set_drvdata(pci, pool);
	return 0;
}

static void ivshmem_remove(struct pci_dev *pci)
{
	hvl_pool_destroy(pci_get_drvdata(pci));
	pci_free_irq_vectors(pci);
}

static const struct pci_device_id ivshmem_ids[] = {
	{ PCI_DEVICE(0x1af4, 0x1110) },
	{ }
};
MODULE_DEVICE_TABLE(pci, ivshmem_ids);

static struct pci_driver ivshmem_driver = {
	.name = "virtio_hvl",
	.id_table = ivshmem_ids,
	.probe = ivshmem_probe,
	.remove = ivshmem_remove,
};

static int __init hvl_init(void)
{
	int err;

	hvl_stats_init();
	err = plain_init();
	if (!err) {
		err = pci_register_driver(&ivshmem_driver);
		if (err)
			plain_exit();
	}
	if (err)
		hvl_stats_exit();
	return err;
}
module_init(hvl_init);

static void __exit hvl_exit(void)
{
	pci_unregister_driver(&ivshmem_driver);
	plain_exit();
	hvl_stats_exit();
}
module_exit(hvl_exit);

MODULE_DESCRIPTION("Hypervisorless virtio: devices in a pool of shared memory");
MODULE_LICENSE("GPL");

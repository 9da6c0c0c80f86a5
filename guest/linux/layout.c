// SPDX-License-Identifier: GPL-2.0
/*
 * What the PMM has published. With a device tree: a small flattened tree at the start of the pool, one node per
 * device; each device has a region, its register block first. Without: blocks at 0x200 distance from the start.
 *
 * Everything is copied out of the pool before it is looked at, and checked: whatever is there, no address outside the
 * pool comes out of here.
 */
#include <linux/slab.h>
#include "hvl.h"

#define FDT_MAGIC 0xd00dfeed
#define FDT_BEGIN_NODE 1
#define FDT_END_NODE 2
#define FDT_PROP 3
#define FDT_NOP 4
#define FDT_END 9
#define FDT_HEADER_BYTES 40

struct tree {
	const u8 *blob;
	u32 at;		/* in the structure block; multiple of 4 */
	u32 end;
	u32 strings;
	u32 strings_end;
};

static u32 cell(const struct tree *tree, u32 at)
{
	return be32_to_cpup((const __be32 *)(tree->blob + at));
}

/* The string at an offset, NULL if it does not end in time. */
static const char *text(const struct tree *tree, u32 at, u32 end)
{
	const char *start = (const char *)tree->blob + at;

	if (at >= end || strnlen(start, end - at) == end - at)
		return NULL;
	return start;
}

static int open_tree(const u8 *blob, size_t bytes, struct tree *tree)
{
	struct tree header = { .blob = blob };
	u32 total = cell(&header, 4);
	u32 at = cell(&header, 8), size = cell(&header, 36);
	u32 strings = cell(&header, 12), strings_size = cell(&header, 32);

	if (cell(&header, 0) != FDT_MAGIC || total > bytes || total < FDT_HEADER_BYTES)
		return -EAGAIN;
	if (at % 4 || at > total || size > total - at || strings > total || strings_size > total - strings)
		return -EINVAL;
	tree->blob = blob;
	tree->at = at;
	tree->end = at + size;
	tree->strings = strings;
	tree->strings_end = strings + strings_size;
	return 0;
}

/* One property of a child of the root. */
static void look_at_property(const struct tree *tree, u32 value, u32 bytes, const char *name, bool *ours, u64 *reg)
{
	if (!strcmp(name, "compatible")) {
		const char *compatible = text(tree, value, value + bytes);

		*ours = compatible && !strcmp(compatible, "virtio,mmio");
	}
	if (!strcmp(name, "reg") && bytes >= 16)
		*reg = (u64)cell(tree, value) << 32 | cell(tree, value + 4);
}

/* Addresses of the register blocks, for the PMM. Returns their number. */
static int blocks_of_tree(struct tree *tree, u64 *blocks)
{
	u32 depth = 0, count = 0;
	bool ours = false;
	u64 reg = 0;

	while (tree->end - tree->at >= 4) {
		u32 token = cell(tree, tree->at);
		const char *name;
		u32 bytes;

		tree->at += 4;
		switch (token) {
		case FDT_BEGIN_NODE:
			name = text(tree, tree->at, tree->end);
			if (!name)
				return -EINVAL;
			tree->at += ALIGN(strlen(name) + 1, 4);
			depth++;
			ours = false;
			reg = 0;
			break;
		case FDT_END_NODE:
			if (depth == 2 && ours && reg) {
				if (count == HVL_MAX_DEVICES)
					return -E2BIG;
				blocks[count++] = reg;
			}
			if (!depth--)
				return -EINVAL;
			break;
		case FDT_PROP:
			if (tree->end - tree->at < 8)
				return -EINVAL;
			bytes = cell(tree, tree->at);
			if (bytes > tree->end - tree->at - 8)
				return -EINVAL;
			name = text(tree, min(tree->strings + min(cell(tree, tree->at + 4), tree->strings_end),
					      tree->strings_end), tree->strings_end);
			if (!name)
				return -EINVAL;
			if (depth == 2)
				look_at_property(tree, tree->at + 8, bytes, name, &ours, &reg);
			tree->at += 8 + ALIGN(bytes, 4);
			break;
		case FDT_NOP:
			break;
		case FDT_END:
			return count;
		default:
			return -EINVAL;
		}
		if (tree->at > tree->end)
			return -EINVAL;
	}
	return -EINVAL;
}

static u32 word(const void *memory, size_t offset)
{
	return le32_to_cpu(READ_ONCE(*(const __le32 *)(memory + offset)));
}

static u64 long_word(const void *memory, size_t offset)
{
	return (u64)word(memory, offset + 4) << 32 | word(memory, offset);
}

/* Returns false if no device is here (yet). */
static bool read_block(const void *memory, u32 block, struct hvl_slot *slot)
{
	if (word(memory, block + HVL_MAGIC) != HVL_MAGIC_VALUE)
		return false;
	rmb(); /* the magic word is written last */
	slot->block = block;
	slot->id = word(memory, block + HVL_DEVICE_ID);
	slot->features = word(memory, block + HVL_HOST_FEATURES);
	slot->queue_max = word(memory, block + HVL_QUEUE_NUM_MAX);
	return word(memory, block + HVL_VERSION) == 1 && slot->id &&
	       long_word(memory, block + HVL_SHM_BASE) && long_word(memory, block + HVL_SHM_LEN);
}

static bool address_is_possible(u64 published, size_t size)
{
	return published && !(published % HVL_PAGE) && published < (1ULL << 44) - size;
}

/* Each device has a region of its own; what is behind the last one is everybody's. */
static int layout_of_blocks(const struct hvl_access *access, const void *memory, const u64 *blocks, struct hvl_map *map)
{
	u32 i, end = HVL_FDT_BYTES;

	map->published = blocks[0] - HVL_FDT_BYTES;
	if (!address_is_possible(map->published, access->size))
		return -EINVAL;
	for (i = 0; i < map->count; i++) {
		struct hvl_slot *slot = &map->slots[i];
		u64 offset = blocks[i] - map->published, bytes;

		/* regions follow each other, so that they cannot overlap */
		if (offset % HVL_PAGE || offset < end || offset > access->size - HVL_PAGE)
			return -EINVAL;
		if (!read_block(memory, offset, slot))
			return -EAGAIN;
		bytes = long_word(memory, offset + HVL_SHM_LEN);
		if (bytes < HVL_PAGE || bytes > access->size - offset)
			return -EINVAL;
		end = offset + bytes;
		slot->own_first = (offset >> HVL_PAGE_SHIFT) + 1;
		slot->own_end = end >> HVL_PAGE_SHIFT;
	}
	map->arena_first = DIV_ROUND_UP(end, HVL_PAGE);
	map->arena_end = access->size >> HVL_PAGE_SHIFT;
	return 0;
}

static int read_tree(const struct hvl_access *access, const void *memory, struct hvl_map *map)
{
	size_t bytes = min_t(size_t, access->size, HVL_FDT_BYTES);
	u64 blocks[HVL_MAX_DEVICES];
	struct tree tree;
	u8 *copy;
	int result;

	if (word(memory, 0) != swab32(FDT_MAGIC))
		return -EAGAIN;
	rmb(); /* that word is written last */
	copy = kmemdup(memory, bytes, GFP_KERNEL);
	if (!copy)
		return -ENOMEM;
	result = open_tree(copy, bytes, &tree);
	if (!result)
		result = blocks_of_tree(&tree, blocks);
	kfree(copy);
	if (result <= 0)
		return result ? result : -ENODEV;
	map->dtb = 1;
	map->count = result;
	return layout_of_blocks(access, memory, blocks, map);
}

static int read_fixed_blocks(const struct hvl_access *access, const void *memory, struct hvl_map *map)
{
	u64 end = 0;
	u32 i;

	if (!read_block(memory, 0, &map->slots[0]))
		return -EAGAIN;
	map->published = long_word(memory, HVL_SHM_BASE);
	if (!address_is_possible(map->published, access->size))
		return -EINVAL;
	for (i = 0; i < HVL_MAX_NODTB_DEVICES; i++) {
		struct hvl_slot *slot = &map->slots[map->count];
		u32 block = i * HVL_BLOCK_BYTES;
		u64 last;

		if (!read_block(memory, block, slot))
			break;
		last = long_word(memory, block + HVL_SHM_BASE) + long_word(memory, block + HVL_SHM_LEN);
		end = max(end, min_t(u64, last - min(last, map->published), access->size));
		map->count++;
	}
	if (i < HVL_MAX_NODTB_DEVICES) /* what a device that is none has left there */
		memset(&map->slots[map->count], 0, sizeof(map->slots[0]));
	map->arena_first = 1;
	map->arena_end = (access->size_is_exact ? access->size : end) >> HVL_PAGE_SHIFT;
	return map->arena_end > map->arena_first ? 0 : -EINVAL;
}

/*
 * Reads what is published. Returns -EAGAIN if nothing is (the PMM is not up), another error if it is not usable.
 */
int hvl_read_layout(const struct hvl_access *access, const void *memory, struct hvl_map *map)
{
	bool tree = access->layout == HVL_LAYOUT_DTB ||
		    (access->layout == HVL_LAYOUT_AUTO && word(memory, 0) != HVL_MAGIC_VALUE);

	memset(map, 0, sizeof(*map));
	return tree ? read_tree(access, memory, map) : read_fixed_blocks(access, memory, map);
}

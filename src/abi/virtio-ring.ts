// <linux/virtio_ring.h>, virtio 1.2 section 2.7. Offsets and sizes in bytes.
export const VIRTQ_DESC_ADDR_OFF = 0;
export const VIRTQ_DESC_LEN_OFF = 8;
export const VIRTQ_DESC_FLAGS_OFF = 12;
export const VIRTQ_DESC_NEXT_OFF = 14;
export const VIRTQ_DESC_BYTES = 16;
export const VIRTQ_DESC_F_NEXT = 1;
export const VIRTQ_DESC_F_WRITE = 2;
export const VIRTQ_DESC_F_INDIRECT = 4;

export const VIRTQ_AVAIL_FLAGS_OFF = 0;
export const VIRTQ_AVAIL_IDX_OFF = 2;
export const VIRTQ_AVAIL_RING_OFF = 4;
export const VIRTQ_AVAIL_F_NO_INTERRUPT = 1;

export const VIRTQ_USED_FLAGS_OFF = 0;
export const VIRTQ_USED_IDX_OFF = 2;
export const VIRTQ_USED_RING_OFF = 4;
export const VIRTQ_USED_ELEM_BYTES = 8;
export const VIRTQ_USED_F_NO_NOTIFY = 1;

export const VIRTQ_DESC_ALIGN = 16;
export const VIRTQ_AVAIL_ALIGN = 2;
export const VIRTQ_USED_ALIGN = 4;
export const VIRTQ_SIZE_MAX = 32768;

// <linux/virtio_blk.h>, virtio 1.2 section 5.2. Feature bits are bit numbers; offsets and sizes in bytes.
export const VIRTIO_BLK_F_SIZE_MAX = 1;
export const VIRTIO_BLK_F_SEG_MAX = 2;
export const VIRTIO_BLK_F_RO = 5;
export const VIRTIO_BLK_F_BLK_SIZE = 6;
export const VIRTIO_BLK_F_FLUSH = 9;
export const VIRTIO_BLK_F_TOPOLOGY = 10;
export const VIRTIO_BLK_F_DISCARD = 13;
export const VIRTIO_BLK_F_WRITE_ZEROES = 14;

export const VIRTIO_BLK_ID_BYTES = 20;
/** Unit of `sector` and `capacity`, whatever the block size. Section 5.2.4. */
export const VIRTIO_BLK_SECTOR_BYTES = 512;

// struct virtio_blk_config, section 5.2.4
export const VIRTIO_BLK_CONFIG_CAPACITY_OFF = 0;
export const VIRTIO_BLK_CONFIG_SIZE_MAX_OFF = 8;
export const VIRTIO_BLK_CONFIG_SEG_MAX_OFF = 12;
export const VIRTIO_BLK_CONFIG_BLK_SIZE_OFF = 20;
export const VIRTIO_BLK_CONFIG_PHYSICAL_BLOCK_EXP_OFF = 24;
export const VIRTIO_BLK_CONFIG_ALIGNMENT_OFFSET_OFF = 25;
export const VIRTIO_BLK_CONFIG_MIN_IO_SIZE_OFF = 26;
export const VIRTIO_BLK_CONFIG_OPT_IO_SIZE_OFF = 28;
export const VIRTIO_BLK_CONFIG_WCE_OFF = 32;
export const VIRTIO_BLK_CONFIG_NUM_QUEUES_OFF = 34;
export const VIRTIO_BLK_CONFIG_MAX_DISCARD_SECTORS_OFF = 36;
export const VIRTIO_BLK_CONFIG_MAX_DISCARD_SEG_OFF = 40;
export const VIRTIO_BLK_CONFIG_DISCARD_SECTOR_ALIGNMENT_OFF = 44;
export const VIRTIO_BLK_CONFIG_MAX_WRITE_ZEROES_SECTORS_OFF = 48;
export const VIRTIO_BLK_CONFIG_MAX_WRITE_ZEROES_SEG_OFF = 52;
export const VIRTIO_BLK_CONFIG_WRITE_ZEROES_MAY_UNMAP_OFF = 56;
/** Up to and with `write_zeroes_may_unmap` and its padding; what follows belongs to features we do not offer. */
export const VIRTIO_BLK_CONFIG_USED_BYTES = 60;

// struct virtio_blk_outhdr, section 5.2.6 (struct virtio_blk_req)
export const VIRTIO_BLK_OUTHDR_TYPE_OFF = 0;
export const VIRTIO_BLK_OUTHDR_IOPRIO_OFF = 4;
export const VIRTIO_BLK_OUTHDR_SECTOR_OFF = 8;
export const VIRTIO_BLK_OUTHDR_BYTES = 16;

// Request types
export const VIRTIO_BLK_T_IN = 0;
export const VIRTIO_BLK_T_OUT = 1;
export const VIRTIO_BLK_T_FLUSH = 4;
export const VIRTIO_BLK_T_GET_ID = 8;
export const VIRTIO_BLK_T_DISCARD = 11;
export const VIRTIO_BLK_T_WRITE_ZEROES = 13;

// struct virtio_blk_discard_write_zeroes
export const VIRTIO_BLK_RANGE_SECTOR_OFF = 0;
export const VIRTIO_BLK_RANGE_NUM_SECTORS_OFF = 8;
export const VIRTIO_BLK_RANGE_FLAGS_OFF = 12;
export const VIRTIO_BLK_RANGE_BYTES = 16;
export const VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP = 1;

// Status byte
export const VIRTIO_BLK_S_OK = 0;
export const VIRTIO_BLK_S_IOERR = 1;
export const VIRTIO_BLK_S_UNSUPP = 2;

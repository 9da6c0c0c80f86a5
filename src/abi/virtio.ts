// virtio 1.2. Device ids: section 5. Status: 2.1. Feature bits (bit numbers): 6.
export const VIRTIO_ID_NET = 1;
export const VIRTIO_ID_BLOCK = 2;
export const VIRTIO_ID_CONSOLE = 3;
export const VIRTIO_ID_ENTROPY = 4;
export const VIRTIO_ID_9P = 9;
export const VIRTIO_ID_VSOCK = 19;

export const VIRTIO_CONFIG_S_ACKNOWLEDGE = 1;
export const VIRTIO_CONFIG_S_DRIVER = 2;
export const VIRTIO_CONFIG_S_DRIVER_OK = 4;
export const VIRTIO_CONFIG_S_FEATURES_OK = 8;
export const VIRTIO_CONFIG_S_NEEDS_RESET = 0x40;
export const VIRTIO_CONFIG_S_FAILED = 0x80;

export const VIRTIO_F_INDIRECT_DESC = 28;
export const VIRTIO_F_EVENT_IDX = 29;
export const VIRTIO_F_VERSION_1 = 32;
export const VIRTIO_F_ACCESS_PLATFORM = 33;
export const VIRTIO_F_RING_RESET = 40;

// Network device, section 5.1.3
export const VIRTIO_NET_F_CSUM = 0;
export const VIRTIO_NET_F_GUEST_CSUM = 1;
export const VIRTIO_NET_F_MAC = 5;
export const VIRTIO_NET_F_GUEST_TSO4 = 7;
export const VIRTIO_NET_F_GUEST_TSO6 = 8;
export const VIRTIO_NET_F_GUEST_ECN = 9;
export const VIRTIO_NET_F_GUEST_UFO = 10;
export const VIRTIO_NET_F_HOST_TSO4 = 11;
export const VIRTIO_NET_F_HOST_TSO6 = 12;
export const VIRTIO_NET_F_HOST_ECN = 13;
export const VIRTIO_NET_F_HOST_UFO = 14;
export const VIRTIO_NET_F_MRG_RXBUF = 15;
export const VIRTIO_NET_F_STATUS = 16;
export const VIRTIO_NET_F_CTRL_VQ = 17;
export const VIRTIO_NET_F_MQ = 22;
export const VIRTIO_NET_S_LINK_UP = 1;
// struct virtio_net_config, section 5.1.4: offsets and size in bytes
export const VIRTIO_NET_CONFIG_MAC_OFF = 0;
export const VIRTIO_NET_CONFIG_STATUS_OFF = 6;
export const VIRTIO_NET_CONFIG_MAX_PAIRS_OFF = 8;
export const VIRTIO_NET_CONFIG_MTU_OFF = 10;
export const VIRTIO_NET_CONFIG_BYTES = 24;
// struct virtio_net_hdr, section 5.1.6: offsets and sizes in bytes
export const VIRTIO_NET_HDR_FLAGS_OFF = 0;
export const VIRTIO_NET_HDR_GSO_TYPE_OFF = 1;
export const VIRTIO_NET_HDR_HDR_LEN_OFF = 2;
export const VIRTIO_NET_HDR_GSO_SIZE_OFF = 4;
export const VIRTIO_NET_HDR_CSUM_START_OFF = 6;
export const VIRTIO_NET_HDR_CSUM_OFFSET_OFF = 8;
export const VIRTIO_NET_HDR_NUM_BUFFERS_OFF = 10;
export const VIRTIO_NET_HDR_BYTES = 10;
export const VIRTIO_NET_HDR_MRG_BYTES = 12;
export const VIRTIO_NET_HDR_F_NEEDS_CSUM = 1;
export const VIRTIO_NET_HDR_F_DATA_VALID = 2;
export const VIRTIO_NET_HDR_GSO_NONE = 0;
export const VIRTIO_NET_HDR_GSO_TCPV4 = 1;
export const VIRTIO_NET_HDR_GSO_UDP = 3;
export const VIRTIO_NET_HDR_GSO_TCPV6 = 4;
export const VIRTIO_NET_HDR_GSO_ECN = 0x80;

// Console device, section 5.3.3
export const VIRTIO_CONSOLE_F_SIZE = 0;
export const VIRTIO_CONSOLE_F_MULTIPORT = 1;
export const VIRTIO_CONSOLE_F_EMERG_WRITE = 2;
// struct virtio_console_config, section 5.3.4: offsets and size in bytes
export const VIRTIO_CONSOLE_COLS_OFF = 0;
export const VIRTIO_CONSOLE_ROWS_OFF = 2;
export const VIRTIO_CONSOLE_MAX_NR_PORTS_OFF = 4;
export const VIRTIO_CONSOLE_EMERG_WR_OFF = 8;
export const VIRTIO_CONSOLE_CONFIG_BYTES = 12;

// 9P transport device: <linux/virtio_9p.h>
export const VIRTIO_9P_MOUNT_TAG = 0;

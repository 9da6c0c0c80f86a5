// Ethernet II: offsets and sizes in bytes, ethertypes (IEEE 802.3, IANA)
export const ETH_DST_OFF = 0;
export const ETH_SRC_OFF = 6;
export const ETH_TYPE_OFF = 12;
export const ETH_HEADER_BYTES = 14;
export const ETH_ADDR_BYTES = 6;
export const ETH_MTU = 1500;
/** Shortest and longest frame of an ordinary network, without the checksum. */
export const ETH_MIN_BYTES = 60;
export const ETH_MAX_BYTES = 1514;
export const ETHERTYPE_IPV4 = 0x0800;
export const ETHERTYPE_ARP = 0x0806;

// ARP for IPv4 over Ethernet, RFC 826
export const ARP_HTYPE_OFF = 0;
export const ARP_PTYPE_OFF = 2;
export const ARP_HLEN_OFF = 4;
export const ARP_PLEN_OFF = 5;
export const ARP_OPER_OFF = 6;
export const ARP_SHA_OFF = 8;
export const ARP_SPA_OFF = 14;
export const ARP_THA_OFF = 18;
export const ARP_TPA_OFF = 24;
export const ARP_BYTES = 28;
export const ARP_HTYPE_ETHERNET = 1;
export const ARP_REQUEST = 1;
export const ARP_REPLY = 2;

// IPv4, RFC 791
export const IP_VERSION_IHL_OFF = 0;
export const IP_TOTAL_OFF = 2;
export const IP_FRAGMENT_OFF = 6;
export const IP_TTL_OFF = 8;
export const IP_PROTOCOL_OFF = 9;
export const IP_CHECKSUM_OFF = 10;
export const IP_SRC_OFF = 12;
export const IP_DST_OFF = 16;
export const IP_HEADER_BYTES = 20;
export const IP_VERSION_4 = 4;
/** First byte: version 4, header of five words. */
export const IP_PLAIN = 0x45;
export const IP_DONT_FRAGMENT = 0x4000;
/** More-fragments flag and fragment offset. */
export const IP_FRAGMENT_MASK = 0x3fff;
export const IP_DEFAULT_TTL = 64;
export const IP_BROADCAST = 0xffff_ffff;
export const IP_MULTICAST_FIRST = 0xe000_0000;
export const IPPROTO_ICMP = 1;
export const IPPROTO_TCP = 6;
export const IPPROTO_UDP = 17;

// ICMP, RFC 792
export const ICMP_TYPE_OFF = 0;
export const ICMP_CODE_OFF = 1;
export const ICMP_CHECKSUM_OFF = 2;
export const ICMP_ID_OFF = 4;
export const ICMP_SEQUENCE_OFF = 6;
export const ICMP_HEADER_BYTES = 8;
export const ICMP_ECHO_REPLY = 0;
export const ICMP_UNREACHABLE = 3;
export const ICMP_ECHO_REQUEST = 8;
export const ICMP_PORT_UNREACHABLE = 3;
/** Bytes of the original datagram quoted behind its IP header. */
export const ICMP_QUOTED_BYTES = 8;

// UDP, RFC 768
export const UDP_SRC_OFF = 0;
export const UDP_DST_OFF = 2;
export const UDP_LENGTH_OFF = 4;
export const UDP_CHECKSUM_OFF = 6;
export const UDP_HEADER_BYTES = 8;

// BOOTP and DHCP, RFC 951, 2131, 2132
export const DHCP_SERVER_PORT = 67;
export const DHCP_CLIENT_PORT = 68;
export const BOOTP_OP_OFF = 0;
export const BOOTP_HTYPE_OFF = 1;
export const BOOTP_HLEN_OFF = 2;
export const BOOTP_XID_OFF = 4;
export const BOOTP_FLAGS_OFF = 10;
export const BOOTP_CIADDR_OFF = 12;
export const BOOTP_YIADDR_OFF = 16;
export const BOOTP_SIADDR_OFF = 20;
export const BOOTP_GIADDR_OFF = 24;
export const BOOTP_CHADDR_OFF = 28;
export const BOOTP_CHADDR_BYTES = 16;
export const BOOTP_COOKIE_OFF = 236;
export const BOOTP_OPTIONS_OFF = 240;
export const BOOTP_MIN_BYTES = 300;
export const BOOTP_REQUEST = 1;
export const BOOTP_REPLY = 2;
export const BOOTP_BROADCAST_FLAG = 0x8000;
export const DHCP_COOKIE = 0x6382_5363;
export const DHCP_OPTION_PAD = 0;
export const DHCP_OPTION_MASK = 1;
export const DHCP_OPTION_ROUTER = 3;
export const DHCP_OPTION_DNS = 6;
export const DHCP_OPTION_REQUESTED_IP = 50;
export const DHCP_OPTION_LEASE = 51;
export const DHCP_OPTION_TYPE = 53;
export const DHCP_OPTION_SERVER_ID = 54;
export const DHCP_OPTION_END = 255;
export const DHCP_DISCOVER = 1;
export const DHCP_OFFER = 2;
export const DHCP_REQUEST = 3;
export const DHCP_DECLINE = 4;
export const DHCP_ACK = 5;
export const DHCP_NAK = 6;
export const DHCP_RELEASE = 7;
export const DHCP_INFORM = 8;

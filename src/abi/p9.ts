// 9P2000.L. Message numbers and formats: <net/9p/9p.h> of Linux and the protocol page of diod.
// A message is size[4] type[1] tag[2] and its fields, all little-endian; strings are length[2] and bytes, no NUL.
export const P9_TLERROR = 6;
export const P9_RLERROR = 7;
export const P9_TSTATFS = 8;
export const P9_RSTATFS = 9;
export const P9_TLOPEN = 12;
export const P9_RLOPEN = 13;
export const P9_TLCREATE = 14;
export const P9_RLCREATE = 15;
export const P9_TSYMLINK = 16;
export const P9_RSYMLINK = 17;
export const P9_TMKNOD = 18;
export const P9_RMKNOD = 19;
export const P9_TRENAME = 20;
export const P9_RRENAME = 21;
export const P9_TREADLINK = 22;
export const P9_RREADLINK = 23;
export const P9_TGETATTR = 24;
export const P9_RGETATTR = 25;
export const P9_TSETATTR = 26;
export const P9_RSETATTR = 27;
export const P9_TXATTRWALK = 30;
export const P9_RXATTRWALK = 31;
export const P9_TXATTRCREATE = 32;
export const P9_RXATTRCREATE = 33;
export const P9_TREADDIR = 40;
export const P9_RREADDIR = 41;
export const P9_TFSYNC = 50;
export const P9_RFSYNC = 51;
export const P9_TLOCK = 52;
export const P9_RLOCK = 53;
export const P9_TGETLOCK = 54;
export const P9_RGETLOCK = 55;
export const P9_TLINK = 70;
export const P9_RLINK = 71;
export const P9_TMKDIR = 72;
export const P9_RMKDIR = 73;
export const P9_TRENAMEAT = 74;
export const P9_RRENAMEAT = 75;
export const P9_TUNLINKAT = 76;
export const P9_RUNLINKAT = 77;
export const P9_TVERSION = 100;
export const P9_RVERSION = 101;
export const P9_TAUTH = 102;
export const P9_RAUTH = 103;
export const P9_TATTACH = 104;
export const P9_RATTACH = 105;
export const P9_TFLUSH = 108;
export const P9_RFLUSH = 109;
export const P9_TWALK = 110;
export const P9_RWALK = 111;
export const P9_TREAD = 116;
export const P9_RREAD = 117;
export const P9_TWRITE = 118;
export const P9_RWRITE = 119;
export const P9_TCLUNK = 120;
export const P9_RCLUNK = 121;
export const P9_TREMOVE = 122;
export const P9_RREMOVE = 123;

export const P9_VERSION = '9P2000.L';
export const P9_NOTAG = 0xffff;
export const P9_NOFID = 0xffff_ffff;
export const P9_NONUNAME = 0xffff_ffff;

// Sizes in bytes
export const P9_HEADER_BYTES = 7;
export const P9_QID_BYTES = 13;
export const P9_RLERROR_BYTES = 11;
/** Header of Rread and Rreaddir: the data follows. */
export const P9_RREAD_HEADER_BYTES = 11;
/** Header of Twrite: the data follows. */
export const P9_TWRITE_HEADER_BYTES = 23;
/** What clients keep free of the msize for a header: P9_IOHDRSZ. */
export const P9_IO_HEADER_BYTES = 24;
export const P9_RGETATTR_BYTES = 160;
export const P9_RSTATFS_BYTES = 67;
/** Fixed part of an entry in Rreaddir: qid[13] offset[8] type[1] name length[2]. */
export const P9_DIRENT_HEADER_BYTES = 24;
/** P9_MAXWELEM: most names in one Twalk. */
export const P9_MAX_WALK_NAMES = 16;
/** NAME_MAX of Linux. */
export const P9_MAX_NAME_BYTES = 255;
/** PATH_MAX of Linux, without the NUL: longest symbolic link target. */
export const P9_MAX_LINK_BYTES = 4095;
/** XATTR_SIZE_MAX and XATTR_LIST_MAX of <linux/limits.h>. */
export const P9_MAX_XATTR_BYTES = 65536;

// qid.type
export const P9_QTDIR = 0x80;
export const P9_QTSYMLINK = 0x02;
export const P9_QTFILE = 0x00;

// Tlopen and Tlcreate flags: P9_DOTL_*, the numbers of x86 whatever the machine is
export const P9_DOTL_RDONLY = 0o0;
export const P9_DOTL_WRONLY = 0o1;
export const P9_DOTL_RDWR = 0o2;
export const P9_DOTL_NOACCESS = 0o3;
export const P9_DOTL_CREATE = 0o100;
export const P9_DOTL_EXCL = 0o200;
export const P9_DOTL_NOCTTY = 0o400;
export const P9_DOTL_TRUNC = 0o1000;
export const P9_DOTL_APPEND = 0o2000;
export const P9_DOTL_NONBLOCK = 0o4000;
export const P9_DOTL_DSYNC = 0o10000;
export const P9_DOTL_FASYNC = 0o20000;
export const P9_DOTL_DIRECT = 0o40000;
export const P9_DOTL_LARGEFILE = 0o100000;
export const P9_DOTL_DIRECTORY = 0o200000;
export const P9_DOTL_NOFOLLOW = 0o400000;
export const P9_DOTL_NOATIME = 0o1000000;
export const P9_DOTL_CLOEXEC = 0o2000000;
export const P9_DOTL_SYNC = 0o4000000;

// Tunlinkat flags
export const P9_DOTL_AT_REMOVEDIR = 0x200;

// Tgetattr request_mask and Rgetattr valid
export const P9_GETATTR_MODE = 0x0001;
export const P9_GETATTR_NLINK = 0x0002;
export const P9_GETATTR_UID = 0x0004;
export const P9_GETATTR_GID = 0x0008;
export const P9_GETATTR_RDEV = 0x0010;
export const P9_GETATTR_ATIME = 0x0020;
export const P9_GETATTR_MTIME = 0x0040;
export const P9_GETATTR_CTIME = 0x0080;
export const P9_GETATTR_INO = 0x0100;
export const P9_GETATTR_SIZE = 0x0200;
export const P9_GETATTR_BLOCKS = 0x0400;
export const P9_GETATTR_BTIME = 0x0800;
export const P9_GETATTR_GEN = 0x1000;
export const P9_GETATTR_DATA_VERSION = 0x2000;
export const P9_GETATTR_BASIC = 0x07ff;

// Tsetattr valid
export const P9_SETATTR_MODE = 0x001;
export const P9_SETATTR_UID = 0x002;
export const P9_SETATTR_GID = 0x004;
export const P9_SETATTR_SIZE = 0x008;
export const P9_SETATTR_ATIME = 0x010;
export const P9_SETATTR_MTIME = 0x020;
export const P9_SETATTR_CTIME = 0x040;
export const P9_SETATTR_ATIME_SET = 0x080;
export const P9_SETATTR_MTIME_SET = 0x100;
export const P9_SETATTR_ALL = 0x1ff;

// Tlock type and flags, Rlock status; Tgetlock type
export const P9_LOCK_TYPE_RDLCK = 0;
export const P9_LOCK_TYPE_WRLCK = 1;
export const P9_LOCK_TYPE_UNLCK = 2;
export const P9_LOCK_FLAGS_BLOCK = 1;
export const P9_LOCK_FLAGS_RECLAIM = 2;
export const P9_LOCK_SUCCESS = 0;
export const P9_LOCK_BLOCKED = 1;
export const P9_LOCK_ERROR = 2;
export const P9_LOCK_GRACE = 3;

// Txattrcreate flags: <linux/xattr.h>
export const XATTR_CREATE = 1;
export const XATTR_REPLACE = 2;

// st_mode: <linux/stat.h>
export const S_IFMT = 0o170000;
export const S_IFSOCK = 0o140000;
export const S_IFLNK = 0o120000;
export const S_IFREG = 0o100000;
export const S_IFBLK = 0o060000;
export const S_IFDIR = 0o040000;
export const S_IFCHR = 0o020000;
export const S_IFIFO = 0o010000;
/** All permission bits, with set-user-id, set-group-id and sticky. */
export const S_IALLUGO = 0o7777;

// Directory entry types: <dirent.h>, the file type bits of st_mode shifted right by 12
export const DT_UNKNOWN = 0;
export const DT_FIFO = 1;
export const DT_CHR = 2;
export const DT_DIR = 4;
export const DT_BLK = 6;
export const DT_REG = 8;
export const DT_LNK = 10;
export const DT_SOCK = 12;

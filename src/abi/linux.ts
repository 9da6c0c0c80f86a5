// Linux user-space ABI. Values that differ between x86-64 and arm64 are in src/sys/arch.ts (open flags, struct
// layouts); those below are the same on both.

// <fcntl.h>: the flags fs.constants does not have
export const O_CLOEXEC = 0o2000000;
export const O_PATH = 0o10000000;
export const AT_FDCWD = -100;
export const AT_SYMLINK_NOFOLLOW = 0x100;
export const AT_REMOVEDIR = 0x200;
export const AT_SYMLINK_FOLLOW = 0x400;
export const AT_EMPTY_PATH = 0x1000;
export const O_NOATIME = 0o1000000;
export const O_DSYNC = 0o10000;
export const O_SYNC = 0o4010000;
/** st_rdev of /dev/ptmx and of every controlling end opened through it: major TTYAUX_MAJOR, minor 2. <linux/major.h> */
export const PTMX_RDEV = 0x502;
export const F_GETFL = 3;
export const F_DUPFD_CLOEXEC = 1030;
export const F_SETFL = 4;
export const F_ADD_SEALS = 1033;
export const F_SEAL_SEAL = 0x1;
export const F_SEAL_SHRINK = 0x2;
export const F_SEAL_GROW = 0x4;
export const LOCK_SH = 1;
export const LOCK_EX = 2;
export const LOCK_NB = 4;
export const F_OFD_SETLK = 37;
export const F_WRLCK = 1;
// struct flock
export const FLOCK_TYPE_OFF = 0;
export const FLOCK_WHENCE_OFF = 2;
export const FLOCK_START_OFF = 8;
export const FLOCK_LEN_OFF = 16;
export const FLOCK_BYTES = 32;

export const FALLOC_FL_KEEP_SIZE = 0x1;
export const FALLOC_FL_PUNCH_HOLE = 0x2;
export const FALLOC_FL_ZERO_RANGE = 0x10;

// <linux/fs.h>: block devices
export const BLKROGET = 0x125e;
export const BLKIOOPT = 0x1279;
export const BLKPBSZGET = 0x127b;
export const BLKSSZGET = 0x1268;
export const BLKDISCARD = 0x1277;
export const BLKGETSIZE64 = 0x8008_1272;

// <sys/mman.h>
export const PROT_NONE = 0;
export const PROT_READ = 1;
export const PROT_WRITE = 2;
export const MAP_SHARED = 0x01;
export const MAP_PRIVATE = 0x02;
export const MAP_ANONYMOUS = 0x20;
export const MAP_NORESERVE = 0x4000;
export const MADV_DONTFORK = 10;
export const MADV_HUGEPAGE = 14;
export const MFD_CLOEXEC = 0x1;
export const MFD_ALLOW_SEALING = 0x2;

// <sys/epoll.h>
export const EPOLL_CTL_ADD = 1;
export const EPOLL_CTL_DEL = 2;
export const EPOLL_CTL_MOD = 3;
export const EPOLLIN = 0x001;
export const EPOLLPRI = 0x002;
export const EPOLLOUT = 0x004;
export const EPOLLERR = 0x008;
export const EPOLLHUP = 0x010;
export const EPOLLRDHUP = 0x2000;
export const EPOLLET = 0x8000_0000;
export const EPOLL_CLOEXEC = 0o2000000;

// <sys/eventfd.h>
export const EFD_CLOEXEC = 0o2000000;
export const EFD_NONBLOCK = 0o4000;

// <sys/socket.h>, <sys/un.h>
export const AF_UNIX = 1;
export const SOCK_STREAM = 1;
export const SOCK_SEQPACKET = 5;
export const SOCK_NONBLOCK = 0o4000;
export const SOCK_CLOEXEC = 0o2000000;
export const SOL_SOCKET = 1;
export const SCM_RIGHTS = 1;
export const MSG_DONTWAIT = 0x40;
export const MSG_NOSIGNAL = 0x4000;
export const MSG_CMSG_CLOEXEC = 0x40000000;
export const UNIX_PATH_MAX = 108;
// struct sockaddr_un { u16 family; char path[108] }
export const SOCKADDR_UN_PATH_OFF = 2;
export const SOCKADDR_UN_BYTES = 110;
export const SO_SNDBUF = 7;
export const SO_RCVBUF = 8;
export const SO_PEERCRED = 17;
/** Most file descriptors in one SCM_RIGHTS message. */
export const SCM_MAX_FD = 253;
// struct msghdr, 64-bit
export const MSGHDR_NAME_OFF = 0;
export const MSGHDR_NAMELEN_OFF = 8;
export const MSGHDR_IOV_OFF = 16;
export const MSGHDR_IOVLEN_OFF = 24;
export const MSGHDR_CONTROL_OFF = 32;
export const MSGHDR_CONTROLLEN_OFF = 40;
export const MSGHDR_FLAGS_OFF = 48;
export const MSGHDR_BYTES = 56;
// struct cmsghdr, 64-bit; the data follows it
export const CMSGHDR_LEN_OFF = 0;
export const CMSGHDR_LEVEL_OFF = 8;
export const CMSGHDR_TYPE_OFF = 12;
export const CMSGHDR_BYTES = 16;
// struct iovec, 64-bit
export const IOVEC_BASE_OFF = 0;
export const IOVEC_LEN_OFF = 8;
export const IOVEC_BYTES = 16;

// <sys/prctl.h>, <signal.h>
export const PR_SET_PDEATHSIG = 1;
export const SIGHUP = 1;
export const SIGINT = 2;
export const SIGQUIT = 3;
export const SIGKILL = 9;
export const SIGTERM = 15;
export const SIGTTOU = 22;
export const SIG_BLOCK = 0;
export const SIG_SETMASK = 2;
/** First real-time signal that is free: libc keeps 32 and 33 for itself. */
export const SIGRT_FIRST_FREE = 34;
export const SA_RESTART = 0x10000000;
// struct sigaction as libc has it (not the kernel's), 64-bit
export const SIGACTION_HANDLER_OFF = 0;
export const SIGACTION_MASK_OFF = 8;
export const SIGACTION_FLAGS_OFF = 136;
export const SIGACTION_BYTES = 152;
/** sigset_t of libc. */
export const SIGSET_BYTES = 128;

// <sys/random.h>
export const GRND_NONBLOCK = 1;

// <asm-generic/termios.h>
export const TCSANOW = 0;
// struct termios of libc (not the kernel's)
export const TERMIOS_OFLAG_OFF = 4;
export const TERMIOS_LFLAG_OFF = 12;
export const TERMIOS_BYTES = 60;
export const TERMIOS_ECHO = 0o10;
export const TERMIOS_ICANON = 0o2;
export const TERMIOS_OPOST = 0o1;
// struct winsize { u16 rows, columns, x, y }
export const WINSIZE_ROW_OFF = 0;
export const WINSIZE_COL_OFF = 2;
export const WINSIZE_BYTES = 8;
export const TIOCSWINSZ = 0x5414;
export const TIOCGWINSZ = 0x5413;
export const FIONREAD = 0x541b;

// <linux/openat2.h>: struct open_how, and how to resolve a path
export const OPEN_HOW_FLAGS_OFF = 0;
export const OPEN_HOW_MODE_OFF = 8;
export const OPEN_HOW_RESOLVE_OFF = 16;
export const OPEN_HOW_BYTES = 24;
export const RESOLVE_NO_XDEV = 0x01;
export const RESOLVE_NO_MAGICLINKS = 0x02;
export const RESOLVE_NO_SYMLINKS = 0x04;
export const RESOLVE_BENEATH = 0x08;

// <linux/stat.h>: struct statx is the same on every architecture, unlike struct stat
export const STATX_BASIC_STATS = 0x7ff;
export const STATX_BTIME = 0x800;
export const STATX_DIOALIGN = 0x2000;
export const STATX_MASK_OFF = 0;
export const STATX_BLKSIZE_OFF = 4;
export const STATX_NLINK_OFF = 16;
export const STATX_UID_OFF = 20;
export const STATX_GID_OFF = 24;
export const STATX_MODE_OFF = 28;
export const STATX_INO_OFF = 32;
export const STATX_SIZE_OFF = 40;
export const STATX_BLOCKS_OFF = 48;
export const STATX_ATIME_OFF = 64;
export const STATX_BTIME_OFF = 80;
export const STATX_CTIME_OFF = 96;
export const STATX_MTIME_OFF = 112;
export const STATX_RDEV_MAJOR_OFF = 128;
export const STATX_RDEV_MINOR_OFF = 132;
export const STATX_DEV_MAJOR_OFF = 136;
export const STATX_DEV_MINOR_OFF = 140;
export const STATX_DIO_MEM_ALIGN_OFF = 152;
export const STATX_DIO_OFFSET_ALIGN_OFF = 156;
export const STATX_BYTES = 256;
/** In struct statx_timestamp, behind the i64 of seconds. */
export const STATX_NSEC_OFF = 8;

// <asm-generic/statfs.h> with 64-bit words: x86-64 and arm64. <linux/magic.h>
export const STATFS_TYPE_OFF = 0;
export const STATFS_BSIZE_OFF = 8;
export const STATFS_BLOCKS_OFF = 16;
export const STATFS_BFREE_OFF = 24;
export const STATFS_BAVAIL_OFF = 32;
export const STATFS_FILES_OFF = 40;
export const STATFS_FFREE_OFF = 48;
export const STATFS_FSID_OFF = 56;
export const STATFS_NAMELEN_OFF = 64;
export const STATFS_BYTES = 120;
export const PROC_SUPER_MAGIC = 0x9fa0;
export const TMPFS_MAGIC = 0x0102_1994;

// struct linux_dirent64 of getdents64(2)
export const DIRENT64_INO_OFF = 0;
export const DIRENT64_OFF_OFF = 8;
export const DIRENT64_RECLEN_OFF = 16;
export const DIRENT64_TYPE_OFF = 18;
export const DIRENT64_NAME_OFF = 19;

// utimensat(2), <time.h>: struct timespec is { i64 seconds, i64 nanoseconds }
export const TIMESPEC_BYTES = 16;
export const UTIME_NOW = 0x3fffffff;
export const UTIME_OMIT = 0x3ffffffe;

// <sys/resource.h>
export const RLIMIT_NOFILE = 7;

// Linux user-space ABI. Values that differ between x86-64 and arm64 are in src/sys/arch.ts (open flags, struct
// layouts); those below are the same on both.

// <fcntl.h>: the flags fs.constants does not have
export const O_CLOEXEC = 0o2000000;
export const O_PATH = 0o10000000;
export const AT_FDCWD = -100;
export const F_GETFL = 3;
export const F_SETFL = 4;
export const F_ADD_SEALS = 1033;
export const F_SEAL_SEAL = 0x1;
export const F_SEAL_SHRINK = 0x2;
export const F_SEAL_GROW = 0x4;
export const LOCK_EX = 2;
export const LOCK_NB = 4;

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

// <sys/prctl.h>, <signal.h>
export const PR_SET_PDEATHSIG = 1;
export const SIGKILL = 9;
export const SIGTERM = 15;

// <asm-generic/termios.h>
export const TCSANOW = 0;
export const TIOCGWINSZ = 0x5413;
export const FIONREAD = 0x541b;

// <linux/io_uring.h>. Offsets and sizes in bytes.

// System calls: the same numbers on x86-64 and arm64
export const NR_IO_URING_SETUP = 425;
export const NR_IO_URING_ENTER = 426;
export const NR_IO_URING_REGISTER = 427;

// struct io_uring_params, with struct io_sqring_offsets and struct io_cqring_offsets in it
export const IO_URING_PARAMS_SQ_ENTRIES_OFF = 0;
export const IO_URING_PARAMS_CQ_ENTRIES_OFF = 4;
export const IO_URING_PARAMS_FLAGS_OFF = 8;
export const IO_URING_PARAMS_FEATURES_OFF = 20;
export const IO_URING_PARAMS_SQ_OFF_OFF = 40;
export const IO_URING_PARAMS_CQ_OFF_OFF = 80;
export const IO_URING_PARAMS_BYTES = 120;
export const IO_SQRING_OFFSETS_HEAD_OFF = 0;
export const IO_SQRING_OFFSETS_TAIL_OFF = 4;
export const IO_SQRING_OFFSETS_FLAGS_OFF = 16;
export const IO_SQRING_OFFSETS_ARRAY_OFF = 24;
export const IO_CQRING_OFFSETS_HEAD_OFF = 0;
export const IO_CQRING_OFFSETS_TAIL_OFF = 4;
export const IO_CQRING_OFFSETS_CQES_OFF = 20;
export const IO_CQRING_OFFSETS_FLAGS_OFF = 24;

export const IORING_SETUP_CLAMP = 0x10;
export const IORING_SETUP_COOP_TASKRUN = 0x100;
export const IORING_SETUP_SINGLE_ISSUER = 0x1000;

export const IORING_FEAT_SINGLE_MMAP = 0x1;
export const IORING_FEAT_NODROP = 0x2;
export const IORING_FEAT_EXT_ARG = 0x100;
export const IORING_FEAT_NATIVE_WORKERS = 0x200;

export const IORING_OFF_SQ_RING = 0;
export const IORING_OFF_SQES = 0x1000_0000;

// struct io_uring_sqe
export const IO_URING_SQE_OPCODE_OFF = 0;
export const IO_URING_SQE_FLAGS_OFF = 1;
export const IO_URING_SQE_FD_OFF = 4;
export const IO_URING_SQE_OFF_OFF = 8;
export const IO_URING_SQE_ADDR_OFF = 16;
export const IO_URING_SQE_LEN_OFF = 24;
export const IO_URING_SQE_RW_FLAGS_OFF = 28;
export const IO_URING_SQE_USER_DATA_OFF = 32;
export const IO_URING_SQE_BYTES = 64;

export const IORING_OP_READV = 1;
export const IORING_OP_WRITEV = 2;
export const IORING_OP_FSYNC = 3;
export const IORING_OP_ASYNC_CANCEL = 14;
export const IORING_OP_FALLOCATE = 17;
export const IORING_FSYNC_DATASYNC = 1;
export const IORING_ASYNC_CANCEL_ALL = 1;
export const IORING_ASYNC_CANCEL_ANY = 4;

// struct io_uring_cqe
export const IO_URING_CQE_USER_DATA_OFF = 0;
export const IO_URING_CQE_RES_OFF = 8;
export const IO_URING_CQE_BYTES = 16;

export const IORING_SQ_CQ_OVERFLOW = 2;
export const IORING_CQ_EVENTFD_DISABLED = 1;

export const IORING_ENTER_GETEVENTS = 1;
export const IORING_ENTER_EXT_ARG = 8;
// struct io_uring_getevents_arg
export const IO_URING_GETEVENTS_ARG_SIGMASK_SZ_OFF = 8;
export const IO_URING_GETEVENTS_ARG_TS_OFF = 16;
export const IO_URING_GETEVENTS_ARG_BYTES = 24;

export const IORING_REGISTER_EVENTFD = 4;

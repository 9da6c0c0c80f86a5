// Random reads, writes and truncations of a file or a disk, each read checked against a copy in memory; at the end the
// copy is written out, to be compared with what the host has.
// usage: fsx PATH BYTES OPERATIONS SEED COPY [disk]
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <linux/fs.h>
#include <unistd.h>

enum { SECTOR = 512, LONGEST = 65536 };

static uint64_t state;
static long operation;
static unsigned char *copy, *buffer;

// xorshift64: the same operations for the same seed everywhere
static uint32_t below(uint32_t limit) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (uint32_t)(state >> 32) % limit;
}

static void fail(const char *what, long at, long length) {
  fprintf(stderr, "fsx: operation %ld: %s at %ld, %ld bytes: %s\n", operation, what, at, length, strerror(errno));
  exit(1);
}

static void check(int fd, long at, long length) {
  errno = 0;
  if (pread(fd, buffer, length, at) != length) fail("short read", at, length);
  for (long i = 0; i < length; i++) {
    if (buffer[i] == copy[at + i]) continue;
    fprintf(stderr, "fsx: operation %ld: read %ld+%ld: byte %ld is %02x, was written as %02x\n", operation, at, length,
            at + i, buffer[i], copy[at + i]);
    exit(1);
  }
}

static void change(int fd, long at, long length) {
  unsigned char first = (unsigned char)below(256);
  for (long i = 0; i < length; i++) copy[at + i] = buffer[i] = (unsigned char)(first + i * 7 + (i >> 8));
  errno = 0;
  if (pwrite(fd, buffer, length, at) != length) fail("short write", at, length);
}

// A file shrinks and grows again; what it loses comes back as zeros.
static void cut(int fd, long bytes) {
  long at = below(bytes);
  if (ftruncate(fd, at) != 0 || ftruncate(fd, bytes) != 0) fail("truncate", at, bytes);
  memset(copy + at, 0, bytes - at);
}

int main(int argc, char **argv) {
  if (argc < 6) return 2;
  long bytes = atol(argv[2]), operations = atol(argv[3]);
  int disk = argc > 6;
  state = strtoull(argv[4], 0, 0) * 0x9e3779b97f4a7c15u + 1;
  copy = calloc(1, bytes);
  if (copy == 0 || posix_memalign((void **)&buffer, 4096, LONGEST) != 0) return 2;
  int cached = open(argv[1], O_RDWR | (disk ? 0 : O_CREAT), 0644);
  int direct = disk ? open(argv[1], O_RDWR | O_DIRECT) : cached;
  if (cached < 0 || direct < 0) fail("open", 0, 0);
  if (!disk && ftruncate(cached, bytes) != 0) fail("truncate", 0, bytes);
  for (long at = 0; disk && at < bytes; at += LONGEST) change(cached, at, bytes - at < LONGEST ? bytes - at : LONGEST);
  for (operation = 0; operation < operations; operation++) {
    uint32_t kind = below(100);
    int aligned = disk && below(2) == 0;
    // most are short, as in real life
    long longest = below(8) == 0 ? LONGEST : 4096, length = 1 + below(longest), at = below(bytes - length);
    if (aligned) {
      length = (length + SECTOR - 1) / SECTOR * SECTOR;
      at = at / SECTOR * SECTOR;
      if (at + length > bytes) at = bytes - length;
    }
    int fd = aligned ? direct : cached;
    if (kind < 48) check(fd, at, length);
    else if (kind < 96) change(fd, at, length);
    else if (kind == 96 && disk) ioctl(cached, BLKFLSBUF, 0); // forget what is cached
    else if (kind < 98 && fsync(fd) != 0) fail("fsync", 0, 0);
    else if (kind == 98 && !disk) cut(fd, bytes);
  }
  if (disk) ioctl(cached, BLKFLSBUF, 0);
  for (long at = 0; at < bytes; at += LONGEST) check(cached, at, bytes - at < LONGEST ? bytes - at : LONGEST);
  if (fsync(cached) != 0 || close(cached) != 0) fail("close", 0, 0);
  int out = open(argv[5], O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (out < 0 || write(out, copy, bytes) != bytes) fail("copy", 0, bytes);
  printf("fsx: %ld operations\n", operations);
  return 0;
}

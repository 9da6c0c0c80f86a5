// Times input and output in a guest, for about a second each.
// usage: iobench read|write PATH BYTES-OF-A-BLOCK BYTES-OF-THE-FILE [direct]    prints bytes per second
//        iobench names FOLDER COUNT                                            prints seconds for create, list, remove
//        iobench stat PATH COUNT               prints how long a status takes in half and in 99 of 100 times, microseconds
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { FEWEST = 16 };
static const double SECONDS = 1.5;

static double now(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return at.tv_sec + at.tv_nsec / 1e9;
}

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static int blocks(int writing, const char *path, long block, long bytes, int direct) {
  void *buffer;
  if (posix_memalign(&buffer, 4096, block) != 0) return 1;
  memset(buffer, 0x5a, block);
  int fd = open(path, (writing ? O_WRONLY : O_RDONLY) | (direct ? O_DIRECT : 0));
  if (fd < 0) fail(path);
  long count = 0, at = 0;
  double start = now(), end;
  do {
    if (at + block > bytes) at = 0;
    if ((writing ? pwrite(fd, buffer, block, at) : pread(fd, buffer, block, at)) != block) fail("short");
    at += block;
    count++;
    end = now();
  } while (end - start < SECONDS || count < FEWEST);
  printf("%.0f\n", count * (double)block / (end - start));
  return 0;
}

static int names(const char *folder, int count) {
  char path[4096];
  double start = now();
  for (int i = 0; i < count; i++) {
    snprintf(path, sizeof path, "%s/file-%d", folder, i);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
    if (fd < 0 || close(fd) != 0) fail("create");
  }
  DIR *dir = opendir(folder);
  if (dir == 0) fail("list");
  int seen = 0;
  while (readdir(dir) != 0) seen++;
  closedir(dir);
  if (seen < count) fail("list");
  for (int i = 0; i < count; i++) {
    snprintf(path, sizeof path, "%s/file-%d", folder, i);
    if (unlink(path) != 0) fail("remove");
  }
  printf("%.6f\n", now() - start);
  return 0;
}

static int shorter(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

static int status(const char *path, int count) {
  double *times = calloc(count, sizeof *times);
  if (times == 0) return 1;
  // the first half only warms up
  for (int i = -count; i < count; i++) {
    struct stat about;
    double start = now();
    if (stat(path, &about) != 0) fail(path);
    if (i >= 0) times[i] = now() - start;
  }
  qsort(times, count, sizeof *times, shorter);
  printf("%.1f %.1f\n", times[count / 2] * 1e6, times[count * 99 / 100] * 1e6);
  return 0;
}

int main(int argc, char **argv) {
  if (argc == 4 && strcmp(argv[1], "names") == 0) return names(argv[2], atoi(argv[3]));
  if (argc == 4 && strcmp(argv[1], "stat") == 0) return status(argv[2], atoi(argv[3]));
  if (argc < 5) return 2;
  return blocks(strcmp(argv[1], "write") == 0, argv[2], atol(argv[3]), atol(argv[4]), argc > 5);
}

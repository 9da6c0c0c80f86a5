// Times reads of a device, one after the other.
// usage: waits PATH BYTES COUNT    prints microseconds that half of them, and 99 % of them, did not exceed
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return at.tv_sec * 1e6 + at.tv_nsec / 1e3;
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  long bytes = atol(argv[2]), count = atol(argv[3]);
  char *buffer = malloc(bytes);
  double *times = malloc(count * sizeof *times);
  int fd = open(argv[1], O_RDONLY);
  if (fd < 0 || !buffer || !times) {
    perror(argv[1]);
    return 1;
  }
  for (long i = 0; i < count; i++) {
    double start = now();
    if (read(fd, buffer, bytes) != bytes) return 1;
    times[i] = now() - start;
  }
  qsort(times, count, sizeof *times, ascending);
  printf("%.1f %.1f\n", times[count / 2], times[count * 99 / 100]);
  return 0;
}

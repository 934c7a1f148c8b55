#include "server.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "fail.h"

#define SECTOR_BYTES 512 // of the kernel's block statistics, whatever the device's own are
#define STATISTICS_LINE_BYTES_MAX 512

uint64_t server_cpu_nanos(pid_t pid) {
  if (pid == 0) return 0;
  clockid_t clock;
  struct timespec time;
  if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &time) != 0) {
    fail(EXIT_UNABLE, "--pid %d: no such process", (int)pid);
  }
  return (uint64_t)time.tv_sec * NANOS_PER_SECOND + (uint64_t)time.tv_nsec;
}

uint64_t server_disk_bytes(const char *path) {
  if (path == NULL) return 0;
  FILE *file = fopen(path, "r");
  if (file == NULL) fail(EXIT_UNABLE, "--disk '%s': %s", path, strerror(errno));
  char line[STATISTICS_LINE_BYTES_MAX];
  unsigned long long count = 0;
  uint64_t bytes = 0;
  while (fgets(line, sizeof line, file) != NULL) {
    if (sscanf(line, "write_bytes: %llu", &count) == 1) bytes = count;
    // Block statistics: the seventh number is sectors written.
    else if (sscanf(line, " %*u %*u %*u %*u %*u %*u %llu", &count) == 1) bytes = count * SECTOR_BYTES;
  }
  fclose(file);
  return bytes;
}

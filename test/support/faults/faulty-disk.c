/*
 * A disk that is slow, or breaks: preloaded into a process, it stands in front of every call that makes a file
 * durable. Only files whose path contains SANDPIPER_FAULTS_PATH are touched. What to do is read, and what was
 * done is counted, in a small file that the test shares with the process (SANDPIPER_FAULTS_CONTROL).
 *
 * Two kinds, because LMDB commits in two steps: "data" is fdatasync, fsync and msync; "meta" is a write through
 * a descriptor opened with O_DSYNC, which is durable when it returns. A call takes its time before it does anything:
 * a process that is killed meanwhile has not written; or, when it is held, after: then what it wrote is in the page
 * cache, and nobody knows whether it is on the disk.
 */
#define _GNU_SOURCE
#define _LARGEFILE64_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* One kind of durable call. The same layout is in faulty-disk.ts. */
struct kind {
  int32_t delay_ms; /* before the real call */
  int32_t hold_ms;  /* after it */
  int32_t fail_in;  /* the n-th call from now fails, once; 0 = none */
  int32_t begun;
  int32_t done; /* durable now: counted after the real call has succeeded */
  int32_t failed;
};

struct control {
  int32_t error; /* errno of a failed call */
  struct kind data;
  struct kind meta;
};

static struct control *control;
static const char *watched;

__attribute__((constructor)) static void attach(void) {
  const char *path = getenv("SANDPIPER_FAULTS_CONTROL");
  watched = getenv("SANDPIPER_FAULTS_PATH");
  if (path == NULL || watched == NULL) return;
  int fd = open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) return;
  void *at = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (at != MAP_FAILED) control = at;
}

static int is_watched(int fd) {
  if (control == NULL) return 0;
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return strstr(path, watched) != NULL;
}

static int is_synchronous(int fd) {
  int flags = fcntl(fd, F_GETFL);
  return flags >= 0 && (flags & O_DSYNC) != 0;
}

/* In small steps: whoever lowers the time lets go of the calls that wait. */
static void sleep_ms(const int32_t *ms) {
  const struct timespec step = {0, 1000000L};
  for (int32_t slept = 0; slept < __atomic_load_n(ms, __ATOMIC_SEQ_CST); slept++) nanosleep(&step, NULL);
}

/* Whether this call is the one to fail. */
static int begins(struct kind *kind) {
  __atomic_add_fetch(&kind->begun, 1, __ATOMIC_SEQ_CST);
  sleep_ms(&kind->delay_ms);
  if (kind->fail_in <= 0 || __atomic_sub_fetch(&kind->fail_in, 1, __ATOMIC_SEQ_CST) != 0) return 0;
  __atomic_add_fetch(&kind->failed, 1, __ATOMIC_SEQ_CST);
  errno = control->error;
  return 1;
}

static void ended(struct kind *kind, int succeeded) {
  sleep_ms(&kind->hold_ms);
  if (succeeded) __atomic_add_fetch(&kind->done, 1, __ATOMIC_SEQ_CST);
}

static void *next_of(const char *name, const char *other) {
  void *found = dlsym(RTLD_NEXT, name);
  return found != NULL ? found : dlsym(RTLD_NEXT, other);
}

#define FLUSH(name)                                 \
  int name(int fd) {                                \
    static int (*next)(int);                        \
    if (next == NULL) next = next_of(#name, #name); \
    if (!is_watched(fd)) return next(fd);           \
    if (begins(&control->data)) return -1;          \
    int result = next(fd);                          \
    ended(&control->data, result == 0);             \
    return result;                                  \
  }

FLUSH(fdatasync)
FLUSH(fsync)

/* A mapping has no path to look at; in these processes nobody but the store maps a file for writing. */
int msync(void *at, size_t length, int flags) {
  static int (*next)(void *, size_t, int);
  if (next == NULL) next = next_of("msync", "msync");
  if (control == NULL || (flags & MS_SYNC) == 0) return next(at, length, flags);
  if (begins(&control->data)) return -1;
  int result = next(at, length, flags);
  ended(&control->data, result == 0);
  return result;
}

#define WRITE(name, other, from_t, count_t, at_t)                                \
  ssize_t name(int fd, from_t from, count_t count, at_t at) {                    \
    static ssize_t (*next)(int, from_t, count_t, at_t);                          \
    if (next == NULL) next = next_of(#name, #other);                             \
    if (!is_watched(fd) || !is_synchronous(fd)) return next(fd, from, count, at); \
    if (begins(&control->meta)) return -1;                                       \
    ssize_t result = next(fd, from, count, at);                                  \
    ended(&control->meta, result >= 0);                                          \
    return result;                                                               \
  }

/* A C library has one name of each pair, or both. */
WRITE(pwrite, pwrite64, const void *, size_t, off_t)
WRITE(pwrite64, pwrite, const void *, size_t, off64_t)
WRITE(pwritev, pwritev64, const struct iovec *, int, off_t)
WRITE(pwritev64, pwritev, const struct iovec *, int, off64_t)

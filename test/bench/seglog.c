// The physical limit: what a durable server could reach that does nothing but keep its promise. Every turn of its
// loop is one group: all that was there to be read is written to a zero-filled file in one durable write, and then
// acknowledged and handed to every subscriber. No sessions, no routing, no module, no reading back.
//
//   seglog FILE     prints its port; ends with its stdin
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "load/broker.h"

#define SEGMENT_BYTES (64u * 1024 * 1024)
#define ZERO_BYTES (1024u * 1024)
#define GROUP_BYTES_MAX (16u * 1024 * 1024) // more than a load has in flight

// In front of each group: what a recovery would need to tell a whole group from a torn or an older one.
struct group_head {
  uint64_t number;
  uint64_t length;
  uint64_t checksum;
};

struct seglog {
  struct broker broker; // first: the loop knows brokers only
  int file;
  off_t at;
  uint64_t number;
  struct buffer group;
};

// FNV-1a by words of 8 bytes; as a server that recovers would need it, and as cheap as one comes.
static uint64_t checksum(const uint8_t *bytes, size_t count) {
  uint64_t sum = 0xcbf29ce484222325ull;
  for (size_t at = 0; at < count; at += 8) {
    uint64_t word = 0;
    memcpy(&word, bytes + at, count - at < 8 ? count - at : 8);
    sum = (sum ^ word) * 0x100000001b3ull;
  }
  return sum;
}

static void take(struct broker *broker, struct connection *from, struct message *message) {
  struct buffer *group = &((struct seglog *)broker)->group;
  // The head is filled in when the group is whole.
  if (buffer_length(group) == 0) buffer_append(group, &(struct group_head){0}, sizeof(struct group_head));
  buffer_append(group, message->bytes, message->length);
  broker_acknowledge(from, message);
  broker_deliver(broker, message);
}

// The write is durable when it returns (O_DSYNC). It goes round in the file: what a group overwrites was delivered
// long ago.
static void write_group(struct broker *broker) {
  struct seglog *seglog = (struct seglog *)broker;
  struct buffer *group = &seglog->group;
  size_t length = buffer_length(group);
  if (length == 0) return;
  if (length > GROUP_BYTES_MAX) fail(EXIT_UNABLE, "a group of %zu bytes", length);
  uint8_t *bytes = group->bytes + group->start;
  struct group_head head = {seglog->number++, length, 0};
  head.checksum = checksum(bytes + sizeof head, length - sizeof head);
  memcpy(bytes, &head, sizeof head);
  if (seglog->at + (off_t)length > (off_t)SEGMENT_BYTES) seglog->at = 0;
  if (pwrite(seglog->file, bytes, length, seglog->at) != (ssize_t)length) {
    fail(EXIT_UNABLE, "write to the log: %s", strerror(errno));
  }
  seglog->at += (off_t)length;
  group->start = group->end;
}

// Zeros, not a hole: a write to blocks that are there changes no metadata, and one flush makes it durable.
static int open_segment(const char *path) {
  static const uint8_t zeros[ZERO_BYTES];
  int file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) fail(EXIT_UNABLE, "'%s': %s", path, strerror(errno));
  for (size_t at = 0; at < SEGMENT_BYTES; at += ZERO_BYTES) {
    if (write(file, zeros, ZERO_BYTES) != (ssize_t)ZERO_BYTES) fail(EXIT_UNABLE, "'%s': %s", path, strerror(errno));
  }
  if (fsync(file) != 0 || close(file) != 0) fail(EXIT_UNABLE, "'%s': %s", path, strerror(errno));
  return open(path, O_WRONLY | O_DSYNC | O_CLOEXEC);
}

int main(int count, char **words) {
  static struct seglog seglog = {.broker = {.take = take, .before_writing = write_group}};
  if (count != 2) fail(EXIT_USAGE, "usage: seglog FILE");
  seglog.file = open_segment(words[1]);
  if (seglog.file < 0) fail(EXIT_UNABLE, "'%s': %s", words[1], strerror(errno));
  broker_run(&seglog.broker);
  return EXIT_INTACT;
}

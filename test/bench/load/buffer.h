// Bytes between a socket and the codec: taken at `start`, added at `end`.
#ifndef LOAD_BUFFER_H
#define LOAD_BUFFER_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fail.h"

struct buffer {
  uint8_t *bytes;
  size_t start;
  size_t end;
  size_t capacity;
};

static inline size_t buffer_length(const struct buffer *buffer) { return buffer->end - buffer->start; }

// Room for `count` more bytes at `end`. What is held moves to the front before anything grows.
static inline uint8_t *buffer_reserve(struct buffer *buffer, size_t count) {
  if (buffer->start == buffer->end) buffer->start = buffer->end = 0;
  if (buffer->end + count > buffer->capacity) {
    size_t held = buffer_length(buffer);
    if (buffer->start > 0) memmove(buffer->bytes, buffer->bytes + buffer->start, held);
    buffer->start = 0;
    buffer->end = held;
    if (held + count > buffer->capacity) {
      buffer->capacity = (held + count) * 2;
      buffer->bytes = realloc(buffer->bytes, buffer->capacity);
      if (buffer->bytes == NULL) fail(EXIT_UNABLE, "out of memory: a buffer of %zu bytes", buffer->capacity);
    }
  }
  return buffer->bytes + buffer->end;
}

static inline void buffer_append(struct buffer *buffer, const void *bytes, size_t count) {
  memcpy(buffer_reserve(buffer, count), bytes, count);
  buffer->end += count;
}

static inline void buffer_append_u8(struct buffer *buffer, uint8_t value) { buffer_append(buffer, &value, 1); }

#endif

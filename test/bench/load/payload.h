// Payload: u64 send time (ns, monotonic) | u32 sequence number | u32 publisher | text like a sensor's JSON.
// Native byte order: sender and receiver are one process.
#ifndef LOAD_PAYLOAD_H
#define LOAD_PAYLOAD_H

#include <stdint.h>
#include <string.h>

#define PAYLOAD_HEAD_BYTES 16
#define PAYLOAD_TEXT "{\"celsius\":21.5,\"humidity\":40.25,\"door\":\"shut\"}\n"

struct payload_head {
  uint64_t sent_at;
  uint32_t number;
  uint32_t publisher;
};
_Static_assert(sizeof(struct payload_head) == PAYLOAD_HEAD_BYTES, "the head has no padding");

static inline void payload_fill(uint8_t *payload, size_t bytes) {
  for (size_t i = PAYLOAD_HEAD_BYTES; i < bytes; i++) {
    payload[i] = (uint8_t)PAYLOAD_TEXT[(i - PAYLOAD_HEAD_BYTES) % (sizeof PAYLOAD_TEXT - 1)];
  }
}

#endif

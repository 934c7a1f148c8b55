// The part of MQTT 3.1.1 a load generator speaks: it writes CONNECT, SUBSCRIBE, PUBLISH (QoS 1) and PUBACK, and
// reads whatever a broker sends.
#ifndef LOAD_PACKET_H
#define LOAD_PACKET_H

#include <stddef.h>
#include <stdint.h>

#include "buffer.h"
#include "identity.h"

enum packet_type { CONNECT = 1, CONNACK = 2, PUBLISH = 3, PUBACK = 4, SUBSCRIBE = 8, SUBACK = 9, DISCONNECT = 14 };

struct packet {
  enum packet_type type;
  uint8_t flags;
  // Behind the fixed header; lies in the buffer it was read from.
  const uint8_t *body;
  size_t length;
};

enum packet_read { PACKET_COMPLETE, PACKET_PARTIAL, PACKET_MALFORMED };

// Takes the next whole packet out of `in`.
enum packet_read packet_read(struct buffer *in, struct packet *packet);

void packet_write_connect(struct buffer *out, const struct identity *identity);
void packet_write_subscribe(struct buffer *out, const char *filter, uint8_t qos);
void packet_write_puback(struct buffer *out, uint16_t packet_id);
void packet_write_disconnect(struct buffer *out);

// A PUBLISH that differs from the next one by packet id and the head of its payload only: those two are written
// in place, the rest is copied.
struct publish_template {
  uint8_t *bytes;
  size_t length;
  size_t packet_id_at;
  size_t payload_at;
};

struct publish_template publish_template_make(const char *topic, const uint8_t *payload, size_t payload_bytes);

// Payload of a PUBLISH and its packet id (0 at QoS 0). False when the packet is shorter than it says.
struct publish {
  uint16_t packet_id;
  const uint8_t *payload;
  size_t payload_bytes;
};
int packet_parse_publish(const struct packet *packet, struct publish *publish);

static inline uint16_t packet_u16(const uint8_t *bytes) { return (uint16_t)(bytes[0] << 8 | bytes[1]); }

#endif

#include "packet.h"

#include <string.h>

#define PROTOCOL_LEVEL_3_1_1 4
#define CONNECT_CLEAN_SESSION 0x02
#define CONNECT_PASSWORD 0x40
#define CONNECT_USERNAME 0x80
#define SUBSCRIBE_FLAGS 0x02
#define PUBLISH_QOS_1 0x02
#define QOS_MASK 0x06
#define REMAINING_LENGTH_BYTES_MAX 4
#define PACKET_ID_SUBSCRIBE 1

static void append_u16(struct buffer *out, uint16_t value) {
  buffer_append_u8(out, (uint8_t)(value >> 8));
  buffer_append_u8(out, (uint8_t)value);
}

static void append_string(struct buffer *out, const char *text) {
  size_t length = strlen(text);
  append_u16(out, (uint16_t)length);
  buffer_append(out, text, length);
}

static void append_header(struct buffer *out, enum packet_type type, uint8_t flags, size_t length) {
  buffer_append_u8(out, (uint8_t)(type << 4 | flags));
  do {
    uint8_t seven_bits = length & 0x7f;
    length >>= 7;
    buffer_append_u8(out, length > 0 ? seven_bits | 0x80 : seven_bits);
  } while (length > 0);
}

static size_t string_bytes(const char *text) { return 2 + strlen(text); }

void packet_write_connect(struct buffer *out, const struct identity *identity) {
  uint8_t flags = CONNECT_CLEAN_SESSION;
  size_t length = string_bytes("MQTT") + 4 + string_bytes(identity->client_id);
  int has_username = identity->username[0] != '\0';
  int has_password = identity->password[0] != '\0';
  if (has_username) {
    flags |= CONNECT_USERNAME;
    length += string_bytes(identity->username);
  }
  if (has_password) {
    flags |= CONNECT_PASSWORD;
    length += string_bytes(identity->password);
  }

  append_header(out, CONNECT, 0, length);
  append_string(out, "MQTT");
  buffer_append_u8(out, PROTOCOL_LEVEL_3_1_1);
  buffer_append_u8(out, flags);
  append_u16(out, 0); // no keep-alive: a run is short, and a ping would only disturb it
  append_string(out, identity->client_id);
  if (has_username) append_string(out, identity->username);
  if (has_password) append_string(out, identity->password);
}

void packet_write_subscribe(struct buffer *out, const char *filter, uint8_t qos) {
  append_header(out, SUBSCRIBE, SUBSCRIBE_FLAGS, 2 + string_bytes(filter) + 1);
  append_u16(out, PACKET_ID_SUBSCRIBE);
  append_string(out, filter);
  buffer_append_u8(out, qos);
}

void packet_write_puback(struct buffer *out, uint16_t packet_id) {
  const uint8_t bytes[] = {PUBACK << 4, 2, (uint8_t)(packet_id >> 8), (uint8_t)packet_id};
  buffer_append(out, bytes, sizeof bytes);
}

void packet_write_disconnect(struct buffer *out) { append_header(out, DISCONNECT, 0, 0); }

struct publish_template publish_template_make(const char *topic, const uint8_t *payload, size_t payload_bytes) {
  struct buffer out = {0};
  append_header(&out, PUBLISH, PUBLISH_QOS_1, string_bytes(topic) + 2 + payload_bytes);
  append_string(&out, topic);
  struct publish_template template = {.packet_id_at = out.end, .payload_at = out.end + 2};
  append_u16(&out, 0);
  buffer_append(&out, payload, payload_bytes);
  template.bytes = out.bytes;
  template.length = out.end;
  return template;
}

enum packet_read packet_read(struct buffer *in, struct packet *packet) {
  const uint8_t *bytes = in->bytes + in->start;
  size_t held = buffer_length(in);
  size_t length = 0;
  size_t at = 1;
  for (;; at++) {
    if (at > REMAINING_LENGTH_BYTES_MAX) return PACKET_MALFORMED;
    if (at >= held) return PACKET_PARTIAL;
    length |= (size_t)(bytes[at] & 0x7f) << (7 * (at - 1));
    if ((bytes[at] & 0x80) == 0) break;
  }
  at++;
  if (held - at < length) return PACKET_PARTIAL;
  packet->type = bytes[0] >> 4;
  packet->flags = bytes[0] & 0x0f;
  packet->body = bytes + at;
  packet->length = length;
  in->start += at + length;
  return PACKET_COMPLETE;
}

int packet_parse_publish(const struct packet *packet, struct publish *publish) {
  if (packet->length < 2) return 0;
  size_t at = 2 + (size_t)packet_u16(packet->body);
  publish->packet_id = 0;
  if ((packet->flags & QOS_MASK) != 0) {
    if (packet->length < at + 2) return 0;
    publish->packet_id = packet_u16(packet->body + at);
    at += 2;
  }
  if (packet->length < at) return 0;
  publish->payload = packet->body + at;
  publish->payload_bytes = packet->length - at;
  return 1;
}

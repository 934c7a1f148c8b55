#include <string.h>

#include "clock.h"
#include "payload.h"
#include "run.h"

#define CONNACK_ACCEPTED 0
#define SUBACK_FAILURE 0x80
#define FLUSH_MESSAGES 64 // the server may begin on these while the rest of the window is written

// --- sending

static bool bound_reached(const struct run *run) {
  const struct options *o = &run->options;
  if (o->in_flight == 0 || o->subscribers == 0) return false;
  return run->sent * o->subscribers - run->received >= (uint64_t)o->in_flight * o->subscribers;
}

static bool window_open(const struct run *run, const struct publisher *publisher) {
  return publisher->connection.open && publisher->sent < run->limit && publisher->in_flight < run->options.window &&
         publisher->sent_at[publisher->next_slot] == 0;
}

static void put_message(struct run *run, struct publisher *publisher, uint64_t now) {
  const struct publish_template *template = &publisher->template;
  struct buffer *out = &publisher->connection.out;
  uint8_t *bytes = buffer_reserve(out, template->length);
  uint32_t packet_id = publisher->next_slot + 1;
  struct payload_head head = {now, publisher->sent, (uint32_t)publisher->connection.index};

  memcpy(bytes, template->bytes, template->length);
  bytes[template->packet_id_at] = (uint8_t)(packet_id >> 8);
  bytes[template->packet_id_at + 1] = (uint8_t)packet_id;
  memcpy(bytes + template->payload_at, &head, sizeof head);
  out->end += template->length;

  publisher->sent_at[publisher->next_slot] = now;
  publisher->next_slot = packet_id == publisher->slots ? 0 : packet_id;
  publisher->in_flight++;
  publisher->sent++;
  run->sent++;
}

static void flush(struct run *run, struct connection *connection) {
  if (!connection->open) return;
  connection_flush(connection);
  if (!connection->open) run->disconnected++;
}

static void publisher_fill(struct run *run, struct publisher *publisher) {
  if (!run->sending || run->options.rate > 0) return;
  uint64_t now = clock_now();
  for (unsigned put = 1; window_open(run, publisher); put++) {
    if (bound_reached(run)) {
      run->held_back = true;
      break;
    }
    put_message(run, publisher, now);
    if (put % FLUSH_MESSAGES == 0) flush(run, &publisher->connection);
  }
  flush(run, &publisher->connection);
}

void publishers_fill(struct run *run) {
  run->held_back = false;
  uint32_t count = run->options.publishers;
  for (uint32_t i = 0; i < count && !run->held_back; i++) {
    publisher_fill(run, &run->publishers[(run->turn + i) % count]);
  }
  if (count > 0) run->turn = (run->turn + 1) % count;
}

void publisher_send_paced(struct run *run) {
  struct publisher *publisher = &run->publishers[run->turn];
  run->turn = (run->turn + 1) % run->options.publishers;
  if (!window_open(run, publisher)) {
    run->skipped++;
    return;
  }
  put_message(run, publisher, clock_now());
  flush(run, &publisher->connection);
}

// --- receiving

static void take_ack(struct run *run, struct publisher *publisher, uint16_t packet_id, uint64_t now) {
  uint32_t slot = packet_id - 1u;
  if (slot >= publisher->slots || publisher->sent_at[slot] == 0) {
    run->stray_acks++;
    return;
  }
  uint64_t sent_at = publisher->sent_at[slot];
  if (sent_at >= run->measured_from) histogram_add(&run->ack, now - sent_at);
  if (run->options.timeline > 0 && now >= run->measured_from) timeline_add(&run->timeline, now, now - sent_at);
  publisher->sent_at[slot] = 0;
  publisher->in_flight--;
  run->acked++;
}

static void take_message(struct run *run, struct subscriber *subscriber, const struct publish *publish, uint64_t now) {
  const struct options *o = &run->options;
  struct payload_head head;
  if (publish->payload_bytes != o->size ||
      memcmp(publish->payload + sizeof head, run->payload_text, o->size - sizeof head) != 0) {
    run->bad_payloads++;
    return;
  }
  memcpy(&head, publish->payload, sizeof head);
  if (head.sent_at < run->started_at) {
    run->stale++;
    return;
  }
  if (head.sent_at > now || head.publisher >= o->publishers || head.number >= run->publishers[head.publisher].sent) {
    run->bad_payloads++;
    return;
  }
  if (!sequence_take(&subscriber->sequences[head.publisher], head.number)) return;
  run->received++;
  if (head.sent_at >= run->measured_from) histogram_add(&run->end_to_end, now - head.sent_at);
}

static void take_publish(struct run *run, struct connection *connection, const struct packet *packet, uint64_t now) {
  struct publish publish;
  if (connection->role != SUBSCRIBER || !packet_parse_publish(packet, &publish)) {
    fail(EXIT_UNABLE, "%s %zu: the server sent a malformed PUBLISH", role_name(connection->role), connection->index);
  }
  if (publish.packet_id != 0) packet_write_puback(&connection->out, publish.packet_id);
  take_message(run, (struct subscriber *)connection, &publish, now);
}

static void take_packet(struct run *run, struct connection *connection, const struct packet *packet, uint64_t now) {
  const char *role = role_name(connection->role);
  switch (packet->type) {
  case PUBLISH:
    take_publish(run, connection, packet, now);
    break;
  case PUBACK:
    if (packet->length < 2 || connection->role != PUBLISHER) fail(EXIT_UNABLE, "%s: a malformed PUBACK", role);
    take_ack(run, (struct publisher *)connection, packet_u16(packet->body), now);
    break;
  case CONNACK:
    if (packet->length < 2 || packet->body[1] != CONNACK_ACCEPTED) {
      fail(EXIT_UNABLE, "%s %zu: refused, return code %d", role, connection->index,
           packet->length < 2 ? -1 : packet->body[1]);
    }
    connection->accepted = true;
    break;
  case SUBACK:
    if (packet->length < 3 || packet->body[2] == SUBACK_FAILURE) {
      fail(EXIT_UNABLE, "%s %zu: subscription refused", role, connection->index);
    }
    connection->subscribed = true;
    break;
  default:
    break;
  }
}

// False when there was nothing to read.
static bool receive(struct run *run, struct connection *connection) {
  if (!connection_receive(connection)) return false;
  // One time for all that one read brought: it was all there by now.
  uint64_t now = clock_now();
  struct packet packet;
  enum packet_read read;
  while ((read = packet_read(&connection->in, &packet)) == PACKET_COMPLETE) {
    take_packet(run, connection, &packet, now);
  }
  if (read == PACKET_MALFORMED) {
    fail(EXIT_UNABLE, "%s %zu: the server sent no MQTT", role_name(connection->role), connection->index);
  }
  return true;
}

void client_ready(struct run *run, struct connection *connection) {
  if (!connection->open) return;
  receive(run, connection);
  if (!connection->open) {
    run->disconnected++;
    return;
  }
  if (connection->role == PUBLISHER) publisher_fill(run, (struct publisher *)connection);
  flush(run, connection);
}

// --- opening

// Blocking: nothing is measured yet, and a refusal should read as one line.
static void await(struct run *run, struct connection *connection, const bool *flag, const char *what) {
  connection_flush(connection);
  while (!*flag) {
    if (!receive(run, connection)) {
      fail(EXIT_UNABLE, "%s %zu: the server sent no %s", role_name(connection->role), connection->index, what);
    }
  }
}

static void open_connection(struct run *run, struct connection *connection, const struct identity *identity) {
  connection_connect(connection, run->options.host, run->options.port);
  packet_write_connect(&connection->out, identity);
  await(run, connection, &connection->accepted, "CONNACK");
}

void publisher_open(struct run *run, uint32_t index, const struct identity *identity) {
  struct publisher *publisher = &run->publishers[index];
  publisher->connection.role = PUBLISHER;
  publisher->connection.index = index;
  publisher->slots = run->options.window * 2;
  publisher->sent_at = allocate(publisher->slots, sizeof *publisher->sent_at);

  uint8_t *payload = allocate(run->options.size, 1);
  payload_fill(payload, run->options.size);
  publisher->template = publish_template_make(identity->topic, payload, run->options.size);
  free(payload);

  open_connection(run, &publisher->connection, identity);
  connection_watch(&publisher->connection, run->epoll);
}

void subscriber_open(struct run *run, uint32_t index, const struct identity *identity) {
  struct subscriber *subscriber = &run->subscribers[index];
  subscriber->connection.role = SUBSCRIBER;
  subscriber->connection.index = index;
  subscriber->sequences = allocate(run->options.publishers + 1, sizeof *subscriber->sequences);
  open_connection(run, &subscriber->connection, identity);
  packet_write_subscribe(&subscriber->connection.out, identity->topic, (uint8_t)run->options.subscriber_qos);
  await(run, &subscriber->connection, &subscriber->connection.subscribed, "SUBACK");
  connection_watch(&subscriber->connection, run->epoll);
}

void client_leave(struct connection *connection) {
  if (!connection->open) return;
  packet_write_disconnect(&connection->out);
  connection_flush(connection);
  if (connection->open) connection_close(connection);
}

bool run_is_drained(const struct run *run) {
  return run->acked == run->sent && run->received == run->sent * run->options.subscribers;
}

bool run_is_complete(const struct run *run) {
  return run->limit < UINT32_MAX && run->sent == (uint64_t)run->limit * run->options.publishers && run_is_drained(run);
}

// The least that looks like a broker, whatever the topics: lets every client in, and hands every PUBLISH to whoever
// composes it. One turn of the loop reads from all connections that are ready, and only then writes: what was taken
// in a turn can be made durable in one step before any of it is acknowledged.
#ifndef LOAD_BROKER_H
#define LOAD_BROKER_H

#include "connection.h"

#define BROKER_CLIENTS_MAX 1024

struct message {
  uint8_t *bytes; // the whole packet; valid until `take` returns
  size_t length;
  size_t packet_id_at;
};

struct broker {
  int epoll;
  struct connection *subscribers[BROKER_CLIENTS_MAX];
  size_t subscriber_count;
  uint32_t next_packet_id;
  // A PUBLISH has come. Acknowledging and delivering it is up to this.
  void (*take)(struct broker *broker, struct connection *from, struct message *message);
  // All that the turn brought is taken, and nothing of it is on its way back yet. May be NULL.
  void (*before_writing)(struct broker *broker);
};

// These wait in the connections' buffers until the end of the turn.
void broker_acknowledge(struct connection *publisher, const struct message *message);
void broker_deliver(struct broker *broker, struct message *message);

// Listens on a free port of the loopback, prints its number on stdout, and serves until stdin ends.
void broker_run(struct broker *broker);

#endif

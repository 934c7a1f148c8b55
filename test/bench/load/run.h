// The state of one run: its clients, what they have counted, and what they may do.
#ifndef LOAD_RUN_H
#define LOAD_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "connection.h"
#include "histogram.h"
#include "options.h"
#include "packet.h"
#include "sequence.h"
#include "timeline.h"

struct publisher {
  struct connection connection; // first: the epoll loop knows connections only
  struct publish_template template;
  uint32_t sent;
  uint32_t in_flight;
  // Send time by packet id - 1; 0 = not in flight. Twice the window, so that one late acknowledgement does not
  // hold up the rest.
  uint64_t *sent_at;
  uint32_t slots;
  uint32_t next_slot;
};

struct subscriber {
  struct connection connection; // first, as above
  struct sequence *sequences;   // by publisher
};

struct run {
  struct options options;
  int epoll;
  struct publisher *publishers;
  struct subscriber *subscribers;
  uint8_t *payload_text; // what every payload must hold behind its head

  uint32_t limit; // messages of each publisher
  bool sending;
  uint64_t started_at;
  uint64_t measured_from; // latencies count for messages sent from here on
  uint32_t turn;          // publisher that is served first next time
  bool held_back;         // by the bound: somebody must be filled when messages have arrived

  uint64_t sent;
  uint64_t acked;
  uint64_t received; // distinct, over all subscribers
  uint64_t stray_acks;
  uint64_t bad_payloads;
  uint64_t stale;   // left over from an earlier run
  uint64_t skipped; // paced messages that were due while their publisher's window was full
  uint64_t disconnected;
  struct histogram ack;
  struct histogram end_to_end;
  struct timeline timeline;
};

// Clients: what they do with their connections (clients.c).
void publisher_open(struct run *run, uint32_t index, const struct identity *identity);
void subscriber_open(struct run *run, uint32_t index, const struct identity *identity);
// Sends as much as windows and bound allow; another publisher comes first each time.
void publishers_fill(struct run *run);
// Sends one message of the publisher whose turn it is.
void publisher_send_paced(struct run *run);
// Socket has bytes or room.
void client_ready(struct run *run, struct connection *connection);
void client_leave(struct connection *connection);

// Nothing is expected to arrive any more.
bool run_is_drained(const struct run *run);
// All that a bounded run may send is sent, and has arrived.
bool run_is_complete(const struct run *run);

#endif

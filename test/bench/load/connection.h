// One MQTT connection: a socket and the bytes waiting on either side of it. Blocking until `connection_watch`,
// so that the handshake reads as a straight line; from then on the epoll loop owns it.
#ifndef LOAD_CONNECTION_H
#define LOAD_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>

#include "buffer.h"

enum role { PUBLISHER, SUBSCRIBER };

struct connection {
  enum role role;
  size_t index;
  int fd;
  int epoll;
  bool open;
  bool waits_for_room;
  // Set by CONNACK and SUBACK.
  bool accepted;
  bool subscribed;
  struct buffer in;
  struct buffer out;
};

void connection_connect(struct connection *connection, const char *host, unsigned port);
void connection_watch(struct connection *connection, int epoll);

// Writes what `out` holds as far as the socket takes it; the rest when the socket has room again.
void connection_flush(struct connection *connection);

// One read into `in`. False when there was nothing, or the peer is gone (then `open` is false).
bool connection_receive(struct connection *connection);

void connection_close(struct connection *connection);

const char *role_name(enum role role);

#endif

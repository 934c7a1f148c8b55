#include "connection.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define RECEIVE_BYTES (128 * 1024)
#define HANDSHAKE_TIMEOUT_SECONDS 10

const char *role_name(enum role role) { return role == PUBLISHER ? "publisher" : "subscriber"; }

void connection_connect(struct connection *connection, const char *host, unsigned port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  if (inet_pton(AF_INET, host, &address.sin_addr) != 1) fail(EXIT_USAGE, "--host '%s': expected an IPv4 address", host);
  connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connection->fd < 0) fail(EXIT_UNABLE, "socket: %s", strerror(errno));
  int on = 1;
  struct timeval timeout = {.tv_sec = HANDSHAKE_TIMEOUT_SECONDS};
  setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(connection->fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  if (connect(connection->fd, (struct sockaddr *)&address, sizeof address) != 0) {
    fail(EXIT_UNABLE, "connect to %s:%u: %s", host, port, strerror(errno));
  }
  connection->open = true;
}

static void set_interest(struct connection *connection, int operation, bool room) {
  struct epoll_event event = {.events = EPOLLIN | (room ? EPOLLOUT : 0u), .data.ptr = connection};
  epoll_ctl(connection->epoll, operation, connection->fd, &event);
  connection->waits_for_room = room;
}

void connection_watch(struct connection *connection, int epoll) {
  connection->epoll = epoll;
  fcntl(connection->fd, F_SETFL, fcntl(connection->fd, F_GETFL) | O_NONBLOCK);
  set_interest(connection, EPOLL_CTL_ADD, false);
}

void connection_flush(struct connection *connection) {
  struct buffer *out = &connection->out;
  while (connection->open && buffer_length(out) > 0) {
    ssize_t sent = send(connection->fd, out->bytes + out->start, buffer_length(out), MSG_NOSIGNAL);
    if (sent >= 0) {
      out->start += (size_t)sent;
    } else if (errno == EAGAIN) {
      if (!connection->waits_for_room) set_interest(connection, EPOLL_CTL_MOD, true);
      return;
    } else if (errno != EINTR) {
      connection_close(connection);
    }
  }
  if (connection->open && connection->waits_for_room) set_interest(connection, EPOLL_CTL_MOD, false);
}

bool connection_receive(struct connection *connection) {
  struct buffer *in = &connection->in;
  uint8_t *room = buffer_reserve(in, RECEIVE_BYTES);
  ssize_t received = recv(connection->fd, room, in->capacity - in->end, 0);
  if (received > 0) {
    in->end += (size_t)received;
    return true;
  }
  if (received == 0 || (errno != EAGAIN && errno != EINTR)) connection_close(connection);
  return false;
}

void connection_close(struct connection *connection) {
  // Closing takes it out of the epoll set as well.
  close(connection->fd);
  connection->open = false;
}

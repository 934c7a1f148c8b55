// The least that looks like a broker: acknowledges every PUBLISH and hands it to every subscriber, whatever its
// topic, keeping nothing. What the generator reaches against it is the generator's own limit. With a fault it
// is what the generator's checks are tested on.
//
//   echo [lose|double|swap|corrupt|stray EVERY]     prints its port; ends with its stdin
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load/connection.h"
#include "load/packet.h"

#define CLIENTS_MAX 1024
#define EVENTS_MAX 512
#define PACKET_BYTES_MAX (512 * 1024)
#define PACKET_IDS 65535

struct message {
  uint8_t *bytes; // the whole packet
  size_t length;
  size_t packet_id_at;
};

struct echo {
  int epoll;
  struct connection *subscribers[CLIENTS_MAX];
  size_t subscriber_count;
  const char *fault;
  unsigned long every;
  unsigned long taken;
  uint32_t next_packet_id;
  uint8_t held_bytes[PACKET_BYTES_MAX]; // by `swap`, until the next message has gone out
  struct message held;
};

static void deliver(struct echo *echo, struct message *message) {
  uint16_t packet_id = (uint16_t)(1 + echo->next_packet_id++ % PACKET_IDS);
  message->bytes[message->packet_id_at] = (uint8_t)(packet_id >> 8);
  message->bytes[message->packet_id_at + 1] = (uint8_t)packet_id;
  for (size_t i = 0; i < echo->subscriber_count; i++) {
    buffer_append(&echo->subscribers[i]->out, message->bytes, message->length);
  }
}

static void hold(struct echo *echo, const struct message *message) {
  memcpy(echo->held_bytes, message->bytes, message->length);
  echo->held = *message;
  echo->held.bytes = echo->held_bytes;
}

static bool has_fault(const struct echo *echo, const char *fault) {
  return echo->fault != NULL && echo->taken % echo->every == 0 && strcmp(echo->fault, fault) == 0;
}

static void take_publish(struct echo *echo, struct connection *from, struct message *message) {
  echo->taken++;
  packet_write_puback(&from->out, packet_u16(message->bytes + message->packet_id_at));
  if (has_fault(echo, "stray")) packet_write_puback(&from->out, packet_u16(message->bytes + message->packet_id_at));
  if (has_fault(echo, "lose")) return;
  if (has_fault(echo, "swap")) {
    hold(echo, message);
    return;
  }
  if (has_fault(echo, "corrupt")) message->bytes[message->length - 1] ^= 1;
  if (has_fault(echo, "double")) deliver(echo, message);
  deliver(echo, message);
  if (echo->held.length > 0) deliver(echo, &echo->held);
  echo->held.length = 0;
}

static void take_packet(struct echo *echo, struct connection *from, uint8_t *bytes, const struct packet *packet) {
  static const uint8_t connack[] = {CONNACK << 4, 2, 0, 0};
  if (packet->type == CONNECT) buffer_append(&from->out, connack, sizeof connack);
  if (packet->type == SUBSCRIBE) {
    const uint8_t suback[] = {SUBACK << 4, 3, packet->body[0], packet->body[1], 1};
    buffer_append(&from->out, suback, sizeof suback);
    echo->subscribers[echo->subscriber_count++] = from;
  }
  if (packet->type == PUBLISH) {
    size_t head = (size_t)(packet->body - bytes);
    struct message message = {bytes, head + packet->length, head + 2 + packet_u16(packet->body)};
    take_publish(echo, from, &message);
  }
}

// The connection itself stays allocated: events of this very turn may still name it, and an echo lives as long as
// a test.
static void forget_subscriber(struct echo *echo, const struct connection *connection) {
  for (size_t i = 0; i < echo->subscriber_count; i++) {
    if (echo->subscribers[i] == connection) echo->subscribers[i] = echo->subscribers[--echo->subscriber_count];
  }
}

static void client_ready(struct echo *echo, struct connection *connection) {
  if (connection_receive(connection)) {
    struct buffer *in = &connection->in;
    struct packet packet;
    for (;;) {
      uint8_t *bytes = in->bytes + in->start;
      if (packet_read(in, &packet) != PACKET_COMPLETE) break;
      take_packet(echo, connection, bytes, &packet);
    }
  }
  connection_flush(connection);
  if (!connection->open) forget_subscriber(echo, connection);
}

static void accept_client(struct echo *echo, int listener) {
  struct connection *connection = allocate(1, sizeof *connection);
  int on = 1;
  connection->fd = accept(listener, NULL, NULL);
  if (connection->fd < 0) fail(EXIT_UNABLE, "accept: %s", strerror(errno));
  setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  connection->open = true;
  connection_watch(connection, echo->epoll);
}

static int listen_anywhere(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, SOMAXCONN) != 0 ||
      getsockname(listener, (struct sockaddr *)&address, &length) != 0) {
    fail(EXIT_UNABLE, "listen: %s", strerror(errno));
  }
  printf("%u\n", ntohs(address.sin_port));
  fflush(stdout);
  return listener;
}

int main(int count, char **words) {
  static struct echo echo;
  if (count == 3) {
    echo.fault = words[1];
    echo.every = strtoul(words[2], NULL, 10);
  }
  if (count != 1 && (count != 3 || echo.every == 0)) fail(EXIT_USAGE, "usage: echo [FAULT EVERY]");
  echo.epoll = epoll_create1(EPOLL_CLOEXEC);
  int listener = listen_anywhere();
  int stdin_fd = STDIN_FILENO;
  struct epoll_event on_listener = {.events = EPOLLIN, .data.ptr = &listener};
  struct epoll_event on_stdin = {.events = EPOLLIN, .data.ptr = &stdin_fd};
  epoll_ctl(echo.epoll, EPOLL_CTL_ADD, listener, &on_listener);
  epoll_ctl(echo.epoll, EPOLL_CTL_ADD, stdin_fd, &on_stdin);
  for (;;) {
    struct epoll_event events[EVENTS_MAX];
    int ready = epoll_wait(echo.epoll, events, EVENTS_MAX, -1);
    for (int i = 0; i < ready; i++) {
      if (events[i].data.ptr == &stdin_fd) return EXIT_INTACT;
      if (events[i].data.ptr == &listener) accept_client(&echo, listener);
      else client_ready(&echo, events[i].data.ptr);
    }
    // One write per subscriber for all that came in meanwhile.
    for (size_t i = 0; i < echo.subscriber_count; i++) connection_flush(echo.subscribers[i]);
  }
}

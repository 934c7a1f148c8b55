#include "broker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "packet.h"

#define EVENTS_MAX 512
#define PACKET_IDS 65535

void broker_acknowledge(struct connection *publisher, const struct message *message) {
  packet_write_puback(&publisher->out, packet_u16(message->bytes + message->packet_id_at));
}

void broker_deliver(struct broker *broker, struct message *message) {
  uint16_t packet_id = (uint16_t)(1 + broker->next_packet_id++ % PACKET_IDS);
  message->bytes[message->packet_id_at] = (uint8_t)(packet_id >> 8);
  message->bytes[message->packet_id_at + 1] = (uint8_t)packet_id;
  for (size_t i = 0; i < broker->subscriber_count; i++) {
    buffer_append(&broker->subscribers[i]->out, message->bytes, message->length);
  }
}

static void take_packet(struct broker *broker, struct connection *from, uint8_t *bytes, const struct packet *packet) {
  static const uint8_t connack[] = {CONNACK << 4, 2, 0, 0};
  if (packet->type == CONNECT) buffer_append(&from->out, connack, sizeof connack);
  if (packet->type == SUBSCRIBE) {
    const uint8_t suback[] = {SUBACK << 4, 3, packet->body[0], packet->body[1], 1};
    buffer_append(&from->out, suback, sizeof suback);
    if (broker->subscriber_count == BROKER_CLIENTS_MAX) fail(EXIT_UNABLE, "more than %d subscribers", BROKER_CLIENTS_MAX);
    broker->subscribers[broker->subscriber_count++] = from;
  }
  if (packet->type == PUBLISH) {
    size_t head = (size_t)(packet->body - bytes);
    struct message message = {bytes, head + packet->length, head + 2 + packet_u16(packet->body)};
    broker->take(broker, from, &message);
  }
}

static void read_client(struct broker *broker, struct connection *connection) {
  if (!connection->open || !connection_receive(connection)) return;
  struct buffer *in = &connection->in;
  struct packet packet;
  for (;;) {
    uint8_t *bytes = in->bytes + in->start;
    if (packet_read(in, &packet) != PACKET_COMPLETE) break;
    take_packet(broker, connection, bytes, &packet);
  }
}

// The connection itself stays allocated: events of this very turn may still name it, and such a broker lives as long
// as a measurement.
static void forget_subscriber(struct broker *broker, const struct connection *connection) {
  for (size_t i = 0; i < broker->subscriber_count; i++) {
    if (broker->subscribers[i] == connection) broker->subscribers[i] = broker->subscribers[--broker->subscriber_count];
  }
}

static void write_client(struct broker *broker, struct connection *connection) {
  if (connection->open) connection_flush(connection);
  if (!connection->open) forget_subscriber(broker, connection);
}

static void accept_client(struct broker *broker, int listener) {
  struct connection *connection = allocate(1, sizeof *connection);
  int on = 1;
  connection->fd = accept(listener, NULL, NULL);
  if (connection->fd < 0) fail(EXIT_UNABLE, "accept: %s", strerror(errno));
  setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  connection->open = true;
  connection_watch(connection, broker->epoll);
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

void broker_run(struct broker *broker) {
  broker->epoll = epoll_create1(EPOLL_CLOEXEC);
  int listener = listen_anywhere();
  int stdin_fd = STDIN_FILENO;
  struct epoll_event on_listener = {.events = EPOLLIN, .data.ptr = &listener};
  struct epoll_event on_stdin = {.events = EPOLLIN, .data.ptr = &stdin_fd};
  epoll_ctl(broker->epoll, EPOLL_CTL_ADD, listener, &on_listener);
  epoll_ctl(broker->epoll, EPOLL_CTL_ADD, stdin_fd, &on_stdin);
  for (;;) {
    struct epoll_event events[EVENTS_MAX];
    struct connection *ready[EVENTS_MAX];
    size_t ready_count = 0;
    int count = epoll_wait(broker->epoll, events, EVENTS_MAX, -1);
    for (int i = 0; i < count; i++) {
      if (events[i].data.ptr == &stdin_fd) return;
      if (events[i].data.ptr == &listener) accept_client(broker, listener);
      else ready[ready_count++] = events[i].data.ptr;
    }
    for (size_t i = 0; i < ready_count; i++) read_client(broker, ready[i]);
    if (broker->before_writing != NULL) broker->before_writing(broker);
    for (size_t i = 0; i < ready_count; i++) write_client(broker, ready[i]);
    // One write per subscriber for all that came in meanwhile. Backwards: a closed one is replaced by the last.
    for (size_t i = broker->subscriber_count; i-- > 0;) write_client(broker, broker->subscribers[i]);
  }
}

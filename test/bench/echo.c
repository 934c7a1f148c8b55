// Acknowledges every PUBLISH and hands it to every subscriber, keeping nothing. What the generator reaches against
// it is the generator's own limit. With a fault it is what the generator's checks are tested on.
//
//   echo [lose|double|swap|corrupt|stray EVERY]     prints its port; ends with its stdin
#include <string.h>

#include "load/broker.h"

#define PACKET_BYTES_MAX (512 * 1024)

struct echo {
  struct broker broker; // first: the loop knows brokers only
  const char *fault;
  unsigned long every;
  unsigned long taken;
  uint8_t held_bytes[PACKET_BYTES_MAX]; // by `swap`, until the next message has gone out
  struct message held;
};

static void hold(struct echo *echo, const struct message *message) {
  memcpy(echo->held_bytes, message->bytes, message->length);
  echo->held = *message;
  echo->held.bytes = echo->held_bytes;
}

static bool has_fault(const struct echo *echo, const char *fault) {
  return echo->fault != NULL && echo->taken % echo->every == 0 && strcmp(echo->fault, fault) == 0;
}

static void take(struct broker *broker, struct connection *from, struct message *message) {
  struct echo *echo = (struct echo *)broker;
  echo->taken++;
  broker_acknowledge(from, message);
  if (has_fault(echo, "stray")) broker_acknowledge(from, message);
  if (has_fault(echo, "lose")) return;
  if (has_fault(echo, "swap")) {
    hold(echo, message);
    return;
  }
  if (has_fault(echo, "corrupt")) message->bytes[message->length - 1] ^= 1;
  if (has_fault(echo, "double")) broker_deliver(broker, message);
  broker_deliver(broker, message);
  if (echo->held.length > 0) broker_deliver(broker, &echo->held);
  echo->held.length = 0;
}

int main(int count, char **words) {
  static struct echo echo = {.broker.take = take};
  if (count == 3) {
    echo.fault = words[1];
    echo.every = strtoul(words[2], NULL, 10);
  }
  if (count != 1 && (count != 3 || echo.every == 0)) fail(EXIT_USAGE, "usage: echo [FAULT EVERY]");
  broker_run(&echo.broker);
  return EXIT_INTACT;
}

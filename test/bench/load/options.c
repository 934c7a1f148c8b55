#include "options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fail.h"
#include "payload.h"

#define SIZE_BYTES_MAX (256 * 1024)
#define CLIENTS_MAX 100000
#define WINDOW_MAX 32767 // there are 65535 packet ids, and the table of those in flight is twice the window
#define IN_FLIGHT_MAX 1000000000
#define RATE_MAX 1000000
#define MESSAGES_MAX 1000000000
#define PID_MAX 4194304
#define SECONDS_MAX 3600

struct option {
  const char *name;
  const char *help;
  // Where the value goes: one of the three.
  const char **text;
  uint32_t *count;
  double *seconds;
  uint32_t min;
  uint32_t max;
};

static _Noreturn void print_help(const struct option *table, size_t rows) {
  puts("load: publishes over MQTT 3.1.1 at QoS 1, receives what comes back, checks every message.\n"
       "One JSON line on stdout. Exit code 0: all arrived intact; 3: not all did.\n");
  for (size_t i = 0; i < rows; i++) printf("  --%-22s %s\n", table[i].name, table[i].help);
  exit(EXIT_INTACT);
}

static void set(const struct option *option, const char *value) {
  if (option->text != NULL) {
    *option->text = value;
    return;
  }
  char *end;
  double number = strtod(value, &end);
  if (end == value || *end != '\0' || !(number >= option->min && number <= option->max)) {
    fail(EXIT_USAGE, "--%s '%s': expected a number from %u to %u", option->name, value, option->min, option->max);
  }
  if (option->seconds != NULL) *option->seconds = number;
  else *option->count = (uint32_t)number;
}

struct options options_parse(int count, char **words) {
  struct options o = {
    .host = "127.0.0.1", .publishers = 1, .subscribers = 1, .subscriber_qos = 1, .window = 100,
    .in_flight = 4000, .size = 300, .warmup = 1, .secs = 3, .drain = 10,
  };
  const struct option table[] = {
    {"host", "IPv4 address of the server (127.0.0.1)", .text = &o.host},
    {"port", "its port", .count = &o.port, .min = 1, .max = 65535},
    {"publishers", "how many (1)", .count = &o.publishers, .min = 1, .max = CLIENTS_MAX},
    {"publisher-identities", "file: clientId TAB username TAB password TAB topic", .text = &o.publisher_identities},
    {"subscribers", "how many (1); each expects every message", .count = &o.subscribers, .max = CLIENTS_MAX},
    {"subscriber-identities", "file, like the other; its topics are filters", .text = &o.subscriber_identities},
    {"subscriber-qos", "0 or 1 (1)", .count = &o.subscriber_qos, .max = 1},
    {"window", "messages a publisher has unacknowledged at most (100)", .count = &o.window, .min = 1, .max = WINDOW_MAX},
    {"in-flight", "messages sent and not yet received, all together; 0: any (4000)", .count = &o.in_flight, .max = IN_FLIGHT_MAX},
    {"size", "payload bytes (300)", .count = &o.size, .min = PAYLOAD_HEAD_BYTES, .max = SIZE_BYTES_MAX},
    {"rate", "messages per second, all together; 0: as fast as the windows allow (0)", .count = &o.rate, .max = RATE_MAX},
    {"messages", "sent by all together, each as many, and then the run ends; 0: any (0)", .count = &o.messages, .max = MESSAGES_MAX},
    {"backlog", "no publisher connects: subscribers get what --messages of an earlier run left (0)", .count = &o.backlog, .max = MESSAGES_MAX},
    {"timeline", "1: report the acknowledgements' p99 of each measured second (0)", .count = &o.timeline, .max = 1},
    {"warmup", "seconds under load before anything counts (1)", .seconds = &o.warmup, .max = SECONDS_MAX},
    {"secs", "seconds measured (3)", .seconds = &o.secs, .max = SECONDS_MAX},
    {"drain", "seconds to wait for what is in flight at the end (10)", .seconds = &o.drain, .max = SECONDS_MAX},
    {"pid", "process whose processor time is measured", .count = &o.pid, .min = 1, .max = PID_MAX},
    {"disk", "/sys/block/DEVICE/stat or /proc/PID/io whose written bytes are measured", .text = &o.disk},
  };
  const size_t rows = sizeof table / sizeof table[0];
  for (int i = 1; i < count; i += 2) {
    if (strcmp(words[i], "--help") == 0) print_help(table, rows);
    size_t row = 0;
    while (row < rows && (strncmp(words[i], "--", 2) != 0 || strcmp(words[i] + 2, table[row].name) != 0)) row++;
    if (row == rows) fail(EXIT_USAGE, "unknown option '%s'; --help lists them", words[i]);
    if (i + 1 == count) fail(EXIT_USAGE, "--%s: its value is missing", table[row].name);
    set(&table[row], words[i + 1]);
  }
  if (o.messages > 0 && o.backlog > 0) fail(EXIT_USAGE, "--messages and --backlog: one of them");
  if (o.port == 0) fail(EXIT_USAGE, "--port is missing");
  return o;
}

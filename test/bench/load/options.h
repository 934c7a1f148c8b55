// The command line. `load --help` prints the same table that is parsed.
#ifndef LOAD_OPTIONS_H
#define LOAD_OPTIONS_H

#include <stdint.h>

struct options {
  const char *host;
  const char *publisher_identities;
  const char *subscriber_identities;
  const char *disk;
  uint32_t port;
  uint32_t publishers;
  uint32_t subscribers;
  uint32_t subscriber_qos;
  uint32_t window;
  uint32_t in_flight;
  uint32_t size;
  uint32_t rate;
  uint32_t messages;
  uint32_t backlog;
  uint32_t timeline;
  uint32_t pid;
  double warmup;
  double secs;
  double drain;
};

// Ends the process on a bad command line, and after --help.
struct options options_parse(int count, char **words);

#endif

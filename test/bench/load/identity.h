// Who a client says it is. A file holds one client per line, so that every device can have a token of its own:
//   clientId TAB username TAB password TAB topic
// An empty username or password is left out of CONNECT. The file is read here rather than given as options,
// because a command line is readable by everybody on the machine.
#ifndef LOAD_IDENTITY_H
#define LOAD_IDENTITY_H

#include <stddef.h>

struct identity {
  char *client_id;
  char *username;
  char *password;
  // What a publisher publishes to, and the filter of a subscriber.
  char *topic;
};

// The first `count` identities of `path`; without a path, made up for a broker that asks nobody.
struct identity *identities_load(const char *path, size_t count, const char *role);

#endif

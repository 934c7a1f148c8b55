// What a run has to say: counters at its edges, and one line of JSON.
#ifndef LOAD_REPORT_H
#define LOAD_REPORT_H

#include "run.h"

struct snapshot {
  uint64_t at;
  uint64_t acked;
  uint64_t received;
  uint64_t server_cpu;
  uint64_t generator_cpu;
  uint64_t disk;
};

struct snapshot snapshot_take(const struct run *run);

// Prints the line; returns whether everything sent arrived, once, in order and intact.
bool report_print(const struct run *run, const struct snapshot *from, const struct snapshot *to);

#endif

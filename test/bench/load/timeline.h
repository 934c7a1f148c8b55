// Latency second by second: what a quantile over a whole run hides, a disturbance that lasts a moment.
#ifndef LOAD_TIMELINE_H
#define LOAD_TIMELINE_H

#include "clock.h"
#include "histogram.h"

#define TIMELINE_SECONDS_MAX 600

struct timeline {
  uint64_t from;
  uint32_t seconds;        // whole ones so far
  struct histogram second; // the one that is running
  uint64_t p99[TIMELINE_SECONDS_MAX];
};

// `now` is when `value` became known. Seconds in which nothing did are 0.
static inline void timeline_add(struct timeline *timeline, uint64_t now, uint64_t value) {
  while (timeline->seconds < TIMELINE_SECONDS_MAX &&
         now - timeline->from >= (timeline->seconds + 1ull) * NANOS_PER_SECOND) {
    timeline->p99[timeline->seconds++] = histogram_quantile(&timeline->second, 0.99);
    timeline->second = (struct histogram){0};
  }
  histogram_add(&timeline->second, value);
}

#endif

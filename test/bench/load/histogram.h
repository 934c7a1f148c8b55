// Latencies in buckets that grow with the value: fixed memory, 1/64 relative precision, no allocation while
// measuring.
#ifndef LOAD_HISTOGRAM_H
#define LOAD_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_SUB_BITS 6
#define HISTOGRAM_SUB_BUCKETS (1u << HISTOGRAM_SUB_BITS)
#define HISTOGRAM_BUCKETS ((64 - HISTOGRAM_SUB_BITS + 1) * HISTOGRAM_SUB_BUCKETS)

struct histogram {
  uint64_t count;
  uint64_t max;
  uint64_t buckets[HISTOGRAM_BUCKETS];
};

// Below 64 a bucket is one value; above, each power of two is cut into 64 buckets.
static inline void histogram_add(struct histogram *histogram, uint64_t value) {
  unsigned bucket = (unsigned)value;
  if (value >= HISTOGRAM_SUB_BUCKETS) {
    unsigned shift = 63u - (unsigned)__builtin_clzll(value) - HISTOGRAM_SUB_BITS;
    bucket = (shift + 1) * HISTOGRAM_SUB_BUCKETS + ((value >> shift) & (HISTOGRAM_SUB_BUCKETS - 1));
  }
  histogram->buckets[bucket]++;
  histogram->count++;
  if (value > histogram->max) histogram->max = value;
}

// The value that a share `quantile` (0 to 1) of all values does not pass; 0 for an empty histogram.
uint64_t histogram_quantile(const struct histogram *histogram, double quantile);

#endif

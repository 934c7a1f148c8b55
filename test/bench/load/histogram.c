#include "histogram.h"

#include <math.h>

// The middle of a bucket: half of its width is the error either way.
static uint64_t bucket_middle(unsigned bucket) {
  if (bucket < HISTOGRAM_SUB_BUCKETS) return bucket;
  unsigned shift = bucket / HISTOGRAM_SUB_BUCKETS - 1;
  uint64_t low = (uint64_t)(HISTOGRAM_SUB_BUCKETS + bucket % HISTOGRAM_SUB_BUCKETS) << shift;
  return low + ((1ull << shift) >> 1);
}

uint64_t histogram_quantile(const struct histogram *histogram, double quantile) {
  uint64_t rank = (uint64_t)ceil((double)histogram->count * quantile);
  uint64_t seen = 0;
  for (unsigned bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
    seen += histogram->buckets[bucket];
    if (seen > 0 && seen >= rank) {
      uint64_t value = bucket_middle(bucket);
      return value < histogram->max ? value : histogram->max;
    }
  }
  return 0;
}

#include "report.h"

#include <stdio.h>
#include <time.h>

#include "clock.h"
#include "server.h"

#define NANOS_PER_MICRO 1000.0

struct snapshot snapshot_take(const struct run *run) {
  struct timespec cpu;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
  return (struct snapshot){
    .at = clock_now(),
    .acked = run->acked,
    .received = run->received,
    .server_cpu = server_cpu_nanos((pid_t)run->options.pid),
    .generator_cpu = (uint64_t)cpu.tv_sec * NANOS_PER_SECOND + (uint64_t)cpu.tv_nsec,
    .disk = server_disk_bytes(run->options.disk),
  };
}

struct arrivals {
  uint64_t lost;
  uint64_t duplicates;
  uint64_t out_of_order;
};

static struct arrivals arrivals_sum(const struct run *run) {
  struct arrivals sum = {0};
  for (uint32_t s = 0; s < run->options.subscribers; s++) {
    for (uint32_t p = 0; p < run->options.publishers; p++) {
      const struct sequence *sequence = &run->subscribers[s].sequences[p];
      sum.lost += run->publishers[p].sent - sequence->distinct;
      sum.duplicates += sequence->duplicates;
      sum.out_of_order += sequence->out_of_order;
    }
  }
  return sum;
}

static void print_histogram(const char *name, const struct histogram *histogram) {
  printf(",\"%s\":{\"count\":%llu,\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,\"max\":%.1f}", name,
         (unsigned long long)histogram->count, (double)histogram_quantile(histogram, 0.5) / NANOS_PER_MICRO,
         (double)histogram_quantile(histogram, 0.9) / NANOS_PER_MICRO,
         (double)histogram_quantile(histogram, 0.99) / NANOS_PER_MICRO, (double)histogram->max / NANOS_PER_MICRO);
}

static void print_count(const char *name, uint64_t count) {
  printf(",\"%s\":%llu", name, (unsigned long long)count);
}

// As µs, of the whole seconds of the measured time.
static void print_timeline(const struct timeline *timeline, double seconds) {
  printf(",\"ackP99BySecond\":[");
  for (uint32_t i = 0; i < timeline->seconds && i + 1 <= seconds; i++) {
    printf("%s%.1f", i > 0 ? "," : "", (double)timeline->p99[i] / NANOS_PER_MICRO);
  }
  printf("]");
}

static double per_message(double amount, double messages) { return messages > 0 ? amount / messages : 0; }

bool report_print(const struct run *run, const struct snapshot *from, const struct snapshot *to) {
  const struct options *o = &run->options;
  struct arrivals arrivals = arrivals_sum(run);
  uint64_t unacked = run->sent - run->acked;
  double seconds = (double)(to->at - from->at) / NANOS_PER_SECOND;
  double acked = (double)(to->acked - from->acked);
  double received = (double)(to->received - from->received);
  // A message counts once, however many subscribers it goes to.
  double messages = o->subscribers > 0 ? received / o->subscribers : acked;
  double server_cpu = (double)(to->server_cpu - from->server_cpu);
  double generator_cpu = (double)(to->generator_cpu - from->generator_cpu);

  printf("{\"publishers\":%u,\"subscribers\":%u,\"window\":%u,\"size\":%u,\"rate\":%u,\"seconds\":%.3f", o->publishers,
         o->subscribers, o->window, o->size, o->rate, seconds);
  print_count("sent", run->sent);
  print_count("acked", run->acked);
  print_count("received", run->received);
  print_count("unacked", unacked);
  print_count("lost", arrivals.lost);
  print_count("duplicates", arrivals.duplicates);
  print_count("outOfOrder", arrivals.out_of_order);
  print_count("badPayloads", run->bad_payloads);
  print_count("strayAcks", run->stray_acks);
  print_count("stale", run->stale);
  print_count("skipped", run->skipped);
  print_count("disconnected", run->disconnected);
  printf(",\"ackedPerSecond\":%.1f,\"receivedPerSecond\":%.1f", acked / seconds, received / seconds);
  print_histogram("ackMicros", &run->ack);
  print_histogram("endToEndMicros", &run->end_to_end);
  // In the clock of `process.hrtime`, to the µs: a double holds no more.
  printf(",\"measuredFromMicros\":%llu", (unsigned long long)(from->at / 1000));
  if (o->timeline > 0) print_timeline(&run->timeline, seconds);
  printf(",\"serverCpuMicrosPerMessage\":%.3f,\"generatorCpuMicrosPerMessage\":%.3f,\"diskBytesPerMessage\":%.1f}\n",
         per_message(server_cpu / NANOS_PER_MICRO, messages), per_message(generator_cpu / NANOS_PER_MICRO, messages),
         per_message((double)(to->disk - from->disk), messages));

  return unacked + arrivals.lost + arrivals.duplicates + arrivals.out_of_order + run->bad_payloads + run->stray_acks +
             run->skipped + run->disconnected == 0;
}

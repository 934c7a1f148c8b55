// Load generator: MQTT 3.1.1 over plain TCP, one thread, one epoll loop. Publishers send at QoS 1, subscribers
// acknowledge; order, gaps, duplicates and every byte of every payload are checked.
//
// Phases: connect, warm up, measure, drain. Rates and processor time are those between the two edges of `measure`;
// latencies are those of the messages sent in it, also when they arrive while draining.
//
// It must never be what limits a measurement: no allocation, no system call and no clock reading per message.
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "load/clock.h"
#include "load/payload.h"
#include "load/report.h"
#include "load/run.h"

#define EVENTS_MAX 512
#define WAIT_MS 5 // how late the end of a phase may be seen
#define PACE_NANOS_MIN 100000ull

// Wakes the loop for every message that is due, or for several at rates the timer cannot follow.
static int pace_open(struct run *run) {
  if (run->options.rate == 0) return -1;
  uint64_t nanos = NANOS_PER_SECOND / run->options.rate;
  if (nanos < PACE_NANOS_MIN) nanos = PACE_NANOS_MIN;
  struct timespec interval = {(time_t)(nanos / NANOS_PER_SECOND), (long)(nanos % NANOS_PER_SECOND)};
  struct itimerspec timer = {.it_interval = interval, .it_value = interval};
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
  int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  if (fd < 0 || timerfd_settime(fd, 0, &timer, NULL) != 0) fail(EXIT_UNABLE, "no timer for --rate");
  epoll_ctl(run->epoll, EPOLL_CTL_ADD, fd, &event);
  return fd;
}

static void pace(struct run *run, int timer, uint64_t from) {
  uint64_t expirations;
  if (read(timer, &expirations, sizeof expirations) < 0 || !run->sending) return;
  uint64_t due = (uint64_t)((double)(clock_now() - from) / NANOS_PER_SECOND * run->options.rate);
  while (run->sent + run->skipped < due) publisher_send_paced(run);
}

struct loop {
  struct run *run;
  int timer;
  uint64_t paced_from;
};

static void loop_step(struct loop *loop) {
  struct run *run = loop->run;
  struct epoll_event events[EVENTS_MAX];
  int count = epoll_wait(run->epoll, events, EVENTS_MAX, WAIT_MS);
  for (int i = 0; i < count; i++) {
    struct connection *connection = events[i].data.ptr;
    if (connection == NULL) pace(run, loop->timer, loop->paced_from);
    else client_ready(run, connection);
  }
  if (run->held_back) publishers_fill(run);
}

// Nothing measured after a lost connection means anything: it ends a phase.
static void loop_until(struct loop *loop, double seconds) {
  const struct run *run = loop->run;
  uint64_t end = clock_now() + (uint64_t)(seconds * NANOS_PER_SECOND);
  while (clock_now() < end && run->disconnected == 0 && !run_is_complete(run)) loop_step(loop);
}

static void drain(struct loop *loop, double seconds) {
  uint64_t end = clock_now() + (uint64_t)(seconds * NANOS_PER_SECOND);
  while (!run_is_drained(loop->run) && clock_now() < end && loop->run->disconnected == 0) loop_step(loop);
}

// What an earlier run has sent counts as sent, and what arrives of it is not stale.
static void backlog_assume(struct run *run) {
  run->started_at = 0;
  for (uint32_t i = 0; i < run->options.publishers; i++) run->publishers[i].sent = run->limit;
  run->sent = run->acked = (uint64_t)run->limit * run->options.publishers;
}

static void clients_open(struct run *run) {
  const struct options *o = &run->options;
  uint32_t publishing = o->backlog > 0 ? 0 : o->publishers;
  const struct identity *publishers = identities_load(o->publisher_identities, publishing, "publisher");
  const struct identity *subscribers = identities_load(o->subscriber_identities, o->subscribers, "subscriber");
  run->publishers = allocate(o->publishers + 1, sizeof *run->publishers);
  run->subscribers = allocate(o->subscribers + 1, sizeof *run->subscribers);
  run->payload_text = allocate(o->size, 1);
  payload_fill(run->payload_text, o->size);
  run->payload_text += PAYLOAD_HEAD_BYTES;
  if (o->backlog > 0) backlog_assume(run);
  // Subscribers first: what is published before they are there would count as lost.
  for (uint32_t i = 0; i < o->subscribers; i++) subscriber_open(run, i, &subscribers[i]);
  for (uint32_t i = 0; i < publishing; i++) publisher_open(run, i, &publishers[i]);
}

static void clients_close(struct run *run) {
  for (uint32_t i = 0; i < run->options.publishers; i++) client_leave(&run->publishers[i].connection);
  for (uint32_t i = 0; i < run->options.subscribers; i++) client_leave(&run->subscribers[i].connection);
}

int main(int count, char **words) {
  static struct run run;
  run.options = options_parse(count, words);
  uint32_t bound = run.options.messages + run.options.backlog;
  run.limit = bound > 0 ? bound / run.options.publishers : UINT32_MAX;
  run.epoll = epoll_create1(EPOLL_CLOEXEC);
  run.started_at = clock_now();
  run.measured_from = UINT64_MAX;
  clients_open(&run);

  struct loop loop = {.run = &run, .timer = pace_open(&run), .paced_from = clock_now()};
  run.sending = true;
  publishers_fill(&run);
  loop_until(&loop, run.options.warmup);

  struct snapshot from = snapshot_take(&run);
  run.measured_from = run.timeline.from = from.at;
  loop_until(&loop, run.options.secs);
  struct snapshot to = snapshot_take(&run);

  run.sending = false;
  drain(&loop, run.options.drain);
  bool intact = report_print(&run, &from, &to);
  clients_close(&run);
  return intact ? EXIT_INTACT : EXIT_BROKEN;
}

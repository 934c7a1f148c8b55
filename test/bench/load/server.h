// What the server under load uses: processor time of its process, bytes written to disk.
#ifndef LOAD_SERVER_H
#define LOAD_SERVER_H

#include <stdint.h>
#include <sys/types.h>

// User and system time of all threads of a process, ended ones included, in ns; 0 without a pid. This is the sum
// that /proc/PID/stat shows, without its 10 ms ticks.
uint64_t server_cpu_nanos(pid_t pid);

// Bytes written so far, from `/proc/PID/io` (what the process caused) or a block device's `stat` (what arrived, by
// anybody's hand); 0 without a path.
uint64_t server_disk_bytes(const char *path);

#endif

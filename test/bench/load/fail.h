// What the generator cannot go on without: one line on stderr, and out.
#ifndef LOAD_FAIL_H
#define LOAD_FAIL_H

#include <stdlib.h>

enum exit_code { EXIT_INTACT = 0, EXIT_UNABLE = 1, EXIT_USAGE = 2, EXIT_BROKEN = 3 };

_Noreturn void fail(enum exit_code code, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Memory that is there, zeroed: running out of it is not something a measurement survives.
void *allocate(size_t count, size_t bytes);

#endif

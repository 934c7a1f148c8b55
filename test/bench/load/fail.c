#include "fail.h"

#include <stdarg.h>
#include <stdio.h>

_Noreturn void fail(enum exit_code code, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("load: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  exit(code);
}

void *allocate(size_t count, size_t bytes) {
  void *memory = calloc(count, bytes);
  if (memory == NULL) fail(EXIT_UNABLE, "out of memory: %zu x %zu bytes", count, bytes);
  return memory;
}

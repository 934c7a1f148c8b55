#include "identity.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fail.h"

#define IDENTITY_LINE_BYTES_MAX 4096
#define MADE_UP_BYTES_MAX 64

static char *next_field(char **rest, const char *path, size_t line) {
  char *field = strsep(rest, "\t");
  if (field == NULL) fail(EXIT_USAGE, "identities '%s': line %zu has fewer than 4 fields", path, line);
  char *copy = strdup(field);
  if (copy == NULL) fail(EXIT_UNABLE, "out of memory");
  return copy;
}

static void read_file(const char *path, struct identity *identities, size_t count) {
  FILE *file = fopen(path, "r");
  if (file == NULL) fail(EXIT_USAGE, "identities '%s': %s", path, strerror(errno));
  char line[IDENTITY_LINE_BYTES_MAX];
  for (size_t i = 0; i < count; i++) {
    if (fgets(line, sizeof line, file) == NULL) {
      fail(EXIT_USAGE, "identities '%s': %zu lines, expected %zu", path, i, count);
    }
    line[strcspn(line, "\n")] = '\0';
    char *rest = line;
    identities[i].client_id = next_field(&rest, path, i + 1);
    identities[i].username = next_field(&rest, path, i + 1);
    identities[i].password = next_field(&rest, path, i + 1);
    identities[i].topic = next_field(&rest, path, i + 1);
  }
  fclose(file);
}

static char *made_up(const char *format, const char *role, size_t index) {
  char text[MADE_UP_BYTES_MAX];
  snprintf(text, sizeof text, format, role, index);
  char *copy = strdup(text);
  if (copy == NULL) fail(EXIT_UNABLE, "out of memory");
  return copy;
}

struct identity *identities_load(const char *path, size_t count, const char *role) {
  struct identity *identities = allocate(count + 1, sizeof *identities);
  if (path != NULL) {
    read_file(path, identities, count);
    return identities;
  }
  int subscriber = strcmp(role, "subscriber") == 0;
  for (size_t i = 0; i < count; i++) {
    identities[i].client_id = made_up("%s%zu", role, i);
    identities[i].username = "";
    identities[i].password = "";
    identities[i].topic = subscriber ? "bench/+" : made_up("bench/%s%zu", role, i);
  }
  return identities;
}

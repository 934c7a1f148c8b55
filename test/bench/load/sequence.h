// What one subscriber has seen of one publisher. Counts of lost, late and doubled messages stay exact however a
// broker mixes them, because every sequence number has a bit of its own.
#ifndef LOAD_SEQUENCE_H
#define LOAD_SEQUENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fail.h"

#define SEQUENCE_WORD_BITS 64
#define SEQUENCE_WORDS_MIN 64

struct sequence {
  uint32_t next;
  uint32_t distinct;
  uint32_t duplicates;
  uint32_t out_of_order;
  uint64_t *seen;
  size_t words;
};

static inline void sequence_grow(struct sequence *sequence, size_t word) {
  size_t words = sequence->words > 0 ? sequence->words : SEQUENCE_WORDS_MIN;
  while (words <= word) words *= 2;
  uint64_t *seen = allocate(words, sizeof *seen);
  for (size_t i = 0; i < sequence->words; i++) seen[i] = sequence->seen[i];
  free(sequence->seen);
  sequence->seen = seen;
  sequence->words = words;
}

// Whether this is the first arrival of `number`, which must have been sent: what was not is a broken payload,
// and no reason to grow without bound.
static inline bool sequence_take(struct sequence *sequence, uint32_t number) {
  size_t word = number / SEQUENCE_WORD_BITS;
  uint64_t bit = 1ull << (number % SEQUENCE_WORD_BITS);
  if (word >= sequence->words) sequence_grow(sequence, word);
  if ((sequence->seen[word] & bit) != 0) {
    sequence->duplicates++;
    return false;
  }
  sequence->seen[word] |= bit;
  sequence->distinct++;
  if (number < sequence->next) sequence->out_of_order++;
  else sequence->next = number + 1;
  return true;
}

#endif

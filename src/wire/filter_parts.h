#pragma once
/* filter_parts.h - the parts of a filter that its parser is made of. For filter*.c alone. */
#include "wire/filter.h"

/* Steps over `word` and the '.' behind it, if they are next. */
bool filter_take_word(struct reader *reader, const char *word);

/* What stands up to the next '.', ',' or bracket, for messages. */
struct bytes filter_word_here(const struct reader *reader);

/* Whether the word here is an operator (or `not`) and not a name: something must follow it. */
bool filter_operator_is_next(const struct reader *reader);

/* ["not."] operator [modifier] "." into the leaf. */
bool filter_operator_read(struct reader *reader, struct filter_node *leaf);

/* The refusal of `word` at `at`, where an operator was wanted; names the nearest. Returns false. */
bool filter_operator_fail(const struct reader *reader, const char *at, struct bytes word);

/* The value behind the leaf's operator. grouped: it ends at ',' or ')'; else it is all that is left. */
bool filter_value_read(struct reader *reader, struct filter_node *leaf, bool grouped);

#pragma once
/* json_jansson.h - jansson as a second opinion on JSON, for tests and benchmarks.
 *
 * It is loaded at run time, because its names (json_string, JSON_NULL …) are also ours and must not meet at
 * link time. */
#include "base/bytes.h"

/* False when the library is not there. Call it first. */
bool jansson_open(void);

/* Whether jansson accepts the text. *ret_overflow: it refused, but only since a number does not fit its
 * types. */
bool jansson_accepts(struct bytes text, bool refuse_duplicate_keys, bool *ret_overflow);

/* The document written anew with sorted keys, indented by `indent`; NULL when refused. Owner: free() it. */
char *jansson_rewrite(struct bytes text, int indent);

/* Reads the text and frees the document. */
bool jansson_parse(struct bytes text);

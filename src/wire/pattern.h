#pragma once
/* pattern.h - regular expressions that a declared file brings and values from outside are held against:
 * PCRE2, found anywhere in the value unless anchored (as JSON Schema has it), each match bounded in what it
 * may cost. Source: pcre2api(3), pcre2_set_match_limit; JSON Schema Validation 2020-12, 6.3.3. */
#include "base/bytes.h"
#include "base/check.h"
#include "wire/wire_error.h"

#define PATTERN_BYTES_MAX 1000
#define PATTERN_STEPS_MAX 100000 /* of one match; a pattern that wants more is ruinous */

struct pattern; /* immutable: any number of threads may match by one */

/* Errors: false, "pattern" with the place. Owner: the caller's: end with pattern_free(). */
bool pattern_compile(struct bytes text, struct pattern **ret_pattern, struct wire_error *error) MUST_CHECK;
void pattern_free(struct pattern *pattern); /* NULL is harmless */

enum pattern_verdict { PATTERN_FOUND, PATTERN_NOT_FOUND, PATTERN_TOO_COSTLY };
enum pattern_verdict pattern_match(const struct pattern *pattern, struct bytes value);

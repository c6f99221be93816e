#pragma once
/* jsonschema_ecma.h - ECMA-262 regular expressions, checked and rewritten for PCRE2. Private to
 * jsonschema_*.c.
 *
 * The dialect is that of ECMAScript's `u` flag, which JSON Schema asks for: a pattern is made of code points,
 * \d and \w are ASCII, and an escape that means nothing is an error. What is written for PCRE2 means the same
 * there in UTF mode. One pass, no recursion. Source: ECMA-262, 22.2.1; pcre2pattern(3). */
#include "base/text.h"

#define JS_ECMA_GROUPS_MAX 100u /* capturing; and as many inside each other */

/* out: NULL when only asked whether it is one.
 * Errors: false, and *ret_why is a constant sentence. */
bool js_ecma_translate(struct bytes pattern, struct text *out, const char **ret_why) MUST_CHECK;

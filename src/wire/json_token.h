#pragma once
/* json_token.h - the numbers and escapes of RFC 8259, one at a time. Private to the parser, which handles the
 * common ones itself and comes here with the rest. */
#include "wire/json_error.h"

/* What may stand behind a number or a literal. */
extern const bool json_ends_word[256];

/* Checks the number at `offset`. Returns its size, and JSON_NODE_INTEGER or 0 in *ret_flags.
 * Errors: 0, and *ret_fault. */
uint32_t json_number_scan(struct bytes text, uint32_t offset, uint32_t *ret_flags,
                          struct json_fault *ret_fault);

/* Checks the escapes of the string whose content is from..until. Returns JSON_NODE_ESCAPED and JSON_NODE_NUL
 * as they apply. Errors: UINT32_MAX, and *ret_fault. */
uint32_t json_escapes_scan(struct bytes text, uint32_t from, uint32_t until, struct json_fault *ret_fault);

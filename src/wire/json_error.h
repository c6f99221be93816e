#pragma once
/* json_error.h - what json_parse() found wrong, and how it is told. Private to the parser. */
#include "wire/json.h"

struct json_fault {
    const char *code;     /* NULL: none so far */
    size_t offset;        /* where it was found */
    const char *expected; /* what would have been right, for the codes that say so */
    size_t other;         /* the place it belongs to: the opening quote, the first of two keys */
};

/* Puts a fault into words, with line and column. Cost: one walk over the text before it. */
void json_error_tell(struct bytes text, const struct json_limits *limits, const struct json_fault *fault,
                     struct json_error *ret_error);

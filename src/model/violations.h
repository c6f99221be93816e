#pragma once
/* violations.h - what is wrong with a body, from several judges (the catalog, schemas, rules), told once: in
 * the order of the document, each thing once, no more than an answer may hold. */
#include "base/problem.h"
#include "wire/json.h"

#define VIOLATIONS_KEPT_MAX 400 /* from all judges; beyond it they are counted */

struct violation {
    const char *pointer, *code, *message; /* in the arena */
    uint32_t position;                    /* in the document's text */
    uint32_t order;                       /* of being found */
    bool of_rule;                         /* several may have one code */
};
struct violations {
    struct arena *arena;
    struct violation *items;
    int count, room;
    int64_t more; /* not kept */
};

/* Adds one; pointer and message are copied, the code is static. */
void violations_add(struct violations *violations, const char *pointer, const char *code,
                    const char *message);

/* The same of a declared rule, whose code other rules may share. */
void violations_add_rule(struct violations *violations, const char *pointer, const char *code,
                         const char *message);

static inline bool violations_any(const struct violations *violations)
{
    return violations->count > 0 || violations->more > 0;
}

/* Puts them in the order of the document and leaves out what says the same of the same place: the same code
 * or the same words. prefix: how much of each
 * pointer leads to the document. doc: NULL keeps the order in which they were found. */
void violations_order(struct violations *violations, const struct json_doc *doc, size_t prefix);

/* Makes details of them; returns how many there are. */
int64_t violations_tell(struct violations *violations, const struct json_doc *doc);

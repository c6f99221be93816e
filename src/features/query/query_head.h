#pragma once
/* query_head.h - the head of a file of queries/ as it was written. */
#include "base/text.h"
#include "wire/shape.h"

struct head_param {
    struct bytes name, preset, description, min, max, pattern;
    int64_t length_min, length_max;
    struct shape_texts choices;
    bool required;
    const struct yaml_node *node, *schema;
};
struct head_page {
    const struct yaml_node *node;
    struct shape_texts by;
    int64_t limit, max;
    bool unique;
};
struct head_limits {
    int64_t concurrent;
};
struct head {
    const struct yaml_node *node;
    struct bytes route, summary, description, cache_control, fallback, depth_column;
    int access, result, priority;
    uint32_t lock; /* a bit for each of query_lock_names */
    struct head_limits limits;
    bool stream;
    int64_t timeout_ns, depth;
    struct shape_list params, rules;
    struct head_page page;
    const struct yaml_node *requires, *schema;
};
enum { HEAD_CLOSED, HEAD_PUBLIC };
extern const struct shape query_head_shape;

/* ---- query_lock.c ---- */
extern const char *const query_lock_names[];
struct query_locking {
    uint32_t lock;
    struct bytes first; /* statement */
    bool read_only;
    struct diagnostics *diagnostics;
    struct source_place place;
};
/* Whether the locks can stand together, and there. Errors: said in the diagnostics. */
bool query_lock_judge(const struct query_locking *locking);
/* The clause, behind a statement. Errors: false, memory. */
bool query_lock_write(struct text *sql, uint32_t lock);

#pragma once
/* rule_running.h - one run of a rule over one row: values in rule_value.c, paths and loops in rule_walk.c,
 * the machine in rule_run.c. Private to rule_*.c. */
#include "wire/rule_ops.h"

struct rule_state { /* of the loop that is gone through; they do not stand inside each other */
    const struct rule_loop *loop;
    const struct json_doc *doc;
    const struct json_node *at[RULE_STARS_MAX]; /* the element of each level */
    uint32_t index[RULE_STARS_MAX];
    int level; /* that is moved next; -1: over */
    bool begun;
    struct rule_value found; /* of FOLD_SUM, MIN, MAX; NULL: nothing yet */
    uint64_t count;
    bool some_unsent, some_unknown, decided; /* of FOLD_ALL, ANY: an element that decides */
};

struct rule_run {
    const struct rule_program *program;
    const struct rule_input *inputs;
    struct arena *arena;
    struct rule_report *report;
    uint64_t work; /* that is left */
    struct rule_state state;
    struct rule_value stack[RULE_STACK_MAX];
    int top; /* values on the stack */
    bool exhausted;
};

/* Each says what can't be judged, at the value it came by, and returns false. */
bool rule_fault(struct rule_run *run, uint16_t path, const char *code, const char *message);
bool rule_fault_memory(struct rule_run *run);
static inline bool rule_spend(struct rule_run *run, uint64_t work)
{
    if (likely(run->work >= work)) {
        run->work -= work;
        return true;
    }
    run->work = 0;
    return rule_fault(run, RULE_NO_PATH, RULE_FAULT_STEPS, "costs too much to be held against its rules");
}
/* A pointer to a path's value, with the elements that the loop is at; the first `count` of its steps. */
const char *rule_pointer_of(struct rule_run *run, const struct rule_path *path, int count);
bool rule_failure_add(struct rule_run *run, const char *pointer, const char *code, const char *message);

/* ---- rule_value.c ---- */
bool rule_value_read(struct rule_run *run, uint16_t path, const struct json_doc *doc,
                     const struct json_node *node, struct rule_value *ret_value);
static inline bool rule_is_known(const struct rule_value *value)
{
    return value->kind > VALUE_NULL;
}
/* What is not known of two that meet: unsent if either is. */
static inline struct rule_value rule_unknown(const struct rule_value *a, const struct rule_value *b)
{
    const bool unsent = a->kind == VALUE_UNSENT || b->kind == VALUE_UNSENT;
    return (struct rule_value){ .kind = unsent ? VALUE_UNSENT : VALUE_NULL, .path = RULE_NO_PATH };
}
static inline struct rule_value rule_truth(bool truth)
{
    return (struct rule_value){ .kind = VALUE_TRUTH, .truth = truth, .path = RULE_NO_PATH };
}
/* Kinds that an operation has a meaning for; a text may be a number where its field is one. */
bool rule_want_truth(struct rule_run *run, const struct rule_value *value);
bool rule_want_number(struct rule_run *run, struct rule_value *value);
bool rule_want_text(struct rule_run *run, const struct rule_value *value);
/* Both known. texts: of enum rule_code; where a time is asked for and none is there, PostgreSQL may read one
 * (infinity): *ret_judged is false. */
bool rule_value_compare(struct rule_run *run, const struct rule_value *a, const struct rule_value *b,
                        uint8_t texts, bool *ret_judged, int *ret_order);

/* ---- rule_walk.c ---- */
/* The value of a path, on the stack. */
bool rule_push_path(struct rule_run *run, uint16_t path);
/* Begins a loop: at its first element, or at its end with its result on the stack. */
bool rule_loop_begin(struct rule_run *run, uint16_t loop, uint16_t *ret_next);
/* Takes the value of one element and goes to the next, or ends likewise. */
bool rule_loop_fold(struct rule_run *run, uint16_t *ret_next);

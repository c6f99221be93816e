#pragma once
/* jsonschema_run.h - one run of a program over one value. Private to jsonschema_*.c.
 *
 * A run has two moods. Asked for yes or no (`report` NULL), it leaves at the first failure. Asked why,
 * js_say() writes the failure down and the walk goes on. A limit ends both: `refusal` is set, and whatever
 * the walk answers from then on is not looked at. */
#include "wire/jsonschema_program.h"

/* Which members or elements of one value a schema has looked at: for unevaluated… */
struct js_seen {
    uint64_t *bits; /* by index; NULL: the value is no container */
    uint64_t small; /* the bits of up to 64 */
    uint32_t count;
    bool all;
};

/* A resource that the run is inside of: for $dynamicRef. */
struct js_scope {
    const struct js_resource *resource;
    const struct js_scope *outer;
};

/* Where in the instance the run stands. */
struct js_step {
    const struct json_node *key; /* NULL: an element */
    uint32_t index;
};

struct js_failure {
    struct jsonschema_error error;
    const struct json_node *node; /* of the instance */
    const struct js_schema *schema;
    uint32_t level; /* how deep in the instance */
    enum js_keyword keyword;
};
struct js_report {
    struct js_failure *failures;
    uint32_t count, room, max;
    bool more;
};

struct js_run {
    const struct jsonschema *program;
    const struct json_doc *doc;
    struct arena *arena;
    struct js_report *report; /* NULL: yes or no */
    const struct js_scope *scope;
    const char *refusal;
    uint64_t steps_left;
    uint32_t depth_left;
    uint32_t level;                   /* steps in use */
    struct js_step *path;             /* by level; NULL while nobody asks why */
    const struct json_node *streamed; /* an array whose items are judged elsewhere */
    struct bytes pointer_prefix;      /* what stands before every pointer: "/17" of a stream's item */
};

void js_run_init(struct js_run *run, const struct jsonschema *program, const struct json_doc *doc,
                 struct arena *arena);

/* Yes or no, and when no, once more with a report. */
enum jsonschema_verdict js_validate(const struct jsonschema *schema, const struct js_schema *root,
                                    struct js_run *run, const struct json_node *node,
                                    struct jsonschema_report *ret_report);

/* The whole walk. `seen`: NULL when nobody asks what was evaluated. */
bool js_evaluate(struct js_run *run, const struct js_schema *schema, const struct json_node *node,
                 struct js_seen *seen);
bool js_evaluate_in_place(struct js_run *run, const struct js_schema *schema, const struct json_node *node,
                          struct js_seen *seen);
bool js_evaluate_array(struct js_run *run, const struct js_schema *schema, const struct json_node *node,
                       struct js_seen *seen);
bool js_evaluate_object(struct js_run *run, const struct js_schema *schema, const struct json_node *node,
                        struct js_seen *seen);
bool js_evaluate_union(struct js_run *run, const struct js_schema *schema, const struct json_node *node,
                       struct js_seen *seen, bool one);
/* Without a report, whatever the run's mood. */
bool js_holds(struct js_run *run, const struct js_schema *schema, const struct json_node *node,
              struct js_seen *seen);

/* The branch that the discriminating property of `node` names. */
enum js_choice { JS_CHOICE_NONE, JS_CHOICE_ABSENT, JS_CHOICE_UNKNOWN, JS_CHOICE_BRANCH };
enum js_choice js_union_choose(struct js_run *run, const struct js_union *alternatives,
                               const struct json_node *node, const struct js_schema **ret_branch,
                               const struct json_node **ret_value);
/* What a $dynamicRef means here and now. */
const struct js_schema *js_dynamic_target(const struct js_run *run, const struct js_in_place *in_place);

/* After a failure: whether the walk is over. */
static inline bool js_stops(const struct js_run *run)
{
    return !run->report || run->refusal || run->report->more;
}

/* Ends the run with a refusal. Returns false. */
bool js_refuse(struct js_run *run, const char *code);

/* Charges work that is no schema. False when the budget is spent. */
static inline bool js_charge(struct js_run *run, uint64_t steps)
{
    if (likely(run->steps_left >= steps)) {
        run->steps_left -= steps;
        return true;
    }
    return js_refuse(run, JSONSCHEMA_REFUSED_STEPS);
}

/* Marks in `seen`. */
static inline void js_seen_add(struct js_seen *seen, uint32_t index)
{
    if (seen && seen->bits)
        seen->bits[index / 64] |= (uint64_t)1 << index % 64;
}
static inline bool js_seen_has(const struct js_seen *seen, uint32_t index)
{
    return seen->all || (seen->bits[index / 64] >> index % 64 & 1);
}
bool js_seen_init(struct js_run *run, struct js_seen *seen, const struct json_node *node);
void js_seen_merge(struct js_seen *into, const struct js_seen *from);

/* Short names, which most are, are compared as one or two words. `end`: of what may be read behind `name`. */
static inline bool js_is_name(struct bytes name, const char *end, const struct js_name *known)
{
    uint64_t head, tail, known_head, known_tail;
    if (name.size != known->text.size)
        return false;
    if (name.size >= 8 && name.size <= 16) {
        memcpy(&head, name.data, 8);
        memcpy(&tail, name.data + name.size - 8, 8);
        memcpy(&known_head, known->text.data, 8);
        memcpy(&known_tail, known->text.data + name.size - 8, 8);
        return head == known_head && tail == known_tail;
    }
    if (name.size < 8 && likely(end - name.data >= 8)) {
        memcpy(&head, name.data, 8);
        return (head & (((uint64_t)1 << 8 * name.size) - 1)) == known->head;
    }
    return memcmp(name.data, known->text.data, name.size) == 0;
}
/* The name's index among those the rules mention, or UINT32_MAX. `end`: of what may be read behind it. */
uint32_t js_name_find(const struct js_object_rules *rules, struct bytes name, const char *end);

/* --- jsonschema_message.c: what is said --- */

/* Says that `keyword` of `schema` does not hold for `node`, the value the run stands at. Returns whether to
 * go on: false without a report, or when it is full. detail: what the keyword's message needs, or NULL. */
struct js_detail {
    struct bytes name; /* a property */
    uint64_t count;    /* how many there are */
    uint32_t index, other;
    uint32_t types; /* bits of enum json_type, when several were possible */
    const struct js_values *values;
};
bool js_say(struct js_run *run, const struct js_schema *schema, const struct json_node *node,
            enum js_keyword keyword, const struct js_detail *detail);

/* The path of the run as a pointer, `name` appended if it has data. "" when memory lacked. */
const char *js_pointer_here(struct js_run *run, struct bytes name);

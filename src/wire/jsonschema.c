/* The doors: yes or no first, then why; and what every walk begins with. */
#include "wire/jsonschema.h"

#include "wire/jsonschema_run.h"

void js_run_init(struct js_run *run, const struct jsonschema *program, const struct json_doc *doc,
                 struct arena *arena)
{
    const struct jsonschema_limits *limits = &program->limits;
    *run = (struct js_run){ .program = program, .doc = doc, .arena = arena };
    run->depth_left = limits->depth_max;
    run->steps_left = limits->steps_max;
    if (limits->steps_max == JSONSCHEMA_STEPS_PRESET)
        run->steps_left += (uint64_t)doc->nodes_count * JSONSCHEMA_STEPS_A_NODE;
}

bool js_refuse(struct js_run *run, const char *code)
{
    if (!run->refusal)
        run->refusal = code;
    return false;
}

bool js_holds(struct js_run *run, const struct js_schema *schema, const struct json_node *node,
              struct js_seen *seen)
{
    struct js_report *report = run->report;
    run->report = NULL;
    const bool holds = js_evaluate(run, schema, node, seen);
    run->report = report;
    return holds;
}

/* --- what was evaluated --- */

bool js_seen_init(struct js_run *run, struct js_seen *seen, const struct json_node *node)
{
    const uint32_t count = json_count(node);
    *seen = (struct js_seen){ .count = count };
    if (count <= 64) {
        seen->bits = &seen->small;
        return true;
    }
    if (!js_charge(run, count / 64))
        return false;
    seen->bits = ARENA_ARRAY(run->arena, uint64_t, count / 64 + 1);
    return seen->bits || js_refuse(run, JSONSCHEMA_REFUSED_MEMORY);
}

void js_seen_merge(struct js_seen *into, const struct js_seen *from)
{
    into->all |= from->all;
    for (uint32_t i = 0; from->bits && i * 64 < from->count; i++)
        into->bits[i] |= from->bits[i];
}

/* --- the doors --- */

static enum jsonschema_verdict verdict_of(const struct js_run *run, bool holds)
{
    if (unlikely(run->refusal != NULL))
        return JSONSCHEMA_REFUSED;
    return holds ? JSONSCHEMA_VALID : JSONSCHEMA_INVALID;
}

enum jsonschema_verdict jsonschema_test(const struct jsonschema *schema, const struct json_doc *doc,
                                        const struct json_node *node, struct arena *arena)
{
    struct js_run run;
    js_run_init(&run, schema, doc, arena);
    return verdict_of(&run, js_evaluate(&run, schema->root, node, NULL));
}

/* The reported errors, without what only the run needed. */
static const struct jsonschema_error *errors_of(const struct js_report *report, struct arena *arena)
{
    struct jsonschema_error *errors = ARENA_ARRAY(arena, struct jsonschema_error, report->count);
    for (uint32_t i = 0; errors && i < report->count; i++)
        errors[i] = report->failures[i].error;
    return errors;
}

enum jsonschema_verdict js_validate(const struct jsonschema *schema, const struct js_schema *root,
                                    struct js_run *run, const struct json_node *node,
                                    struct jsonschema_report *ret_report)
{
    *ret_report = (struct jsonschema_report){ 0 };
    struct js_run why = *run;
    if (likely(js_evaluate(run, root, node, NULL) && !run->refusal))
        return JSONSCHEMA_VALID;
    ret_report->refusal = run->refusal;
    if (run->refusal)
        return JSONSCHEMA_REFUSED;
    struct js_report report = { .max = schema->limits.errors_max };
    why.report = &report;
    why.path = arena_alloc(why.arena, (JSON_DEPTH_CEILING + 2) * sizeof *why.path);
    if (!why.path)
        js_refuse(&why, JSONSCHEMA_REFUSED_MEMORY);
    else {
        const bool holds = js_evaluate(&why, root, node, NULL);
        check(!holds || why.refusal); /* what failed fails again */
    }
    ret_report->errors = errors_of(&report, why.arena);
    if (!why.refusal && !ret_report->errors)
        js_refuse(&why, JSONSCHEMA_REFUSED_MEMORY);
    /* The answer is known by now: a limit only shortens the list. */
    ret_report->count = ret_report->errors ? report.count : 0;
    ret_report->more = report.more || why.refusal != NULL;
    if (ret_report->count > 0)
        return JSONSCHEMA_INVALID;
    ret_report->refusal = why.refusal;
    return JSONSCHEMA_REFUSED;
}

enum jsonschema_verdict jsonschema_validate(const struct jsonschema *schema, const struct json_doc *doc,
                                            const struct json_node *node, struct arena *arena,
                                            struct jsonschema_report *ret_report)
{
    struct js_run run;
    js_run_init(&run, schema, doc, arena);
    return js_validate(schema, schema->root, &run, node, ret_report);
}

bool jsonschema_has_defaults(const struct jsonschema *schema)
{
    return schema->has_defaults;
}

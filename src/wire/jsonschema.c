/* The doors: yes or no first, then why. */
#include "wire/jsonschema.h"

#include "wire/jsonschema_run.h"

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

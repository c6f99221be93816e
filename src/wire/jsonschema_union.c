/* Keywords that apply other schemas to the same value; and which branch of a union was meant. */
#include "wire/jsonschema_run.h"

const struct js_schema *js_dynamic_target(const struct js_run *run, const struct js_in_place *in_place)
{
    const struct js_schema *target = in_place->dynamic_ref;
    if (in_place->dynamic_name.data)
        for (const struct js_scope *scope = run->scope; scope; scope = scope->outer)
            for (uint32_t i = 0; i < in_place->dynamic_targets_count; i++)
                if (in_place->dynamic_targets[i].resource == scope->resource)
                    target = in_place->dynamic_targets[i].schema;
    return target;
}

/* --- unions --- */

enum js_choice js_union_choose(struct js_run *run, const struct js_union *alternatives,
                               const struct json_node *node, const struct js_schema **ret_branch,
                               const struct json_node **ret_value)
{
    if (!alternatives->property.data || json_type(node) != JSON_OBJECT)
        return JS_CHOICE_NONE;
    const struct json_node *value = json_get(run->doc, node, alternatives->property);
    if (!value)
        return JS_CHOICE_ABSENT;
    *ret_value = value;
    const uint32_t found = js_values_find(run, &alternatives->values, run->doc, value);
    if (found == UINT32_MAX)
        return JS_CHOICE_UNKNOWN;
    *ret_branch = alternatives->branches[alternatives->value_branches[found]];
    return JS_CHOICE_BRANCH;
}

/* How far a branch is from the value. */
struct distance {
    uint32_t level; /* of the failure nearest to the root */
    uint32_t count;
    bool by_type;  /* nothing but the type of this very value */
    bool at_value; /* one failure, of this very value */
};

static struct distance distance_of(const struct js_report *report, const struct js_run *run)
{
    struct distance distance = { UINT32_MAX, report->count, false, false };
    for (uint32_t i = 0; i < report->count; i++)
        if (report->failures[i].level < distance.level)
            distance.level = report->failures[i].level;
    if (report->count == 1 && report->failures[0].level == run->level) {
        distance.at_value = true;
        distance.by_type = report->failures[0].keyword == JS_TYPE;
    }
    return distance;
}

static bool is_nearer(const struct distance *a, const struct distance *b)
{
    if (a->by_type != b->by_type)
        return b->by_type;
    if (a->level != b->level)
        return a->level > b->level;
    return a->count < b->count;
}

/* Runs a branch again, into a report of its own. */
static void report_branch(struct js_run *run, const struct js_schema *branch, const struct json_node *node,
                          struct js_report *report)
{
    struct js_report *outer = run->report;
    *report = (struct js_report){ .max = outer->max };
    run->report = report;
    (void)js_evaluate(run, branch, node, NULL);
    run->report = outer;
}

static void report_append(struct js_run *run, const struct js_report *from)
{
    struct js_report *into = run->report;
    for (uint32_t i = 0; i < from->count; i++) {
        if (into->count == into->max) {
            into->more = true;
            return;
        }
        if (into->count == into->room) {
            const uint32_t room = into->room ? into->room * 2 : 8;
            struct js_failure *failures = arena_grow(run->arena, into->failures,
                                                     into->room * sizeof *failures, room * sizeof *failures);
            if (!failures) {
                js_refuse(run, JSONSCHEMA_REFUSED_MEMORY);
                return;
            }
            into->failures = failures;
            into->room = room;
        }
        into->failures[into->count++] = from->failures[i];
    }
    into->more |= from->more;
}

/* No branch held: says what is wrong with the nearest one. */
static void report_nearest(struct js_run *run, const struct js_schema *schema, const struct json_node *node,
                           bool one)
{
    const struct js_union *alternatives = one ? schema->in_place->one_of : schema->in_place->any_of;
    struct js_report best = { 0 }, report;
    struct distance nearest = { 0 };
    struct js_detail detail = { .count = alternatives->count };
    bool all_by_type = true, all_at_value = true;
    for (uint32_t i = 0; i < alternatives->count && !run->refusal; i++) {
        report_branch(run, alternatives->branches[i], node, &report);
        const struct distance distance = distance_of(&report, run);
        all_by_type &= distance.by_type;
        all_at_value &= distance.at_value;
        if (distance.by_type) {
            const struct js_schema *failed = report.failures[0].schema;
            detail.types |= failed->types;
            detail.index |= failed->integer;
        }
        if (i == 0 || is_nearer(&distance, &nearest)) {
            best = report;
            nearest = distance;
        }
    }
    if (run->refusal)
        return;
    if (alternatives->count > 1 && all_by_type)
        js_say(run, schema, node, JS_TYPE, &detail);
    else if (alternatives->count > 1 && all_at_value)
        js_say(run, schema, node, one ? JS_ONE_OF : JS_ANY_OF, &detail);
    else
        report_append(run, &best);
}

static bool evaluate_chosen(struct js_run *run, const struct js_schema *schema, const struct json_node *node,
                            struct js_seen *seen, const struct js_union *alternatives)
{
    const struct js_schema *branch = NULL;
    const struct json_node *value = NULL;
    switch (js_union_choose(run, alternatives, node, &branch, &value)) {
    case JS_CHOICE_BRANCH:
        return js_evaluate(run, branch, node, seen);
    case JS_CHOICE_ABSENT: {
        const struct js_detail detail = { .name = alternatives->property };
        js_say(run, schema, node, JS_REQUIRED, &detail);
        return false;
    }
    default: {
        if (run->path)
            run->path[run->level] = (struct js_step){ value ? json_key(value) : NULL, 0 };
        run->level++;
        const struct js_detail detail = { .values = &alternatives->values };
        js_say(run, schema, value ? value : node, JS_DISCRIMINATOR, &detail);
        run->level--;
        return false;
    }
    }
}

/* The branches one by one. Returns how many hold; two are told apart from one only where `one` asks. */
static uint32_t count_holding(struct js_run *run, const struct js_union *alternatives,
                              const struct json_node *node, struct js_seen *seen, struct js_detail *detail,
                              bool one)
{
    uint32_t holding = 0;
    for (uint32_t i = 0; i < alternatives->count; i++) {
        struct js_seen own;
        if (seen && seen->bits && !js_seen_init(run, &own, node))
            return 0;
        const bool tracks = seen && seen->bits;
        if (!js_holds(run, alternatives->branches[i], node, tracks ? &own : NULL)) {
            if (run->refusal)
                return 0;
            continue;
        }
        if (tracks)
            js_seen_merge(seen, &own);
        if (holding++ == 0)
            detail->index = i;
        else
            detail->other = i;
        if (one ? holding == 2 : !tracks)
            break;
    }
    return holding;
}

bool js_evaluate_union(struct js_run *run, const struct js_schema *schema, const struct json_node *node,
                       struct js_seen *seen, bool one)
{
    const struct js_union *alternatives = one ? schema->in_place->one_of : schema->in_place->any_of;
    if (alternatives->property.data && json_type(node) == JSON_OBJECT)
        return evaluate_chosen(run, schema, node, seen, alternatives);
    struct js_detail detail = { 0 };
    const uint32_t holding = count_holding(run, alternatives, node, seen, &detail, one);
    if (run->refusal)
        return false;
    if (holding == 1 || (holding > 1 && !one))
        return true;
    if (holding == 0) {
        if (run->report)
            report_nearest(run, schema, node, one);
        return false;
    }
    detail.count = 0;
    js_say(run, schema, node, JS_ONE_OF, &detail);
    return false;
}

/* --- if, then, else --- */

static bool evaluate_if(struct js_run *run, const struct js_in_place *in_place, const struct json_node *node,
                        struct js_seen *seen)
{
    struct js_seen own;
    const bool tracks = seen && seen->bits;
    if (!tracks && !in_place->then && !in_place->else_)
        return true;
    if (tracks && !js_seen_init(run, &own, node))
        return false;
    const bool holds = js_holds(run, in_place->if_, node, tracks ? &own : NULL);
    if (run->refusal)
        return false;
    if (holds && tracks)
        js_seen_merge(seen, &own);
    const struct js_schema *side = holds ? in_place->then : in_place->else_;
    return !side || js_evaluate(run, side, node, seen);
}

bool js_evaluate_in_place(struct js_run *run, const struct js_schema *schema, const struct json_node *node,
                          struct js_seen *seen)
{
    const struct js_in_place *in_place = schema->in_place;
    bool holds = true;
    if (in_place->ref && !js_evaluate(run, in_place->ref, node, seen))
        if (holds = false, js_stops(run))
            return false;
    if (in_place->dynamic_ref && !js_evaluate(run, js_dynamic_target(run, in_place), node, seen))
        if (holds = false, js_stops(run))
            return false;
    for (uint32_t i = 0; i < in_place->all_of_count; i++)
        if (!js_evaluate(run, in_place->all_of[i], node, seen))
            if (holds = false, js_stops(run))
                return false;
    if (in_place->any_of && !js_evaluate_union(run, schema, node, seen, false))
        if (holds = false, js_stops(run))
            return false;
    if (in_place->one_of && !js_evaluate_union(run, schema, node, seen, true))
        if (holds = false, js_stops(run))
            return false;
    if (in_place->not &&js_holds(run, in_place->not, node, NULL)) {
        holds = false;
        if (!js_say(run, schema, node, JS_NOT, NULL))
            return false;
    }
    if (run->refusal)
        return false;
    if (in_place->if_ && !evaluate_if(run, in_place, node, seen))
        return false;
    return holds;
}

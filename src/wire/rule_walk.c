/* Paths of a rule through the values, and loops over elements. */
#include "wire/rule_running.h"

/* ---- walking ---- */

static bool misled(struct rule_run *run, const struct rule_path *path, int count, const char *message)
{
    const char *pointer = rule_pointer_of(run, path, count);
    (void)rule_failure_add(run, pointer ? pointer : "", RULE_FAULT_TYPE, message);
    return false;
}

/* From the step `from` up to `until`. NULL in *node: nothing is there. */
static bool walk(struct rule_run *run, const struct rule_path *path, int from, int until,
                 const struct json_doc *doc, const struct json_node **node)
{
    for (int i = from; i < until && *node; i++) {
        const struct rule_step *step = &run->program->steps[path->first + i];
        if (json_is_null(*node)) {
            *node = NULL;
            return true;
        }
        if (step->kind == STEP_NAME) {
            if (json_type(*node) != JSON_OBJECT)
                return misled(run, path, i, "must be an object, for a rule to look into it");
            if (!rule_spend(run, json_count(*node)))
                return false;
            *node = json_get(doc, *node, step->name);
            continue;
        }
        if (json_type(*node) != JSON_ARRAY)
            return misled(run, path, i, "must be a list, for a rule to look into it");
        if (step->index >= json_count(*node)) {
            *node = NULL;
            return true;
        }
        if (!rule_spend(run, step->index))
            return false;
        *node = json_first(*node);
        for (uint32_t k = 0; k < step->index; k++)
            *node = json_next(*node);
    }
    return true;
}

static struct rule_value *push(struct rule_run *run)
{
    check(run->top < RULE_STACK_MAX);
    return &run->stack[run->top++];
}

bool rule_push_path(struct rule_run *run, uint16_t index)
{
    const struct rule_path *path = &run->program->paths[index];
    const struct rule_input *input = &run->inputs[path->field];
    const struct json_node *node = path->stars ? run->state.at[path->stars - 1] : input->node;
    struct rule_value *value = push(run);
    if (input->unsent) {
        *value = (struct rule_value){ .kind = VALUE_UNSENT, .path = index };
        return true;
    }
    return walk(run, path, path->behind, path->count, input->doc, &node) &&
           rule_value_read(run, index, input->doc, node, value);
}

/* ---- loops ---- */

static bool loop_end(struct rule_run *run, bool unsent, uint16_t *ret_next)
{
    const struct rule_state *state = &run->state;
    struct rule_value *value = push(run);
    *ret_next = state->loop->end;
    *value = (struct rule_value){ .kind = VALUE_NULL, .path = RULE_NO_PATH };
    if (unsent)
        value->kind = VALUE_UNSENT;
    else if (!state->begun)
        return true; /* no list at all: null */
    else if (state->loop->fold == FOLD_ALL || state->loop->fold == FOLD_ANY) {
        if (state->decided || !(state->some_unknown || state->some_unsent))
            *value = rule_truth(state->decided == (state->loop->fold == FOLD_ANY));
        else if (state->some_unsent)
            value->kind = VALUE_UNSENT;
    } else if (state->some_unsent) {
        value->kind = VALUE_UNSENT;
    } else if (state->loop->fold == FOLD_COUNT) {
        value->kind = VALUE_NUMBER;
        value->number = (struct rule_number){ (__int128)state->count, 1, 0 };
    } else if (rule_is_known(&state->found)) {
        *value = state->found;
        if (state->loop->fold == FOLD_SUM)
            value->path = RULE_NO_PATH;
    } else if (state->loop->fold == FOLD_SUM) {
        value->kind = VALUE_NUMBER; /* nothing adds up to nothing */
        value->number = (struct rule_number){ 0, 1, 0 };
    }
    return true;
}

/* The list that the elements of one level are in. */
static bool open_level(struct rule_run *run, int level, const struct json_node **node)
{
    const struct rule_loop *loop = run->state.loop;
    const struct rule_path *path = &run->program->paths[loop->path];
    const int from = level ? loop->stars[level - 1] + 1 : 0;
    if (!walk(run, path, from, loop->stars[level], run->state.doc, node))
        return false;
    if (!*node || json_is_null(*node)) {
        *node = NULL;
        return true;
    }
    return json_type(*node) == JSON_ARRAY ||
           misled(run, path, loop->stars[level], "must be a list, for a rule to look into it");
}

/* To the next element of the innermost level: state->level says whether there is one. */
static bool advance(struct rule_run *run)
{
    struct rule_state *state = &run->state;
    while (state->level >= 0) {
        const int level = state->level;
        if (!rule_spend(run, 1))
            return false;
        if (!state->at[level]) {
            if (--state->level >= 0) {
                state->at[level - 1] = json_next(state->at[level - 1]);
                state->index[level - 1]++;
            }
            continue;
        }
        if (level + 1 == state->loop->levels)
            return true;
        const struct json_node *inner = state->at[level];
        if (!open_level(run, level + 1, &inner))
            return false;
        state->at[level + 1] = inner ? json_first(inner) : NULL;
        state->index[level + 1] = 0;
        state->level++;
    }
    return true;
}

bool rule_loop_begin(struct rule_run *run, uint16_t index, uint16_t *ret_next)
{
    struct rule_state *state = &run->state;
    const struct rule_loop *loop = &run->program->loops[index];
    const struct rule_input *input = &run->inputs[run->program->paths[loop->path].field];
    const struct json_node *list = input->node;
    *state = (struct rule_state){ .loop = loop, .doc = input->doc };
    if (input->unsent)
        return loop_end(run, true, ret_next);
    if (!open_level(run, 0, &list))
        return false;
    if (!list)
        return loop_end(run, false, ret_next);
    state->begun = true;
    state->at[0] = json_first(list);
    if (!advance(run))
        return false;
    *ret_next = loop->begin;
    return state->level >= 0 || loop_end(run, false, ret_next);
}

static bool fold_number(struct rule_run *run, struct rule_value *value)
{
    struct rule_state *state = &run->state;
    if (!rule_want_number(run, value))
        return false;
    if (!rule_is_known(&state->found)) {
        state->found = *value;
        return true;
    }
    return rule_number_add(&state->found.number, &value->number, &state->found.number) ||
           rule_fault(run, value->path, RULE_FAULT_NUMBER,
                      "makes the sum longer than a rule calculates exactly");
}

static bool fold_extreme(struct rule_run *run, const struct rule_value *value)
{
    struct rule_state *state = &run->state;
    int order;
    bool judged;
    if (!rule_is_known(&state->found)) {
        state->found = *value;
        return true;
    }
    if (!rule_value_compare(run, value, &state->found, 0, &judged, &order))
        return false;
    if (state->loop->fold == FOLD_MIN ? order < 0 : order > 0)
        state->found = *value;
    return true;
}

/* all(…) that is the whole rule tells each element; else the first one decides. */
static bool fold_truth(struct rule_run *run, const struct rule_value *value)
{
    struct rule_state *state = &run->state;
    if (!rule_want_truth(run, value))
        return false;
    if (value->truth != (state->loop->fold == FOLD_ANY))
        return true;
    state->decided = true;
    if (!state->loop->tells) {
        state->level = -1;
        return true;
    }
    const struct rule_path *path = &run->program->paths[state->loop->first_path];
    const char *pointer = rule_pointer_of(run, path, path->count);
    return pointer ? rule_failure_add(run, pointer, NULL, NULL) : rule_fault_memory(run);
}

bool rule_loop_fold(struct rule_run *run, uint16_t *ret_next)
{
    struct rule_state *state = &run->state;
    struct rule_value *value = &run->stack[--run->top];
    bool folded = true;
    state->some_unsent |= value->kind == VALUE_UNSENT;
    state->some_unknown |= value->kind == VALUE_NULL;
    if (rule_is_known(value)) {
        state->count++;
        if (state->loop->fold == FOLD_SUM)
            folded = fold_number(run, value);
        else if (state->loop->fold == FOLD_MIN || state->loop->fold == FOLD_MAX)
            folded = fold_extreme(run, value);
        else if (state->loop->fold != FOLD_COUNT)
            folded = fold_truth(run, value);
    }
    if (!folded)
        return false;
    if (state->level >= 0) {
        state->at[state->level] = json_next(state->at[state->level]);
        state->index[state->level]++;
        if (!advance(run))
            return false;
    }
    *ret_next = state->loop->begin;
    return state->level >= 0 || loop_end(run, false, ret_next);
}

/* The machine. Every operation takes what it needs from the stack; a fault ends the run. */
#include "wire/jsonschema_program.h"
#include "wire/rule_running.h"
#include "wire/rule_text.h"

/* ---- saying ---- */

bool rule_fault_memory(struct rule_run *run)
{
    run->exhausted = true;
    return false;
}

bool rule_failure_add(struct rule_run *run, const char *pointer, const char *code, const char *message)
{
    struct rule_report *report = run->report;
    if (report->count == RULE_FAILURES_MAX) {
        report->more = true;
        return true;
    }
    if (!(report->count & (report->count - 1))) {
        const size_t size = sizeof *report->failures, room = report->count ? 2 * (size_t)report->count : 1;
        struct rule_failure *failures =
            arena_grow(run->arena, report->failures, report->count * size, room * size);
        if (!failures)
            return rule_fault_memory(run);
        report->failures = failures;
    }
    report->failures[report->count++] = (struct rule_failure){ pointer, code, message };
    return true;
}

const char *rule_pointer_of(struct rule_run *run, const struct rule_path *path, int count)
{
    struct text pointer;
    int level = 0;
    text_init(&pointer, run->arena, 64);
    json_pointer_append(&pointer, path->name);
    for (int i = 0; i < count; i++) {
        const struct rule_step *step = &run->program->steps[path->first + i];
        if (step->kind == STEP_NAME)
            json_pointer_append(&pointer, step->name);
        else
            json_pointer_append_index(&pointer,
                                      step->kind == STEP_STAR ? run->state.index[level++] : step->index);
    }
    return text_z(&pointer);
}

bool rule_fault(struct rule_run *run, uint16_t index, const char *code, const char *message)
{
    const struct rule_path *path = index == RULE_NO_PATH ? NULL : &run->program->paths[index];
    const char *pointer = path ? rule_pointer_of(run, path, path->count) : run->program->pointer;
    if (pointer)
        (void)rule_failure_add(run, pointer, code, message);
    else
        run->exhausted = true;
    return false;
}

/* ---- calculating ---- */

static bool calculate(struct rule_run *run, enum rule_code code)
{
    struct rule_value *a = &run->stack[run->top - 2], *b = &run->stack[run->top - 1];
    struct rule_number result, other;
    bool made;
    run->top--;
    if (!rule_want_number(run, a) || !rule_want_number(run, b))
        return false;
    if (!rule_is_known(a) || !rule_is_known(b)) {
        *a = rule_unknown(a, b);
        return true;
    }
    const uint16_t path = b->path != RULE_NO_PATH ? b->path : a->path;
    if (code == OP_DIVIDE && b->number.top == 0)
        return rule_fault(run, b->path, RULE_FAULT_NUMBER,
                          b->path != RULE_NO_PATH ? "is 0, and a rule divides by it"
                                                  : "belongs to a rule that divides by 0");
    if (code == OP_SUBTRACT) {
        other = b->number;
        other.top = -other.top;
        made = rule_number_add(&a->number, &other, &result);
    } else if (code == OP_ADD) {
        made = rule_number_add(&a->number, &b->number, &result);
    } else if (code == OP_MULTIPLY) {
        made = rule_number_multiply(&a->number, &b->number, &result);
    } else {
        made = rule_number_divide(&a->number, &b->number, &result);
    }
    if (!made)
        return rule_fault(run, path, RULE_FAULT_NUMBER,
                          "needs more digits than a rule calculates with exactly");
    *a = (struct rule_value){ .kind = VALUE_NUMBER, .path = RULE_NO_PATH, .number = result };
    return true;
}

static bool negate(struct rule_run *run)
{
    struct rule_value *value = &run->stack[run->top - 1];
    if (!rule_want_number(run, value))
        return false;
    if (rule_is_known(value))
        value->number.top = -value->number.top;
    return true;
}

/* ---- comparing ---- */

static bool holds(enum rule_code code, int order)
{
    switch (code) {
    case OP_EQUAL:
        return order == 0;
    case OP_UNEQUAL:
        return order != 0;
    case OP_LESS:
        return order < 0;
    case OP_AT_MOST:
        return order <= 0;
    case OP_GREATER:
        return order > 0;
    default:
        return order >= 0;
    }
}

static bool compared(struct rule_run *run, struct rule_op op, const struct rule_value *a,
                     const struct rule_value *b, struct rule_value *ret_value)
{
    bool judged;
    int order;
    if (!rule_is_known(a) || !rule_is_known(b)) {
        *ret_value = rule_unknown(a, b);
        return true;
    }
    if (op.code >= OP_LESS && (a->kind == VALUE_TRUTH || b->kind == VALUE_TRUTH))
        return rule_fault(run, a->kind == VALUE_TRUTH ? a->path : b->path, RULE_FAULT_TYPE,
                          "must have an order, for a rule to compare it");
    if (!rule_value_compare(run, a, b, op.flag, &judged, &order))
        return false;
    *ret_value = judged ? rule_truth(holds(op.code, order))
                        : (struct rule_value){ .kind = VALUE_UNSENT, .path = RULE_NO_PATH };
    return true;
}

static struct rule_value both(const struct rule_value *a, const struct rule_value *b)
{
    if ((a->kind == VALUE_TRUTH && !a->truth) || (b->kind == VALUE_TRUTH && !b->truth))
        return rule_truth(false);
    return a->kind == VALUE_TRUTH && b->kind == VALUE_TRUTH ? rule_truth(true) : rule_unknown(a, b);
}

static struct rule_value either(const struct rule_value *a, const struct rule_value *b)
{
    if ((a->kind == VALUE_TRUTH && a->truth) || (b->kind == VALUE_TRUTH && b->truth))
        return rule_truth(true);
    return a->kind == VALUE_TRUTH && b->kind == VALUE_TRUTH ? rule_truth(false) : rule_unknown(a, b);
}

static bool compare(struct rule_run *run, struct rule_op op)
{
    struct rule_value *a = &run->stack[run->top - 2], result;
    if (!compared(run, op, a, &run->stack[run->top - 1], &result))
        return false;
    run->top--;
    *a = result;
    return true;
}

static bool between(struct rule_run *run, struct rule_op op)
{
    struct rule_value *value = &run->stack[run->top - 3], least, most;
    if (!compared(run, (struct rule_op){ OP_AT_LEAST, op.flag, 0 }, value, value + 1, &least) ||
        !compared(run, (struct rule_op){ OP_AT_MOST, op.flag, 0 }, value, value + 2, &most))
        return false;
    run->top -= 2;
    *value = both(&least, &most);
    return true;
}

/* value, found so far, item -> value, found */
static bool in_step(struct rule_run *run, struct rule_op op)
{
    struct rule_value *item = &run->stack[--run->top], *found = item - 1, equal;
    if (found->kind == VALUE_TRUTH && found->truth)
        return true;
    if (!compared(run, (struct rule_op){ OP_EQUAL, op.flag, 0 }, item - 2, item, &equal))
        return false;
    *found = either(found, &equal);
    return true;
}

/* ---- truths ---- */

static bool junction(struct rule_run *run, enum rule_code code)
{
    struct rule_value *a = &run->stack[run->top - 2], *b = &run->stack[run->top - 1];
    run->top--;
    if (!rule_want_truth(run, a) || !rule_want_truth(run, b))
        return false;
    *a = code == OP_AND ? both(a, b) : either(a, b);
    return true;
}

static bool is(struct rule_run *run, struct rule_op op)
{
    struct rule_value *value = &run->stack[run->top - 1];
    if (value->kind == VALUE_UNSENT || (op.code != OP_IS_NULL && !rule_want_truth(run, value)))
        return value->kind == VALUE_UNSENT;
    const bool state = op.code == OP_IS_NULL
                           ? value->kind == VALUE_NULL
                           : value->kind == VALUE_TRUTH && value->truth == (op.code == OP_IS_TRUE);
    *value = rule_truth(state != op.flag);
    return true;
}

static bool not(struct rule_run * run)
{
    struct rule_value *value = &run->stack[run->top - 1];
    if (!rule_want_truth(run, value))
        return false;
    value->truth = !value->truth;
    return true;
}

/* ---- texts ---- */

static bool like(struct rule_run *run, struct rule_op op)
{
    struct rule_value *value = &run->stack[run->top - 1];
    const struct rule_value *pattern = &run->program->constants[op.operand];
    if (!rule_want_text(run, value) || !rule_is_known(value))
        return !rule_is_known(value);
    const bool fits = rule_like(value->text, pattern->text, &run->work);
    if (!run->work)
        return rule_spend(run, 1);
    *value = rule_truth(fits);
    return true;
}

static bool matches(struct rule_run *run, struct rule_op op)
{
    struct rule_value *value = &run->stack[run->top - 1];
    if (!rule_want_text(run, value) || !rule_is_known(value))
        return !rule_is_known(value);
    if (!rule_spend(run, 1 + value->text.size / 64))
        return false;
    const enum js_match match = js_regex_match(run->program->patterns[op.operand], value->text);
    if (match == JS_MATCH_LIMIT)
        return rule_fault(run, value->path, RULE_FAULT_PATTERN,
                          "holds a text that costs too much to be held against a pattern");
    *value = rule_truth(match == JS_MATCH_YES);
    return true;
}

static bool measure(struct rule_run *run, enum rule_code code)
{
    struct rule_value *value = &run->stack[run->top - 1];
    uint64_t count;
    if (!rule_is_known(value))
        return true;
    if (value->kind == VALUE_LIST)
        count = json_count(value->node);
    else if (code == OP_COUNT)
        return rule_fault(run, value->path, RULE_FAULT_TYPE, "must be a list, for a rule to count it");
    else if (!rule_want_text(run, value) || !rule_spend(run, value->text.size / 64))
        return false;
    else
        count = rule_characters(value->text);
    *value = (struct rule_value){ .kind = VALUE_NUMBER,
                                  .path = RULE_NO_PATH,
                                  .number = { (__int128)count, 1, 0 } };
    return true;
}

/* ---- the machine ---- */

static bool skips(struct rule_run *run, struct rule_op op, bool *ret_skips)
{
    struct rule_value *value = &run->stack[run->top - 1];
    *ret_skips = false;
    if (op.code == OP_NEXT) {
        *ret_skips = value->kind != VALUE_NULL;
        run->top -= !*ret_skips;
        return true;
    }
    if (!rule_want_truth(run, value))
        return false;
    *ret_skips = value->kind == VALUE_TRUTH && value->truth == (op.code == OP_SKIP_TRUE);
    return true;
}

/* Those that take and leave values, and go on behind themselves. */
static bool plain(struct rule_run *run, struct rule_op op)
{
    switch ((enum rule_code)op.code) {
    case OP_ADD:
    case OP_SUBTRACT:
    case OP_MULTIPLY:
    case OP_DIVIDE:
        return calculate(run, op.code);
    case OP_NEGATE:
        return negate(run);
    case OP_BETWEEN:
        return between(run, op);
    case OP_IS_NULL:
    case OP_IS_TRUE:
    case OP_IS_FALSE:
        return is(run, op);
    case OP_NOT:
        return not(run);
    case OP_AND:
    case OP_OR:
        return junction(run, op.code);
    case OP_IN_BEGIN:
        run->stack[run->top++] = rule_truth(false);
        return true;
    case OP_IN_STEP:
        return in_step(run, op);
    case OP_IN_END:
        run->top--;
        run->stack[run->top - 1] = run->stack[run->top];
        return true;
    case OP_LIKE:
        run->top--; /* the pattern, which is a constant */
        return like(run, op);
    case OP_MATCHES:
        return matches(run, op);
    case OP_LENGTH:
    case OP_COUNT:
        return measure(run, op.code);
    case OP_COALESCE:
        return true;
    default:
        return compare(run, op);
    }
}

static bool machine(struct rule_run *run)
{
    const struct rule_program *program = run->program;
    for (uint16_t at = 0; at < program->ops_count;) {
        const struct rule_op op = program->ops[at++];
        bool going = rule_spend(run, 1), skipped = false;
        if (!going)
            return false;
        switch ((enum rule_code)op.code) {
        case OP_CONSTANT:
            run->stack[run->top++] = program->constants[op.operand];
            break;
        case OP_PATH:
            going = rule_push_path(run, op.operand);
            break;
        case OP_EACH:
            going = rule_loop_begin(run, op.operand, &at);
            break;
        case OP_FOLD:
            going = rule_loop_fold(run, &at);
            break;
        case OP_SKIP_FALSE:
        case OP_SKIP_TRUE:
        case OP_NEXT:
            going = skips(run, op, &skipped);
            at = skipped ? op.operand : at;
            break;
        default:
            going = plain(run, op);
        }
        if (!going)
            return false;
    }
    return true;
}

static uint64_t work_of(const struct rule_program *program, const struct rule_input *inputs)
{
    uint64_t nodes = 0;
    for (int i = 0; i < program->fields_count; i++)
        nodes += inputs[program->fields[i]].node ? inputs[program->fields[i]].node->skip : 0;
    return RULE_WORK_PRESET + RULE_WORK_A_NODE * nodes;
}

bool rule_run(const struct rule_program *program, const struct rule_input *inputs, struct arena *arena,
              struct rule_report *ret_report)
{
    struct rule_run run;
    run.program = program;
    run.inputs = inputs;
    run.arena = arena;
    run.report = ret_report;
    run.work = work_of(program, inputs);
    run.top = 0;
    run.exhausted = false;
    *ret_report = (struct rule_report){ 0 };
    if (!machine(&run))
        return !run.exhausted;
    check(run.top == 1);
    const struct rule_value *result = &run.stack[0];
    if (!rule_want_truth(&run, result))
        return !run.exhausted;
    if (result->kind == VALUE_TRUTH && !result->truth && !ret_report->count)
        (void)rule_failure_add(&run, program->pointer, NULL, NULL);
    return !run.exhausted;
}

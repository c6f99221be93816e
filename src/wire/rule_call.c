/* Names in a rule: paths into the fields, and calls. */
#include "wire/rule_compile.h"

/* ---- paths ---- */

static int field_find(struct rule_compiling *compiling, const struct rule_token *name)
{
    const struct rule_fields *known = compiling->known;
    for (size_t i = 0; i < known->count; i++)
        if (name->text.size && bytes_equal(known->items[i].name, name->text))
            return (int)i;
    struct bytes *names = ARENA_ARRAY(compiling->arena, struct bytes, known->count + 1);
    for (size_t i = 0; names && i < known->count; i++)
        names[i] = known->items[i].name;
    const struct bytes near =
        names ? bytes_nearest(name->text, names, known->count) : (struct bytes){ NULL, 0 };
    const struct bytes shown = wire_excerpt(name->text);
    (void)rule_refuse(compiling, name->offset, RULE_ERROR_FIELD, "there is no field '%.*s'%s%.*s%s",
                      BYTES_ARG(shown), near.size ? "; did you mean '" : "", BYTES_ARG(near),
                      near.size ? "'?" : "");
    return -1;
}

static bool field_note(struct rule_compiling *compiling, int field)
{
    struct rule_program *program = compiling->program;
    for (int i = 0; i < program->fields_count; i++)
        if (program->fields[i] == field)
            return true;
    int *fields =
        rule_grown(compiling, program->fields, (uint16_t)program->fields_count, sizeof *program->fields);
    if (!fields)
        return false;
    program->fields = fields;
    fields[program->fields_count++] = field;
    return true;
}

static bool step_add(struct rule_compiling *compiling, struct rule_path *path, struct rule_step step)
{
    struct rule_program *program = compiling->program;
    if (path->count == RULE_STEPS_MAX)
        return rule_refuse(compiling, compiling->token.offset, RULE_ERROR_LIMIT,
                           "a path has at most %d steps", RULE_STEPS_MAX);
    struct rule_step *steps =
        rule_grown(compiling, program->steps, program->steps_count, sizeof *program->steps);
    if (!steps)
        return false;
    program->steps = steps;
    step.name.data = step.name.size ? arena_copy(compiling->arena, step.name) : "";
    steps[program->steps_count++] = step;
    path->count++;
    if (step.kind == STEP_STAR) {
        path->stars++;
        path->behind = path->count;
    }
    if (path->stars > RULE_STARS_MAX)
        return rule_refuse(compiling, compiling->token.offset, RULE_ERROR_LIMIT,
                           "a path has at most %d times [*]", RULE_STARS_MAX);
    return step.name.data ? true : wire_fail_memory(compiling->error);
}

static bool named_step(struct rule_compiling *compiling, struct rule_path *path, enum rule_kind kind)
{
    const struct rule_token token = compiling->token;
    if (token.kind != TOKEN_WORD && token.kind != TOKEN_QUOTED)
        return rule_refuse(compiling, token.offset, RULE_ERROR_SYNTAX, "a name is expected behind the point");
    if (kind == RULE_LIST && path->count == 0)
        return rule_refuse(compiling, token.offset, RULE_ERROR_FIELD,
                           "%.*s is a list: say which element, [0], or every, [*]",
                           BYTES_ARG(wire_excerpt(path->name)));
    return step_add(compiling, path, (struct rule_step){ STEP_NAME, 0, token.text }) &&
           rule_advance(compiling);
}

static bool indexed_step(struct rule_compiling *compiling, struct rule_path *path)
{
    bool star;
    int64_t index = 0;
    if (!rule_accept_sign(compiling, "*", &star))
        return false;
    const struct rule_token token = compiling->token;
    if (!star && (token.kind != TOKEN_NUMBER || !bytes_to_int64(token.text, &index) || index > UINT32_MAX))
        return rule_refuse(compiling, token.offset, RULE_ERROR_SYNTAX, "[0], [1] … or [*] is expected");
    const struct rule_step step = { star ? STEP_STAR : STEP_INDEX, (uint32_t)index, { NULL, 0 } };
    return (star || rule_advance(compiling)) && step_add(compiling, path, step) &&
           rule_expect_sign(compiling, "]");
}

static bool steps_read(struct rule_compiling *compiling, struct rule_path *path)
{
    bool point, bracket;
    const enum rule_kind kind = path->kind;
    for (;;) {
        const size_t offset = compiling->token.offset;
        if (!rule_accept_sign(compiling, ".", &point) ||
            (!point && !rule_accept_sign(compiling, "[", &bracket)))
            return false;
        if (!point && !bracket)
            return true;
        if (kind != RULE_ANY && kind != RULE_LIST)
            return rule_refuse(compiling, offset, RULE_ERROR_FIELD,
                               "nothing is inside %.*s: it is a plain value",
                               BYTES_ARG(wire_excerpt(path->name)));
        path->kind = RULE_ANY;
        if (point ? !named_step(compiling, path, kind) : !indexed_step(compiling, path))
            return false;
    }
}

/* Where in a path its n-th star stands. */
static uint16_t star_of(const struct rule_program *program, const struct rule_path *path, int star)
{
    for (uint16_t i = 0;; i++)
        if (program->steps[path->first + i].kind == STEP_STAR && star-- == 0)
            return i;
}

static bool same_steps(const struct rule_program *program, const struct rule_path *a,
                       const struct rule_path *b, int count)
{
    for (int i = 0; i < count; i++) {
        const struct rule_step *left = &program->steps[a->first + i], *right = &program->steps[b->first + i];
        if (left->kind != right->kind || left->index != right->index || !bytes_equal(left->name, right->name))
            return false;
    }
    return a->field == b->field;
}

/* All that a loop goes over is one list, or lists in its elements. */
static bool loop_join(struct rule_compiling *compiling, uint16_t index, size_t offset)
{
    struct rule_program *program = compiling->program;
    struct rule_loop *loop = compiling->loop;
    const struct rule_path *path = &program->paths[index];
    if (!loop)
        return rule_refuse(compiling, offset, RULE_ERROR_SYNTAX,
                           "[*] stands inside count, sum, min, max, all or any");
    if (loop->path == RULE_NO_PATH) {
        loop->path = loop->first_path = index;
        return true;
    }
    const struct rule_path *other = &program->paths[loop->path];
    const int shared = path->stars < other->stars ? path->stars : other->stars;
    if (star_of(program, path, shared - 1) != star_of(program, other, shared - 1) ||
        !same_steps(program, path, other, star_of(program, path, shared - 1)))
        return rule_refuse(compiling, offset, RULE_ERROR_SYNTAX,
                           "one call goes over one list; this is another than before");
    if (path->stars > other->stars)
        loop->path = index;
    return true;
}

static bool path_read(struct rule_compiling *compiling, const struct rule_token *name,
                      struct rule_operand *operand)
{
    struct rule_program *program = compiling->program;
    const int field = field_find(compiling, name);
    if (field < 0 || !field_note(compiling, field))
        return false;
    struct rule_path path = { .field = field,
                              .name = compiling->known->items[field].name,
                              .first = program->steps_count,
                              .kind = compiling->known->items[field].kind };
    path.name.data = arena_copy(compiling->arena, path.name);
    struct rule_path *paths =
        rule_grown(compiling, program->paths, program->paths_count, sizeof *program->paths);
    if (!paths || !path.name.data || !steps_read(compiling, &path))
        return false;
    program->paths = paths;
    paths[program->paths_count] = path;
    operand->path = program->paths_count++;
    operand->kind = path.kind;
    return (!path.stars || loop_join(compiling, (uint16_t)operand->path, name->offset)) &&
           rule_emit(compiling, (struct rule_op){ OP_PATH, 0, (uint16_t)operand->path }, 1);
}

/* ---- calls ---- */

static bool length_read(struct rule_compiling *compiling, struct rule_operand *operand)
{
    struct rule_operand inner;
    if (!rule_read_expression(compiling, &inner))
        return false;
    if (inner.kind != RULE_LIST && !rule_want(compiling, &inner, RULE_TEXT, "length"))
        return false;
    operand->kind = RULE_NUMBER;
    return rule_emit(compiling, (struct rule_op){ OP_LENGTH, 0, 0 }, 0);
}

#define COALESCE_MAX 32

static bool coalesce_read(struct rule_compiling *compiling, struct rule_operand *operand)
{
    uint16_t jumps[COALESCE_MAX];
    uint8_t count = 0;
    bool more;
    for (;;) {
        struct rule_operand item;
        if (!rule_read_expression(compiling, &item) || !rule_accept_sign(compiling, ",", &more))
            return false;
        const bool known = !item.is_null && item.kind != RULE_ANY;
        if (known && operand->kind != RULE_ANY && operand->kind != item.kind &&
            !rule_comparable(compiling, &(struct rule_operand){ operand->kind, item.offset, -1, -1, false },
                             &item, false))
            return false;
        if (known && operand->kind != RULE_TIME)
            operand->kind = item.kind;
        count++;
        if (!more)
            break;
        if (count == COALESCE_MAX)
            return rule_refuse(compiling, item.offset, RULE_ERROR_LIMIT, "coalesce takes at most %d values",
                               COALESCE_MAX);
        jumps[count - 1] = compiling->program->ops_count;
        if (!rule_emit(compiling, (struct rule_op){ OP_NEXT, 0, 0 }, -1))
            return false;
    }
    for (int i = 0; i + 1 < count; i++)
        compiling->program->ops[jumps[i]].operand = compiling->program->ops_count;
    return rule_emit(compiling, (struct rule_op){ OP_COALESCE, count, 0 }, 0);
}

static bool fold_kind(struct rule_compiling *compiling, const struct rule_loop *loop,
                      const struct rule_operand *inner, const char *name, struct rule_operand *operand)
{
    switch (loop->fold) {
    case FOLD_COUNT:
        operand->kind = RULE_NUMBER;
        return true;
    case FOLD_SUM:
        operand->kind = RULE_NUMBER;
        return rule_want(compiling, inner, RULE_NUMBER, name);
    case FOLD_MIN:
    case FOLD_MAX:
        operand->kind = inner->kind;
        return rule_comparable(compiling, inner, inner, true);
    case FOLD_ALL:
    case FOLD_ANY:
        break;
    }
    operand->kind = RULE_BOOLEAN;
    return rule_want(compiling, inner, RULE_BOOLEAN, name);
}

/* count(lines), without a star: nothing has to be gone over. */
static bool list_count(struct rule_compiling *compiling, const struct rule_loop *loop,
                       const struct rule_operand *inner, struct rule_operand *operand)
{
    struct rule_program *program = compiling->program;
    if (inner->kind != RULE_LIST && inner->kind != RULE_ANY)
        return rule_want(compiling, inner, RULE_LIST, "count");
    program->ops[loop->begin - 1] = program->ops[loop->begin];
    program->ops_count--;
    program->loops_count--;
    operand->kind = RULE_NUMBER;
    return rule_emit(compiling, (struct rule_op){ OP_COUNT, 0, 0 }, 0);
}

static bool loop_add(struct rule_compiling *compiling, enum rule_fold fold, struct rule_loop *ret_loop)
{
    struct rule_program *program = compiling->program;
    struct rule_loop *loops =
        rule_grown(compiling, program->loops, program->loops_count, sizeof *program->loops);
    if (!loops)
        return false;
    program->loops = loops;
    const struct rule_op op = { OP_EACH, 0, program->loops_count++ };
    if (!rule_emit(compiling, op, 0))
        return false;
    *ret_loop = (struct rule_loop){
        .fold = fold, .path = RULE_NO_PATH, .first_path = RULE_NO_PATH, .begin = program->ops_count
    };
    return true;
}

static bool aggregate_read(struct rule_compiling *compiling, enum rule_fold fold,
                           const struct rule_token *name, struct rule_operand *operand)
{
    struct rule_program *program = compiling->program;
    struct rule_operand inner;
    struct rule_loop loop;
    const char *called = arena_copy(compiling->arena, name->text);
    if (compiling->loop)
        return rule_refuse(compiling, name->offset, RULE_ERROR_SYNTAX,
                           "count, sum, min, max, all and any do not stand inside each other");
    if (!called || !loop_add(compiling, fold, &loop))
        return called ? false : wire_fail_memory(compiling->error);
    compiling->loop = &loop;
    const bool read = rule_read_expression(compiling, &inner);
    compiling->loop = NULL;
    if (!read)
        return false;
    if (loop.path == RULE_NO_PATH && fold == FOLD_COUNT && inner.path >= 0)
        return list_count(compiling, &loop, &inner, operand);
    if (loop.path == RULE_NO_PATH)
        return rule_refuse(compiling, name->offset, RULE_ERROR_SYNTAX,
                           "%s goes over a list: %s(NAME[*].inside …)", called, called);
    const struct rule_path *path = &program->paths[loop.path];
    loop.levels = path->stars;
    for (int i = 0; i < loop.levels; i++)
        loop.stars[i] = star_of(program, path, i);
    const uint16_t index = program->ops[loop.begin - 1].operand;
    if (!fold_kind(compiling, &loop, &inner, called, operand) ||
        !rule_emit(compiling, (struct rule_op){ OP_FOLD, 0, index }, 0))
        return false;
    loop.end = program->ops_count;
    program->loops[index] = loop;
    return true;
}

static bool call_read(struct rule_compiling *compiling, const struct rule_token *name,
                      struct rule_operand *operand)
{
    static const char *const folds[] = { "count", "sum", "min", "max", "all", "any" };
    static const struct bytes all[] = { BYTES_INIT("count"),  BYTES_INIT("sum"),     BYTES_INIT("min"),
                                        BYTES_INIT("max"),    BYTES_INIT("all"),     BYTES_INIT("any"),
                                        BYTES_INIT("length"), BYTES_INIT("coalesce") };
    if (rule_is_word(name, "length"))
        return length_read(compiling, operand);
    if (rule_is_word(name, "coalesce"))
        return coalesce_read(compiling, operand);
    for (size_t i = 0; i < array_count(folds); i++)
        if (rule_is_word(name, folds[i]))
            return aggregate_read(compiling, (enum rule_fold)i, name, operand);
    const struct bytes near = bytes_nearest(name->text, all, array_count(all));
    return rule_refuse(compiling, name->offset, RULE_ERROR_SYNTAX, "there is no function %.*s(); %s%.*s%s",
                       BYTES_ARG(wire_excerpt(name->text)),
                       near.size ? "did you mean "
                                 : "length, coalesce, count, sum, min, max, all and any are there",
                       BYTES_ARG(near), near.size ? "()?" : "");
}

bool rule_read_name(struct rule_compiling *compiling, struct rule_operand *ret_operand)
{
    const struct rule_token name = compiling->token;
    bool called = false;
    if (!rule_advance(compiling) || (name.kind == TOKEN_WORD && !rule_accept_sign(compiling, "(", &called)))
        return false;
    if (!called)
        return path_read(compiling, &name, ret_operand);
    return call_read(compiling, &name, ret_operand) && rule_expect_sign(compiling, ")");
}

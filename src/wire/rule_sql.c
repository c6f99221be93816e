/* A rule as a boolean expression of PostgreSQL, for a CHECK: the operations again, over a stack of pieces of
 * text. Whatever could be judged otherwise there is given up: floats that round, divisions, what a session's
 * time zone decides, what is inside JSON. */
#include "wire/rule_ops.h"
#include "wire/rule_text.h"
#include "wire/sqltext.h"

struct piece {
    struct bytes sql;
    const struct rule_value *constant;
    const struct rule_column *column; /* that it is and nothing else */
    enum rule_kind kind;              /* RULE_ANY: null */
};
struct writing {
    struct arena *arena;
    const struct rule_program *program;
    const struct rule_sql *with;
    struct piece stack[RULE_STACK_MAX];
    int top;
    const char *why;
};

static bool give_up(struct writing *writing, const char *why)
{
    writing->why = why;
    return false;
}

/* The pieces above `from` become one. */
static bool put(struct writing *writing, int from, struct text *sql, enum rule_kind kind)
{
    writing->top = from + 1;
    writing->stack[from] = (struct piece){ .sql = text_bytes(sql), .kind = kind };
    return text_ok(sql) || give_up(writing, "is too long");
}

static struct text begun(struct writing *writing)
{
    struct text sql;
    text_init(&sql, writing->arena, 64);
    return sql;
}

/* ---- values ---- */

static bool constant(struct writing *writing, const struct rule_value *value)
{
    struct text sql = begun(writing);
    enum rule_kind kind = RULE_ANY;
    if (value->kind == VALUE_NULL) {
        text_lit(&sql, "NULL");
    } else if (value->kind == VALUE_TRUTH) {
        kind = RULE_BOOLEAN;
        text_add_z(&sql, value->truth ? "true" : "false");
    } else if (value->kind == VALUE_NUMBER) {
        kind = RULE_NUMBER;
        rule_number_write(&sql, &value->number);
    } else {
        kind = RULE_TEXT;
        sqltext_literal(&sql, value->text);
    }
    if (!put(writing, writing->top, &sql, kind))
        return false;
    writing->stack[writing->top - 1].constant = value;
    return true;
}

static bool column(struct writing *writing, const struct rule_path *path)
{
    const struct rule_column *found = &writing->with->columns[path->field];
    if (path->count)
        return give_up(writing, "looks into a value");
    if (!found->sql.data || path->kind == RULE_ANY)
        return give_up(writing, "names a field that is no plain column");
    struct text sql = begun(writing);
    text_add(&sql, found->sql);
    if (!put(writing, writing->top, &sql, path->kind))
        return false;
    writing->stack[writing->top - 1].column = found;
    return true;
}

/* ---- + - * ---- */

static void numeric(struct text *sql, const struct piece *piece)
{
    text_add(sql, piece->sql);
    if (piece->constant || piece->column)
        text_lit(sql, "::numeric");
}

static bool arithmetic(struct writing *writing, enum rule_code code)
{
    static const char *const signs[] = { [OP_ADD] = " + ", [OP_SUBTRACT] = " - ", [OP_MULTIPLY] = " * " };
    const int from = writing->top - (code == OP_NEGATE ? 1 : 2);
    struct text sql = begun(writing);
    if (code == OP_DIVIDE)
        return give_up(writing, "divides, and PostgreSQL rounds the quotient");
    for (int i = from; i < writing->top; i++)
        if (writing->stack[i].column && writing->stack[i].column->inexact)
            return give_up(writing, "calculates with a float, which rounds");
    text_add_z(&sql, code == OP_NEGATE ? "(- " : "(");
    numeric(&sql, &writing->stack[from]);
    if (code != OP_NEGATE) {
        text_add_z(&sql, signs[code]);
        numeric(&sql, &writing->stack[from + 1]);
    }
    text_byte(&sql, ')');
    return put(writing, from, &sql, RULE_NUMBER);
}

/* ---- comparing ---- */

/* A text beside a column that is a time. */
static bool moment(struct writing *writing, struct text *sql, const struct piece *piece,
                   const struct piece *beside)
{
    struct rule_time time;
    if (piece->kind != RULE_TEXT) {
        text_add(sql, piece->sql);
        return true;
    }
    if (!piece->constant || !rule_time_read(piece->constant->text, &time))
        return give_up(writing, "compares a time with a text");
    if (!beside->column || (time.zoned && !beside->column->zoned))
        return give_up(writing, "compares a time that has a time zone with one that has none");
    struct text value = begun(writing);
    text_add(&value, piece->constant->text);
    text_add_z(&value, !beside->column->zoned || time.zoned ? "" : time.day ? " 00:00+00" : "+00");
    sqltext_literal(sql, text_bytes(&value));
    text_add_z(sql, beside->column->zoned ? "::timestamptz" : time.day ? "::date" : "::timestamp");
    return true;
}

static bool times_fit(struct writing *writing, const struct piece *a, const struct piece *b)
{
    const bool both = a->kind == RULE_TIME && b->kind == RULE_TIME;
    if (both && (!a->column || !b->column || a->column->zoned != b->column->zoned))
        return give_up(writing, "compares a time that has a time zone with one that has none");
    return true;
}

static bool compare_write(struct writing *writing, struct text *sql, const struct piece *a, const char *sign,
                          const struct piece *b)
{
    if (a->kind == RULE_TIME || b->kind == RULE_TIME) {
        if (!times_fit(writing, a, b) || !moment(writing, sql, a, b))
            return false;
        text_add_z(sql, sign);
        return moment(writing, sql, b, a);
    }
    text_add(sql, a->sql);
    if (a->kind == RULE_TEXT)
        text_lit(sql, " COLLATE \"C\"");
    text_add_z(sql, sign);
    text_add(sql, b->sql);
    return true;
}

static bool compare(struct writing *writing, enum rule_code code)
{
    static const char *const signs[] = {
        [OP_EQUAL] = " = ",    [OP_UNEQUAL] = " <> ", [OP_LESS] = " < ",
        [OP_AT_MOST] = " <= ", [OP_GREATER] = " > ",  [OP_AT_LEAST] = " >= "
    };
    const int from = writing->top - 2;
    struct text sql = begun(writing);
    text_byte(&sql, '(');
    if (!compare_write(writing, &sql, &writing->stack[from], signs[code], &writing->stack[from + 1]))
        return false;
    text_byte(&sql, ')');
    return put(writing, from, &sql, RULE_BOOLEAN);
}

static bool between(struct writing *writing)
{
    const int from = writing->top - 3;
    const struct piece *value = &writing->stack[from];
    struct text sql = begun(writing);
    text_byte(&sql, '(');
    if (!compare_write(writing, &sql, value, " >= ", value + 1))
        return false;
    text_lit(&sql, " AND ");
    if (!compare_write(writing, &sql, value, " <= ", value + 2))
        return false;
    text_byte(&sql, ')');
    return put(writing, from, &sql, RULE_BOOLEAN);
}

/* value, what there is so far, item */
static bool in_step(struct writing *writing)
{
    const int from = writing->top - 3;
    struct text sql = begun(writing);
    text_add(&sql, writing->stack[from + 1].sql);
    text_add_z(&sql, sql.size ? " OR " : "");
    if (!compare_write(writing, &sql, &writing->stack[from], " = ", &writing->stack[from + 2]))
        return false;
    return put(writing, from + 1, &sql, RULE_BOOLEAN);
}

static bool in_end(struct writing *writing)
{
    const int from = writing->top - 2;
    struct text sql = begun(writing);
    text_byte(&sql, '(');
    text_add(&sql, writing->stack[from + 1].sql);
    text_byte(&sql, ')');
    return put(writing, from, &sql, RULE_BOOLEAN);
}

/* ---- the rest ---- */

static bool wrapped(struct writing *writing, const char *before, const char *after, enum rule_kind kind)
{
    const int from = writing->top - 1;
    struct text sql = begun(writing);
    text_add_z(&sql, before);
    text_add(&sql, writing->stack[from].sql);
    text_add_z(&sql, after);
    return put(writing, from, &sql, kind);
}

static bool junction(struct writing *writing, const char *word)
{
    const int from = writing->top - 2;
    struct text sql = begun(writing);
    text_byte(&sql, '(');
    text_add(&sql, writing->stack[from].sql);
    text_add_z(&sql, word);
    text_add(&sql, writing->stack[from + 1].sql);
    text_byte(&sql, ')');
    return put(writing, from, &sql, RULE_BOOLEAN);
}

static bool like(struct writing *writing)
{
    const int from = writing->top - 2;
    struct text sql = begun(writing);
    if (writing->stack[from].kind != RULE_TEXT)
        return give_up(writing, "holds what is no text against a pattern");
    text_byte(&sql, '(');
    text_add(&sql, writing->stack[from].sql);
    text_lit(&sql, " LIKE ");
    text_add(&sql, writing->stack[from + 1].sql);
    text_byte(&sql, ')');
    return put(writing, from, &sql, RULE_BOOLEAN);
}

static bool matches(struct writing *writing, uint16_t index)
{
    const int from = writing->top - 1;
    struct text sql = begun(writing), pattern = begun(writing);
    if (writing->stack[from].kind != RULE_TEXT)
        return give_up(writing, "holds what is no text against a pattern");
    if (!writing->with->pattern || !writing->with->pattern(&pattern, writing->program->sources[index]))
        return give_up(writing, "has a pattern that PostgreSQL writes otherwise");
    text_byte(&sql, '(');
    text_add(&sql, writing->stack[from].sql);
    text_lit(&sql, " ~ ");
    sqltext_literal(&sql, text_bytes(&pattern));
    text_byte(&sql, ')');
    return put(writing, from, &sql, RULE_BOOLEAN);
}

static bool coalesce(struct writing *writing, int count)
{
    const int from = writing->top - count;
    struct text sql = begun(writing);
    enum rule_kind kind = RULE_ANY;
    for (int i = 0; i < count; i++) {
        const struct piece *piece = &writing->stack[from + i];
        if (piece->kind == RULE_TIME || (kind == RULE_TIME && piece->kind == RULE_TEXT))
            return give_up(writing, "has a time in coalesce()");
        text_add_z(&sql, i ? ", " : "COALESCE(");
        text_add(&sql, piece->sql);
        kind = piece->kind == RULE_ANY ? kind : piece->kind;
    }
    text_byte(&sql, ')');
    return put(writing, from, &sql, kind);
}

static bool step(struct writing *writing, struct rule_op op)
{
    switch ((enum rule_code)op.code) {
    case OP_CONSTANT:
        return constant(writing, &writing->program->constants[op.operand]);
    case OP_PATH:
        return column(writing, &writing->program->paths[op.operand]);
    case OP_ADD:
    case OP_SUBTRACT:
    case OP_MULTIPLY:
    case OP_DIVIDE:
    case OP_NEGATE:
        return arithmetic(writing, op.code);
    case OP_BETWEEN:
        return between(writing);
    case OP_IS_NULL:
        return wrapped(writing, "(", op.flag ? " IS NOT NULL)" : " IS NULL)", RULE_BOOLEAN);
    case OP_IS_TRUE:
        return wrapped(writing, "(", op.flag ? " IS NOT TRUE)" : " IS TRUE)", RULE_BOOLEAN);
    case OP_IS_FALSE:
        return wrapped(writing, "(", op.flag ? " IS NOT FALSE)" : " IS FALSE)", RULE_BOOLEAN);
    case OP_NOT:
        return wrapped(writing, "(NOT ", ")", RULE_BOOLEAN);
    case OP_AND:
        return junction(writing, " AND ");
    case OP_OR:
        return junction(writing, " OR ");
    case OP_SKIP_FALSE:
    case OP_SKIP_TRUE:
    case OP_NEXT: /* SQL finds its own way */
        return true;
    case OP_IN_BEGIN:
        return put(writing, writing->top, &(struct text){ .arena = writing->arena }, RULE_BOOLEAN);
    case OP_IN_STEP:
        return in_step(writing);
    case OP_IN_END:
        return in_end(writing);
    case OP_LIKE:
        return like(writing);
    case OP_MATCHES:
        return matches(writing, op.operand);
    case OP_LENGTH:
        if (writing->stack[writing->top - 1].kind != RULE_TEXT)
            return give_up(writing, "measures what is no text");
        return wrapped(writing, "pg_catalog.char_length(", ")", RULE_NUMBER);
    case OP_COALESCE:
        return coalesce(writing, op.flag);
    case OP_COUNT:
    case OP_EACH:
    case OP_FOLD:
        return give_up(writing, "goes over a list");
    default:
        return compare(writing, op.code);
    }
}

bool rule_sql_write(struct text *out, const struct rule_program *program, const struct rule_sql *sql,
                    const char **ret_why)
{
    struct arena arena;
    struct writing writing = { .arena = &arena, .program = program, .with = sql };
    bool written = true;
    arena_init(&arena, (size_t)4 << 20);
    for (uint16_t i = 0; i < program->ops_count && written; i++) {
        /* coalesce() leaves on this stack what the machine drops as it goes */
        written = writing.top < RULE_STACK_MAX - 1 ? step(&writing, program->ops[i])
                                                   : give_up(&writing, "has too many values at once");
    }
    if (written)
        text_add(out, writing.stack[0].sql);
    *ret_why = writing.why;
    arena_done(&arena);
    return written;
}

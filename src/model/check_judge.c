/* The judge of CHECK rules: certain, or silent. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "model/check.h"
#include "wire/wire_error.h"

enum order { ORDER_UNKNOWN = 2 }; /* else -1, 0, 1 */

static int order_bytes(struct bytes a, struct bytes b)
{
    const int order = bytes_compare(a, b);
    return (order > 0) - (order < 0);
}

/* ---- numbers, exactly ---- */

struct decimal { /* without leading and trailing zeros */
    bool negative;
    struct bytes whole, fraction;
};

/* Digits with an optional point; no exponent, no NaN: those are not worth being certain about. */
static bool decimal_read(struct bytes text, struct decimal *ret_decimal)
{
    struct decimal decimal = { .negative = text.size && text.data[0] == '-' };
    struct bytes rest = bytes_from(text, decimal.negative);
    bool digits = false;
    for (size_t i = 0; i < rest.size; i++) {
        if (rest.data[i] == '.' && i > 0 && bytes_find(bytes_from(rest, i + 1), '.') < 0)
            continue;
        if (rest.data[i] < '0' || rest.data[i] > '9')
            return false;
        digits = true;
    }
    if (!digits)
        return false;
    decimal.whole = bytes_cut(&rest, '.');
    decimal.fraction = rest;
    while (decimal.whole.size && decimal.whole.data[0] == '0')
        decimal.whole = bytes_from(decimal.whole, 1);
    while (decimal.fraction.size && decimal.fraction.data[decimal.fraction.size - 1] == '0')
        decimal.fraction.size--;
    decimal.negative &= decimal.whole.size || decimal.fraction.size;
    *ret_decimal = decimal;
    return true;
}

static int decimal_compare(const struct decimal *a, const struct decimal *b)
{
    if (a->negative != b->negative)
        return a->negative ? -1 : 1;
    int order = (a->whole.size > b->whole.size) - (a->whole.size < b->whole.size);
    if (order == 0)
        order = order_bytes(a->whole, b->whole);
    if (order == 0)
        order = order_bytes(a->fraction, b->fraction);
    return a->negative ? -order : order;
}

/* numeric(p,s) rounds to s digits; PostgreSQL, numeric.c: make_numeric_typmod(). */
static bool numeric_would_round(int32_t typmod, const struct decimal *value)
{
    if (typmod < 4)
        return false;
    const int scale = (((typmod - 4) & 0x7ff) ^ 1024) - 1024;
    return scale < 0 || value->fraction.size > (size_t)scale;
}

/* ---- one comparison ---- */

static const struct pg_type *base_of(const struct pg_type *type)
{
    return type->domain_base ? type->domain_base : type;
}

static bool is_text(const struct pg_type *base)
{
    return base->kind == PG_TYPE_STRING && (base->oid == 25 || base->oid == 1042 || base->oid == 1043);
}

static struct bytes without_padding(const struct pg_type *base, struct bytes text)
{
    while (base->oid == 1042 && text.size && text.data[text.size - 1] == ' ')
        text.size--;
    return text;
}

static int64_t characters(struct bytes text)
{
    int64_t count = 0;
    for (size_t i = 0; i < text.size; i++)
        count += ((unsigned char)text.data[i] & 0xc0) != 0x80;
    return count;
}

/* Whether the column takes the text as it is: varchar(n) and char(n) cut trailing spaces, or refuse. */
static bool text_fits(const struct column *column, struct bytes text)
{
    return column->typmod < 4 || characters(text) <= column->typmod - 4;
}

static int order_doubles(struct bytes value, struct bytes constant)
{
    char left[64], right[64], *left_end, *right_end;
    if (value.size >= sizeof left || constant.size >= sizeof right || !value.size || !constant.size)
        return ORDER_UNKNOWN;
    memcpy(left, value.data, value.size);
    memcpy(right, constant.data, constant.size);
    left[value.size] = right[constant.size] = '\0';
    errno = 0;
    const double a = strtod(left, &left_end), b = strtod(right, &right_end);
    if (*left_end || *right_end || errno || !isfinite(a) || !isfinite(b))
        return ORDER_UNKNOWN;
    return (a > b) - (a < b);
}

static bool is_plain_date(struct bytes text) /* 2024-01-31; bytes order as days do */
{
    if (text.size != 10)
        return false;
    for (size_t i = 0; i < 10; i++)
        if (i == 4 || i == 7 ? text.data[i] != '-' : text.data[i] < '0' || text.data[i] > '9')
            return false;
    return true;
}

static bool truth_read(struct bytes text, bool *ret_truth)
{
    *ret_truth = bytes_is(text, "true") || bytes_is(text, "t");
    return *ret_truth || bytes_is(text, "false") || bytes_is(text, "f");
}

static int order_of(const struct column *column, struct bytes value, struct bytes constant)
{
    const struct pg_type *base = base_of(column->type);
    struct decimal left, right;
    bool left_truth, right_truth;
    switch (base->kind) {
    case PG_TYPE_INTEGER:
    case PG_TYPE_BIGINT:
    case PG_TYPE_NUMERIC:
        if (!decimal_read(value, &left) || !decimal_read(constant, &right))
            return ORDER_UNKNOWN;
        if (base->kind == PG_TYPE_NUMERIC ? numeric_would_round(column->typmod, &left)
                                          : left.fraction.size > 0)
            return ORDER_UNKNOWN;
        return decimal_compare(&left, &right);
    case PG_TYPE_FLOAT:
        return order_doubles(value, constant);
    case PG_TYPE_DATE:
        return is_plain_date(value) && is_plain_date(constant) ? order_bytes(value, constant) : ORDER_UNKNOWN;
    case PG_TYPE_BOOL:
        return truth_read(value, &left_truth) && truth_read(constant, &right_truth) ? left_truth - right_truth
                                                                                    : ORDER_UNKNOWN;
    case PG_TYPE_ENUM: /* equal or not: no more is asked */
        return bytes_equal(value, constant) ? 0 : 1;
    default:
        if (!is_text(base) || column->fuzzy || !text_fits(column, value))
            return ORDER_UNKNOWN;
        return bytes_equal(without_padding(base, value), without_padding(base, constant)) ? 0 : 1;
    }
}

static bool holds(enum check_operator op, int order)
{
    switch (op) {
    case CHECK_LT:
        return order < 0;
    case CHECK_LE:
        return order <= 0;
    case CHECK_GT:
        return order > 0;
    case CHECK_GE:
        return order >= 0;
    case CHECK_EQ:
        return order == 0;
    case CHECK_NE:
        return order != 0;
    }
    return true;
}

bool relation_rewrites(const struct relation *relation, unsigned events)
{
    return (events & CHECK_INSERT && relation->rewrites_inserts) ||
           (events & CHECK_UPDATE && relation->rewrites_updates);
}

bool check_binds(const struct check_rule *rule, unsigned events)
{
    const struct relation *relation = rule->constraint ? rule->constraint->relation : NULL;
    return !relation || !relation_rewrites(relation, events);
}

bool check_refuses(const struct check_rule *rule, const struct column *column, struct bytes value)
{
    if (rule->kind == CHECK_LENGTH) {
        int64_t wanted;
        const struct pg_type *base = base_of(column->type);
        if (!is_text(base) || !bytes_to_int64(rule->constant, &wanted) || !text_fits(column, value))
            return false;
        const int64_t length = characters(without_padding(base, value));
        return !holds(rule->op, (length > wanted) - (length < wanted));
    }
    if (rule->kind == CHECK_COMPARE) {
        const int order = order_of(column, value, rule->constant);
        return order != ORDER_UNKNOWN && !holds(rule->op, order);
    }
    if (rule->kind != CHECK_IN)
        return false;
    for (int i = 0; i < rule->constants_count; i++) {
        const int order = order_of(column, value, rule->constants[i]);
        if (order == 0 || order == ORDER_UNKNOWN)
            return false;
    }
    return true;
}

bool check_refuses_count(const struct check_rule *rule, int64_t elements)
{
    int64_t wanted;
    if (rule->kind != CHECK_ARRAY_LENGTH || !bytes_to_int64(rule->constant, &wanted))
        return false;
    if (elements == 0 && rule->empty_passes)
        return false;
    return !holds(rule->op, (elements > wanted) - (elements < wanted));
}

/* ---- which rules suit which types ---- */

static bool order_suits(const struct check_rule *rule)
{
    return rule->kind == CHECK_IN || rule->op == CHECK_EQ || rule->op == CHECK_NE;
}

static bool constants_are_numbers(const struct check_rule *rule)
{
    struct decimal ignored;
    if (rule->kind == CHECK_COMPARE)
        return decimal_read(rule->constant, &ignored);
    for (int i = 0; i < rule->constants_count; i++)
        if (!decimal_read(rule->constants[i], &ignored))
            return false;
    return true;
}

static bool value_suits(const struct check_finding *finding, const struct pg_type *base)
{
    const struct check_rule *rule = finding->rule;
    switch (base->kind) {
    case PG_TYPE_INTEGER:
    case PG_TYPE_BIGINT: /* a cast to double loses digits of a bigint */
        return !(finding->casts & (CHECK_CAST_TEXT | CHECK_CAST_FLOAT)) && constants_are_numbers(rule);
    case PG_TYPE_NUMERIC: /* a cast to integer rounds */
        return !(finding->casts & ~(unsigned)CHECK_CAST_NUMERIC) && constants_are_numbers(rule);
    case PG_TYPE_FLOAT: /* float4 rounds what is written */
        return base->oid == 701 && !(finding->casts & ~(unsigned)CHECK_CAST_FLOAT) &&
               rule->kind == CHECK_COMPARE;
    case PG_TYPE_DATE:
        return !finding->casts && rule->kind == CHECK_COMPARE && is_plain_date(rule->constant);
    case PG_TYPE_BOOL:
        return !finding->casts && rule->kind == CHECK_COMPARE && order_suits(rule);
    case PG_TYPE_ENUM:
        return !(finding->casts & ~(unsigned)CHECK_CAST_TEXT) && order_suits(rule);
    default: /* which text is less than another is up to a collation; char(n) as text has lost its padding */
        if (base->oid == 1042 && finding->casts)
            return false;
        return is_text(base) && !(finding->casts & ~(unsigned)CHECK_CAST_TEXT) && order_suits(rule);
    }
}

bool check_suits(const struct check_finding *finding, const struct pg_type *type)
{
    const struct pg_type *base = base_of(type);
    int64_t ignored;
    switch (finding->rule->kind) {
    case CHECK_COMPARE:
    case CHECK_IN:
        return value_suits(finding, base);
    case CHECK_LENGTH:
        return is_text(base) && !(finding->casts & ~(unsigned)CHECK_CAST_TEXT) &&
               bytes_to_int64(finding->rule->constant, &ignored);
    case CHECK_ARRAY_LENGTH:
        return base->kind == PG_TYPE_ARRAY && !finding->casts &&
               bytes_to_int64(finding->rule->constant, &ignored);
    default:
        return false;
    }
}

/* ---- words ---- */

static void constants_describe(struct text *text, const struct check_rule *rule)
{
    const size_t start = text->size;
    for (int i = 0; i < rule->constants_count; i++) {
        if (text->size - start + rule->constants[i].size > 120) {
            text_lit(text, ", …");
            return;
        }
        if (i)
            text_lit(text, ", ");
        text_add(text, rule->constants[i]);
    }
}

void check_describe(struct text *text, const struct check_rule *rule)
{
    static const char *const signs[] = {
        [CHECK_LT] = "less than ", [CHECK_LE] = "at most ", [CHECK_GT] = "more than ",
        [CHECK_GE] = "at least ",  [CHECK_EQ] = "",         [CHECK_NE] = "other than "
    };
    if (rule->kind == CHECK_IN) {
        text_lit(text, "must be one of ");
        constants_describe(text, rule);
        return;
    }
    text_add_z(text, rule->kind == CHECK_COMPARE ? "must be " : "must have ");
    text_add_z(text, signs[rule->op]);
    text_add(text, rule->constant.size ? wire_excerpt(rule->constant) : BYTES("\"\""));
    if (rule->kind == CHECK_COMPARE)
        return;
    text_add_z(text, rule->kind == CHECK_LENGTH ? " character" : " element");
    if (!bytes_is(rule->constant, "1"))
        text_byte(text, 's');
}

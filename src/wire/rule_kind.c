/* What is known of values before any is seen: what can never have a meaning is an error of the file. */
#include "wire/rule_compile.h"
#include "wire/rule_text.h"

static const char *kind_name(enum rule_kind kind)
{
    static const char *const names[] = {
        "anything", "a number", "a text", "a time", "true or false", "a list"
    };
    return names[kind];
}

bool rule_want(struct rule_compiling *compiling, const struct rule_operand *operand, enum rule_kind kind,
               const char *what)
{
    if (operand->is_null)
        return rule_refuse(compiling, operand->offset, RULE_ERROR_KIND, "%s of null is never known", what);
    if (operand->kind == kind || operand->kind == RULE_ANY ||
        (kind == RULE_TEXT && operand->kind == RULE_TIME))
        return true;
    return rule_refuse(compiling, operand->offset, RULE_ERROR_KIND, "%s wants %s, and this is %s", what,
                       kind_name(kind), kind_name(operand->kind));
}

static const struct rule_value *constant_of(const struct rule_compiling *compiling,
                                            const struct rule_operand *operand)
{
    return operand->constant < 0 ? NULL : &compiling->program->constants[operand->constant];
}

static bool time_fits(struct rule_compiling *compiling, const struct rule_operand *time,
                      const struct rule_operand *other)
{
    struct rule_time ignored;
    const struct rule_value *constant = constant_of(compiling, other);
    if (time->kind != RULE_TIME || !constant || constant->kind != VALUE_TEXT ||
        rule_time_read(constant->text, &ignored))
        return true;
    return rule_refuse(compiling, other->offset, RULE_ERROR_KIND,
                       "'%.*s' is no time; write 2024-01-31 or 2024-01-31T12:00:00Z",
                       BYTES_ARG(wire_excerpt(constant->text)));
}

bool rule_comparable(struct rule_compiling *compiling, const struct rule_operand *a,
                     const struct rule_operand *b, bool ordered)
{
    const struct rule_operand *const both[] = { a, b };
    for (int i = 0; i < 2; i++) {
        if (both[i]->is_null)
            return rule_refuse(compiling, both[i]->offset, RULE_ERROR_KIND,
                               "a comparison with null is never true; write `is null` or `is not null`");
        if (both[i]->kind == RULE_LIST)
            return rule_refuse(compiling, both[i]->offset, RULE_ERROR_KIND,
                               "a list is not compared; its elements are: all(NAME[*] > 0), count(NAME) > 0");
        if (ordered && both[i]->kind == RULE_BOOLEAN)
            return rule_refuse(compiling, both[i]->offset, RULE_ERROR_KIND,
                               "true and false have no order; compare with = or <>");
    }
    const enum rule_kind left = a->kind == RULE_TIME ? RULE_TEXT : a->kind,
                         right = b->kind == RULE_TIME ? RULE_TEXT : b->kind;
    if (left != right && left != RULE_ANY && right != RULE_ANY)
        return rule_refuse(compiling, b->offset, RULE_ERROR_KIND, "%s is compared with %s",
                           kind_name(a->kind), kind_name(b->kind));
    return time_fits(compiling, a, b) && time_fits(compiling, b, a);
}

uint8_t rule_texts(const struct rule_operand *a, const struct rule_operand *b)
{
    if (a->kind == RULE_TIME || b->kind == RULE_TIME)
        return RULE_TIMED;
    const bool plain = (a->kind == RULE_TEXT && a->constant < 0) || (b->kind == RULE_TEXT && b->constant < 0);
    return plain ? RULE_PLAIN : 0;
}

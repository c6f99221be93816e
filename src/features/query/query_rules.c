/* query_rules.c - what a file asks of a parameter's values beyond their type: ranges, lengths, choices, a
 * pattern. Where there are rules of the same kind for columns (CHECK constraints), those judge. */
#include "features/query/query.h"

#include <math.h>
#include <stdlib.h>

#include "model/check.h"

static const struct pg_type *base_of(const struct pg_type *type)
{
    return type->domain_base ? type->domain_base : type;
}

static bool is_text(const struct pg_type *type)
{
    const struct pg_type *base = base_of(type);
    return base->kind == PG_TYPE_STRING && (base->oid == 25 || base->oid == 1042 || base->oid == 1043);
}

static bool rule_add(struct query_set *set, struct query_param *param, const struct check_rule *wanted,
                     const char *key, struct diagnostics *diagnostics)
{
    struct check_rule *rule = ARENA_NEW(&set->arena, struct check_rule);
    if (!rule)
        return false;
    *rule = *wanted;
    const struct check_finding finding = { .column = param->name, .rule = rule };
    if (!check_suits(&finding, param->type))
        return diagnostics_error(diagnostics, param->place_of, ":%.*s: %s does not suit its type %.*s",
                                 BYTES_ARG(param->name), key, BYTES_ARG(param->type->name));
    const struct check_rule **end = &param->column.checks;
    while (*end)
        end = (const struct check_rule **)&(*end)->next;
    *end = rule;
    return true;
}

static bool bound_add(struct query_set *set, struct query_param *param, struct bytes constant,
                      enum check_operator op, struct diagnostics *diagnostics)
{
    const struct check_rule rule = { .kind = CHECK_COMPARE, .op = op, .constant = constant };
    return !constant.size || rule_add(set, param, &rule, op == CHECK_GE ? "min" : "max", diagnostics);
}

static bool length_add(struct query_set *set, struct query_param *param, int64_t length,
                       enum check_operator op, struct diagnostics *diagnostics)
{
    if (!length)
        return true;
    const char *digits = arena_printf(&set->arena, "%lld", (long long)length);
    const struct check_rule rule = { .kind = CHECK_LENGTH, .op = op, .constant = bytes_of(digits) };
    return digits && rule_add(set, param, &rule, op == CHECK_GE ? "min_length" : "max_length", diagnostics);
}

static bool choices_add(struct query_set *set, struct query_param *param, struct diagnostics *diagnostics)
{
    const struct check_rule rule = { .kind = CHECK_IN,
                                     .constants = param->choices.items,
                                     .constants_count = param->choices.count };
    return !param->choices.count || rule_add(set, param, &rule, "enum", diagnostics);
}

static bool pattern_add(struct query_set *set, struct query_param *param, struct diagnostics *diagnostics)
{
    if (!param->pattern_text.size)
        return true;
    if (!is_text(param->type))
        return diagnostics_error(diagnostics, param->place_of, ":%.*s: pattern does not suit its type %.*s",
                                 BYTES_ARG(param->name), BYTES_ARG(param->type->name));
    return query_pattern_make(set, param, diagnostics);
}

/* A preset that breaks its own rules would be refused at every request. */
static void on_preset(void *arg, const char *code, const char *message)
{
    (void)code;
    snprintf(arg, 200, "%s", message);
}

static void on_range(void *arg, const char *code, const char *message)
{
    if (strcmp(code, "range") == 0)
        on_preset(arg, code, message);
}

/* Bounds that leave nothing between them would refuse every request. */
static bool bounds_judge(struct query_set *set, struct query_param *param, struct diagnostics *diagnostics)
{
    char said[200] = "";
    if (param->min.size && param->max.size)
        query_rules_ask(param, param->min, &set->arena, on_range, said);
    if (said[0])
        return diagnostics_error(diagnostics, param->place_of, ":%.*s: its min %s", BYTES_ARG(param->name),
                                 said);
    if (param->length_max && param->length_min > param->length_max)
        return diagnostics_error(diagnostics, param->place_of,
                                 ":%.*s: its min_length must be at most max_length, %lld",
                                 BYTES_ARG(param->name), (long long)param->length_max);
    return true;
}

bool query_rules_make(struct query_set *set, struct query_param *param, struct diagnostics *diagnostics)
{
    param->column = (struct column){ .name = param->name, .type = param->type, .typmod = -1 };
    if (!bound_add(set, param, param->min, CHECK_GE, diagnostics) ||
        !bound_add(set, param, param->max, CHECK_LE, diagnostics) ||
        !length_add(set, param, param->length_min, CHECK_GE, diagnostics) ||
        !length_add(set, param, param->length_max, CHECK_LE, diagnostics) ||
        !choices_add(set, param, diagnostics) || !pattern_add(set, param, diagnostics) ||
        !bounds_judge(set, param, diagnostics))
        return false;
    char said[200] = "";
    struct violations violations = { .arena = &set->arena };
    if (param->preset.data)
        query_rules_ask(param, param->preset, &set->arena, on_preset, said);
    if (param->preset.data &&
        query_param_judge(param, &(struct query_value){ .text = param->preset }, &violations) &&
        violations.count)
        on_preset(said, violations.items[0].code, violations.items[0].message);
    return !said[0] || diagnostics_error(diagnostics, param->place_of, ":%.*s: its default %s",
                                         BYTES_ARG(param->name), said);
}

/* 1e9 and Infinity are numbers that the judge of plain digits leaves to PostgreSQL, which knows nothing of
 * these rules. */
static bool is_outside(const struct query_param *param, const struct check_rule *rule, struct bytes value)
{
    char digits[64], bound[64], *end;
    const enum pg_type_kind kind = base_of(param->type)->kind;
    if (kind == PG_TYPE_DATE && rule->kind == CHECK_COMPARE) /* infinity, BC, a year of five digits */
        return value.size != 10 || value.data[0] < '0' || value.data[0] > '9';
    if ((kind != PG_TYPE_NUMERIC && kind != PG_TYPE_FLOAT) || rule->kind != CHECK_COMPARE)
        return false;
    bool plain = true;
    for (size_t i = 0; i < value.size; i++)
        plain &=
            (value.data[i] >= '0' && value.data[i] <= '9') || value.data[i] == '.' || value.data[i] == '-';
    if (plain)
        return false; /* judged exactly */
    if (value.size >= sizeof digits || rule->constant.size >= sizeof bound)
        return true;
    snprintf(digits, sizeof digits, "%.*s", BYTES_ARG(value));
    snprintf(bound, sizeof bound, "%.*s", BYTES_ARG(rule->constant));
    const double number = strtod(digits, &end);
    const double limit = strtod(bound, NULL);
    return *end || isnan(number) || (rule->op == CHECK_GE ? number < limit : number > limit);
}

static const char *code_of(const struct check_rule *rule)
{
    if (rule->kind == CHECK_LENGTH)
        return rule->op == CHECK_LE ? "too_long" : "too_short";
    return rule->kind == CHECK_IN ? "enum" : "range";
}

void query_rules_ask(const struct query_param *param, struct bytes value, struct arena *arena,
                     query_violation_fn *violation, void *arg)
{
    for (const struct check_rule *rule = param->column.checks; rule; rule = rule->next) {
        if (!check_refuses(rule, &param->column, value) && !is_outside(param, rule, value))
            continue;
        struct text text;
        text_init(&text, arena, 64);
        check_describe(&text, rule);
        const char *words = text_z(&text);
        violation(arg, code_of(rule), words ? words : "breaks a rule");
    }
}

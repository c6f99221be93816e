/* query_expressions.c - `rules` in a query's head: what must hold between its parameters, wherever they come
 * from. */
#include "features/query/query.h"

#include <stdlib.h>

static bool keep(struct query_set *set, struct rules *rules)
{
    struct rules **kept = realloc(set->rules, sizeof(struct rules *) * (size_t)(set->rules_count + 1));
    check(kept != NULL);
    set->rules = kept;
    set->rules[set->rules_count++] = rules;
    return true;
}

bool query_expressions_make(struct query_set *set, struct query *query, struct diagnostics *diagnostics)
{
    struct rule_field *items = ARENA_ARRAY(&set->arena, struct rule_field, (size_t)query->params_count + 1);
    struct rules *rules = ARENA_NEW(&set->arena, struct rules);
    if (!query->rules_declared.count || !items || !rules)
        return !query->rules_declared.count;
    for (int i = 0; i < query->params_count; i++) {
        const struct query_param *param = &query->params[i];
        const bool sent = param->place != PLACE_OWN;
        items[i] = (struct rule_field){ sent ? param->name : BYTES(""),
                                        sent && param->type ? rules_kind(param->type) : RULE_ANY };
    }
    query->rule_fields = (struct rule_fields){ items, (size_t)query->params_count };
    if (!rules_make(&set->arena, &query->rules_declared, &query->rule_fields, diagnostics, rules))
        return false;
    query->rules = rules;
    return keep(set, rules);
}

bool query_expressions_judge(const struct query *query, const struct rule_input *inputs,
                             struct violations *violations)
{
    bool *wrong = ARENA_ARRAY(violations->arena, bool, (size_t)query->params_count + 1);
    const struct rules_row row = { inputs, wrong, "", violations->arena };
    if (!wrong)
        return fail(&PROBLEM_TOO_LARGE, "the parameters need more memory than a request may use");
    return !rules_wrong(violations, "", &query->rule_fields, wrong) ||
           rules_judge(query->rules, &row, violations);
}

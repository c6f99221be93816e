#pragma once
/* rules_sql.h - a resource's rule as the expression of a CHECK, for whoever writes past the API. */
#include "model/resource_rules.h"

/* Appends a boolean expression over the table's columns, false for the rows for which the rule is.
 * Errors: false, and *ret_why is a phrase, where SQL can't say the same. */
bool rules_sql_write(struct text *out, const struct resource *resource, const struct held_rule *rule,
                     const char **ret_why) MUST_CHECK;

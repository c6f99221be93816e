#pragma once
/* plan_rules.h - a body held against its resource's rules. Private to plan_*.c. */
#include "model/plan_schema.h"
#include "model/resource_rules.h"

/* Judges every row. A field that stays as it is, or that the database or the path gives, counts as unsent;
 * one of which the violations speak already is not asked again. rewritten: a trigger may fill in anything.
 * Errors: false: PROBLEM_TOO_LARGE. */
bool plan_rules_judge(const struct plan_judging *judging, const struct plan_fills *fills, bool rewritten);

#pragma once
/* index_advice.h - whether an index can hand out rows in an order, with some columns fixed; and the index
 * that could, where none does. Pure: what the catalog says is all it knows; whether the planner then takes it
 * is the planner's to say (`lintel explain`). */
#include "model/plan.h"

#define INDEX_KEYS_MAX 16
/* Below so many rows a sort is cheaper than a word about it. */
#define INDEX_ROWS_MIN 10000

struct index_key {
    const struct column *column;
    bool descending, nulls_first;
};
struct index_need {
    const struct relation *relation;
    const struct column *equal[INDEX_KEYS_MAX]; /* fixed by `=` */
    int equal_count;
    struct index_key keys[INDEX_KEYS_MAX];
    int keys_count;
    int asked_count; /* of the keys: those that were asked for; behind them tie-breakers, for which a sort of
                        few rows is good enough */
};

/* The need of a list: its filter's equalities, its order (else the resource's own), its key.
 * False: an expression or another table's column takes part, or there are too many: no plain index helps. */
bool index_need_of_list(const struct resource *resource, const struct list_query *query,
                        struct index_need *ret_need);
/* Some valid, whole B-tree begins with the fixed columns, in any order, and goes on with the keys, all as
 * they are or all turned round. */
bool index_need_is_met(const struct index_need *need);
/* CREATE INDEX CONCURRENTLY ON … (…) */
void index_need_write(struct text *text, const struct index_need *need);

/* Warns of every exposed list whose own order no index serves, on tables of INDEX_ROWS_MIN rows and more, and
 * of lists whose rows nothing tells apart. */
void index_advice_check(const struct resource_set *set, struct diagnostics *diagnostics);

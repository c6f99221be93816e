#include "model/index_advice.h"

#include "wire/sqltext.h"

/* ---- what a list needs ---- */

static bool has_equal(const struct index_need *need, const struct column *column)
{
    for (int i = 0; i < need->equal_count; i++)
        if (need->equal[i] == column)
            return true;
    return false;
}

static bool has_key(const struct index_need *need, const struct column *column)
{
    for (int i = 0; i < need->keys_count; i++)
        if (need->keys[i].column == column)
            return true;
    return false;
}

/* Equalities of a conjunction; what else it holds is for the rows themselves to be asked. */
static void equal_add(const struct resource *resource, const struct filter_node *node,
                      struct index_need *need)
{
    if (node->kind == FILTER_AND && !node->negated) {
        for (const struct filter_node *child = node->first; child; child = child->next)
            equal_add(resource, child, need);
        return;
    }
    if (node->kind != FILTER_LEAF || node->negated ||
        node->operator!= FILTER_EQ || node->quantifier != FILTER_PLAIN || node->field.embeds_count ||
        node->field.steps_count)
        return;
    const struct field *field = resource_field(resource, node->field.name);
    if (field && need->equal_count < INDEX_KEYS_MAX && !has_equal(need, field->column))
        need->equal[need->equal_count++] = field->column;
}

static bool key_add(struct index_need *need, const struct column *column, bool descending, bool nulls_first)
{
    if (has_key(need, column) || has_equal(need, column))
        return true;
    if (need->keys_count == INDEX_KEYS_MAX)
        return false;
    need->keys[need->keys_count++] = (struct index_key){ column, descending, nulls_first };
    return true;
}

static bool asked_add(const struct resource *resource, const struct list_query *query,
                      struct index_need *need)
{
    for (int i = 0; i < query->order_count; i++) {
        const struct order_item *item = &query->order[i];
        const struct field *field = item->field.embeds_count || item->field.steps_count
                                        ? NULL
                                        : resource_field(resource, item->field.name);
        const bool first =
            item->nulls == ORDER_NULLS_DEFAULT ? item->descending : item->nulls == ORDER_NULLS_FIRST;
        if (!field || !key_add(need, field->column, item->descending, first))
            return false;
    }
    for (int i = 0; !query->order_count && i < resource->default_order_count; i++) {
        const bool descending = resource->default_descending && resource->default_descending[i];
        if (!key_add(need, resource->default_order[i]->column, descending, descending))
            return false;
    }
    return true;
}

bool index_need_of_list(const struct resource *resource, const struct list_query *query,
                        struct index_need *ret_need)
{
    *ret_need = (struct index_need){ .relation = resource->relation };
    if (query->filter)
        equal_add(resource, query->filter, ret_need);
    if (!asked_add(resource, query, ret_need))
        return false;
    ret_need->asked_count = ret_need->keys_count;
    const bool descending = ret_need->keys_count && ret_need->keys[ret_need->keys_count - 1].descending;
    for (int i = 0; i < resource->key_count; i++)
        if (!key_add(ret_need, resource->key[i]->column, descending, descending))
            return false;
    return true;
}

/* ---- whether an index meets it ---- */

/* How many keys the index goes on with behind its fixed columns, turned round or not. */
static int keys_served(const struct index_need *need, const struct index *index, bool backwards)
{
    int at = 0, served = 0, fixed = 0;
    while (at < index->columns_count && index->columns[at] && has_equal(need, index->columns[at])) {
        at++;
        fixed++;
    }
    if (fixed < need->equal_count)
        return -1; /* rows of other values would have to be read over */
    for (; at < index->columns_count && served < need->keys_count; at++, served++) {
        const struct index_key *key = &need->keys[served];
        if (index->columns[at] != key->column || (index->descending[at] != backwards) != key->descending)
            break;
        if (!key->column->not_null && (index->nulls_first[at] != backwards) != key->nulls_first)
            break;
    }
    return served == need->keys_count || (index->unique && at == index->columns_count) ? need->keys_count
                                                                                       : served;
}

static bool is_met_by(const struct index_need *need, const struct index *index)
{
    if (!index->valid || index->partial || !bytes_is(index->method, "btree"))
        return false;
    const int enough = need->asked_count ? need->asked_count : need->keys_count ? 1 : 0;
    return keys_served(need, index, false) >= enough || keys_served(need, index, true) >= enough;
}

bool index_need_is_met(const struct index_need *need)
{
    if (need->equal_count + need->keys_count == 0)
        return true;
    for (int i = 0; i < need->relation->indexes_count; i++)
        if (is_met_by(need, &need->relation->indexes[i]))
            return true;
    return false;
}

void index_need_write(struct text *text, const struct index_need *need)
{
    text_lit(text, "CREATE INDEX CONCURRENTLY ON ");
    text_add(text, need->relation->sql);
    text_lit(text, " (");
    for (int i = 0; i < need->equal_count; i++) {
        text_add_z(text, i ? ", " : "");
        sqltext_identifier(text, need->equal[i]->name);
    }
    for (int i = 0; i < need->keys_count; i++) {
        const struct index_key *key = &need->keys[i];
        text_add_z(text, i + need->equal_count ? ", " : "");
        sqltext_identifier(text, key->column->name);
        if (key->descending)
            text_lit(text, " DESC");
        if (!key->column->not_null && key->nulls_first != key->descending)
            text_add_z(text, key->nulls_first ? " NULLS FIRST" : " NULLS LAST");
    }
    text_byte(text, ')');
}

/* ---- lintel check ---- */

static void order_check(const struct resource *resource, struct diagnostics *diagnostics)
{
    const struct list_query query = { 0 };
    struct index_need need;
    const struct source_place place = { resource->file.data, (uint32_t)resource->line, 1 };
    if (resource->relation->kind != RELATION_TABLE && resource->relation->kind != RELATION_PARTITIONED &&
        resource->relation->kind != RELATION_MATVIEW)
        return;
    if (resource->relation->rows_estimate < INDEX_ROWS_MIN || !index_need_of_list(resource, &query, &need))
        return;
    if (resource->tenant_field && !has_equal(&need, resource->tenant_field->column))
        need.equal[need.equal_count++] = resource->tenant_field->column;
    if (index_need_is_met(&need))
        return;
    struct text text;
    text_init(&text, diagnostics->arena, 256);
    index_need_write(&text, &need);
    diagnostics_warning(diagnostics, place,
                        "%.*s: no index serves its order: every page sorts about %.0f rows",
                        BYTES_ARG(resource->name), resource->relation->rows_estimate);
    if (text_ok(&text))
        diagnostics_fix(diagnostics, "%.*s", BYTES_ARG(text_bytes(&text)));
}

void index_advice_check(const struct resource_set *set, struct diagnostics *diagnostics)
{
    for (int i = 0; i < set->resources_count; i++) {
        const struct resource *resource = &set->resources[i];
        if (!resource->public_access || !resource->relation || resource->missing.size ||
            !(resource->operations & 1u << OP_LIST))
            continue;
        order_check(resource, diagnostics);
        if (resource->key_count || relation_has_places(resource->relation))
            continue;
        const struct source_place place = { resource->file.data, (uint32_t)resource->line, 1 };
        diagnostics_warning(diagnostics, place,
                            "%.*s: without a key, rows that are equal in every field may be missed where a "
                            "page ends between them",
                            BYTES_ARG(resource->name));
        diagnostics_fix(diagnostics, "`key: [FIELD, …]` names what tells its rows apart");
    }
}

/* rest_statement.c - what a request would ask, without asking: for `lintel explain`. */
#include "features/rest/rest.h"
#include "model/index_advice.h"

/* The index that the list's filter and order lack on a table that is large enough to mind. */
static const char *missing_index(struct req *req, const struct resource *resource,
                                 const struct list_query *query)
{
    struct index_need need;
    const struct relation *relation = resource->relation;
    if (relation->kind == RELATION_VIEW || relation->kind == RELATION_FOREIGN ||
        relation->rows_estimate < INDEX_ROWS_MIN || !index_need_of_list(resource, query, &need) ||
        index_need_is_met(&need))
        return NULL;
    struct text text;
    text_init(&text, &req->arena, 128);
    index_need_write(&text, &need);
    return text_z(&text);
}

static bool list_statement(struct req *req, const struct resource *resource, struct plan_context *context,
                           struct plan *plan, struct kit_explained *explained)
{
    struct list_query query;
    if (!rest_list_query(req, resource, &query) ||
        !plan_list(&req->arena, resource, &query, context, kit_here.cursors, plan))
        return false;
    explained->missing_index = missing_index(req, resource, &query);
    return true;
}

static bool get_statement(struct req *req, const struct resource *resource, struct plan_context *context,
                          struct plan *plan)
{
    const struct select_node *select;
    bool impossible = false;
    return rest_select(req, &select) &&
           plan_get(&req->arena, resource, req->params, select, context, plan, &impossible);
}

bool rest_statement(void *room, struct req *req, struct kit_explained *ret_explained)
{
    (void)room;
    const struct resource *resource = rest_resource(req);
    struct plan_context context;
    struct plan plan;
    struct kit_explained explained = { 0 };
    if (resource->missing.size)
        return fail(&PROBLEM_SCHEMA_NOT_READY, "%.*s", BYTES_ARG(resource->missing));
    if (req->method != HTTP_GET)
        return fail(&PROBLEM_QUERY, "of a resource only reads are explained: give a write's SQL itself");
    if (!rest_context(req, resource, &context) ||
        !(req->params[0].data ? get_statement(req, resource, &context, &plan)
                              : list_statement(req, resource, &context, &plan, &explained)))
        return false;
    explained.sql = plan.sql;
    explained.params = plan.params;
    explained.params_count = plan.params_count;
    explained.settings = context.settings;
    explained.settings_count = context.settings_count;
    *ret_explained = explained;
    return true;
}

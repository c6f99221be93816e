/* ctes.c - the WITH lists of a statement, so that each can be fenced and unfenced and both be measured. */
#include "features/explain/explain.h"

const char *const explain_fence_names[] = { "not used", "inlined", "fenced", "recursive, so fenced",
                                            "writes, so fenced" };

int explain_ctes_find(struct bytes sql, struct explain_cte ret_ctes[static EXPLAIN_CTES_MAX])
{
    struct sqlcte found[SQLCTE_MAX];
    const int count = sqlcte_find(sql, found);
    for (int i = 0; i < count; i++)
        ret_ctes[i] = (struct explain_cte){ .name = found[i].name,
                                            .hint_from = found[i].hint_from,
                                            .hint_to = found[i].hint_to,
                                            .recursive = found[i].recursive,
                                            .writes = found[i].writes,
                                            .fenced_ms = -1,
                                            .inlined_ms = -1 };
    return count;
}

static const struct explain_node *fenced_node(const struct explain_node *node, struct bytes name)
{
    if (bytes_starts(node->subplan, BYTES("CTE ")) && bytes_equal(bytes_from(node->subplan, 4), name))
        return node;
    for (const struct explain_node *child = node->first; child; child = child->next) {
        const struct explain_node *found = fenced_node(child, name);
        if (found)
            return found;
    }
    return NULL;
}

void explain_ctes_mark(const struct explain_plan *plan, struct explain_cte *ctes, int count)
{
    for (int i = 0; i < count; i++) {
        const struct explain_node *node = fenced_node(plan->root, ctes[i].name);
        const bool recursive = node && bytes_is(node->type, "Recursive Union");
        ctes[i].fence = !node            ? FENCE_INLINED
                        : recursive      ? FENCE_RECURSIVE
                        : ctes[i].writes ? FENCE_WRITES
                                         : FENCE_FENCED;
    }
}

void explain_cte_write(struct text *text, struct bytes sql, const struct explain_cte *cte, bool fenced)
{
    text_add(text, bytes_first(sql, cte->hint_from));
    text_add_z(text, fenced ? " MATERIALIZED " : " NOT MATERIALIZED ");
    text_add(text, bytes_from(sql, cte->hint_to));
}

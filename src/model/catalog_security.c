/* What follows from how relations hang together: triggers, inheritance, and views that read past row
 * security.
 *
 *   definer view ─reads─▶ table with RLS        bypasses: the view's owner reads, not the caller
 *   invoker view ─reads─▶ table with RLS        does not, whoever reads the view
 *   materialised view ─reads─▶ … ─▶ RLS         bypasses: filled by its owner, through whatever views
 *   any view ─reads─▶ what bypasses             bypasses
 *   partition without RLS of a table with RLS   bypasses: asked by its own name, its parent's policies are
 * not parent without RLS of a table with RLS      bypasses: asked by the parent's name, the child's policies
 * are not */
#include "model/catalog_internal.h"

/* ---- triggers and rules ---- */

void catalog_build_triggers(struct catalog_build *build)
{
    const struct pg_result *triggers = build->results[STEP_TRIGGERS];
    for (int64_t row = 0; row < pg_result_rows(triggers); row++) {
        struct relation *relation =
            relation_of_oid(build->catalog, cell_oid(triggers, row, TRIGGER_RELATION));
        if (!relation)
            continue;
        struct relation_facts *facts = relation_facts_of(relation);
        relation->deferred |= cell_bool(triggers, row, TRIGGER_DEFERRED);
        relation->has_triggers |= cell_bool(triggers, row, TRIGGER_OWN);
        relation->rewrites_inserts |= cell_bool(triggers, row, TRIGGER_BEFORE_INSERT);
        relation->rewrites_updates |= cell_bool(triggers, row, TRIGGER_BEFORE_UPDATE);
        facts->instead_insert = cell_bool(triggers, row, TRIGGER_INSTEAD_INSERT);
        facts->instead_update = cell_bool(triggers, row, TRIGGER_INSTEAD_UPDATE);
    }
    /* A row that is written through the parent meets the triggers of the child it lands in. */
    const struct pg_result *inherits = build->results[STEP_INHERITS];
    for (bool changed = true; changed;) {
        changed = false;
        for (int64_t row = 0; row < pg_result_rows(inherits); row++) {
            struct relation *child = relation_of_oid(build->catalog, cell_oid(inherits, row, EDGE_FROM));
            struct relation *parent = relation_of_oid(build->catalog, cell_oid(inherits, row, EDGE_TO));
            if (!parent)
                continue;
            parent->has_children = true;
            if (!child || !((child->deferred && !parent->deferred) ||
                            (child->rewrites_inserts && !parent->rewrites_inserts) ||
                            (child->rewrites_updates && !parent->rewrites_updates)))
                continue;
            parent->deferred |= child->deferred;
            parent->rewrites_inserts |= child->rewrites_inserts;
            parent->rewrites_updates |= child->rewrites_updates;
            changed = true;
        }
    }
}

/* ---- row security ---- */

struct node { /* a relation of any schema */
    uint32_t oid;
    bool secured; /* has RLS itself */
    bool above;   /* something that it is a child of has */
    bool beneath; /* something that is a child of it has */
    bool reads;   /* a view that reads something that has, however */
    bool bypasses;
};

static struct node *node_of(struct catalog_build *build, struct table *nodes, uint32_t oid)
{
    struct node *node = table_get(nodes, oid_key(&oid));
    if (!node) {
        node = ARENA_NEW(&build->scratch, struct node);
        node->oid = oid;
        table_put(nodes, oid_key(&node->oid), node);
    }
    return node;
}

struct edge {
    struct node *from, *to;
    char kind; /* of from: 'v', 'm'; 'i' for inheritance */
    bool invoker;
};

/* One step along an edge. True if something became known. */
static bool edge_follow(const struct edge *edge)
{
    struct node *from = edge->from, *to = edge->to;
    const struct node before_from = *from, before_to = *to;
    if (edge->kind == 'i') { /* from: the child */
        from->above |= to->secured || to->above;
        to->beneath |= from->secured || from->beneath;
        from->bypasses |= from->above && !from->secured;
        to->bypasses |= to->beneath && !to->secured;
    } else {
        from->reads |= to->secured || to->reads || to->bypasses;
        from->bypasses |= to->bypasses || (edge->kind == 'm' && from->reads) ||
                          (edge->kind == 'v' && !edge->invoker && to->secured);
    }
    return memcmp(from, &before_from, sizeof *from) != 0 || memcmp(to, &before_to, sizeof *to) != 0;
}

static int edges_read(struct catalog_build *build, struct table *nodes, enum catalog_step step,
                      struct edge *edges)
{
    const struct pg_result *rows = build->results[step];
    for (int64_t row = 0; row < pg_result_rows(rows); row++) {
        edges[row] = (struct edge){
            .from = node_of(build, nodes, cell_oid(rows, row, EDGE_FROM)),
            .to = node_of(build, nodes, cell_oid(rows, row, EDGE_TO)),
            .kind = step == STEP_INHERITS ? 'i' : cell_char(rows, row, EDGE_FROM_KIND),
            .invoker = cell_bool(rows, row, EDGE_FROM_INVOKER),
        };
        edges[row].from->secured |= cell_bool(rows, row, EDGE_FROM_SECURED);
        edges[row].to->secured |= cell_bool(rows, row, EDGE_TO_SECURED);
    }
    return (int)pg_result_rows(rows);
}

void catalog_build_security(struct catalog_build *build)
{
    const size_t most =
        (size_t)(pg_result_rows(build->results[STEP_VIEWS]) + pg_result_rows(build->results[STEP_INHERITS]));
    if (!most)
        return;
    struct table nodes = { 0 };
    struct edge *edges = ARENA_ARRAY(&build->scratch, struct edge, most);
    int count = edges_read(build, &nodes, STEP_VIEWS, edges);
    count += edges_read(build, &nodes, STEP_INHERITS, edges + count);

    for (bool changed = true; changed;) { /* as often as the deepest chain has links */
        changed = false;
        for (int i = 0; i < count; i++)
            changed |= edge_follow(&edges[i]);
    }
    size_t at = 0;
    for (const struct table_slot *slot; (slot = table_next(&nodes, &at));) {
        const struct node *node = slot->value;
        struct relation *relation = relation_of_oid(build->catalog, node->oid);
        if (relation)
            relation->bypasses_row_security = node->bypasses;
    }
    table_done(&nodes);
}

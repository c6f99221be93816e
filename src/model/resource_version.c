/* What tells that a row has changed since it was read: a column that every write changes, or xmin, which
 * PostgreSQL keeps in every row of a table. And which changes do not mind that it has. */
#include "model/resource_internal.h"

#define ATTRIBUTE_XMIN (-2) /* pg_attribute.attnum */
#define TYPE_XID       28

static bool fail_xmin(struct resource_build *build, struct source_place place, const char *why,
                      const char *fix)
{
    (void)diagnostics_error(build->diagnostics, place, "version: xmin: %s", why);
    diagnostics_fix(build->diagnostics, "%s", fix);
    return false;
}

/* A view has no xmin but may show its table's, and then that is a column like any other. */
static bool xmin_fits(struct resource_build *build, const struct draft *draft, struct source_place place)
{
    const struct relation *relation = draft->resource->relation;
    if (relation->kind == RELATION_VIEW)
        return fail_xmin(
            build, place, "the rows of a view have none",
            "let the view show its table's, CREATE OR REPLACE VIEW … AS SELECT …, xmin FROM …, or "
            "name a column that every write changes");
    if (relation->kind == RELATION_FOREIGN)
        return fail_xmin(build, place, "the rows of a foreign table have none here",
                         "name a column that every write changes");
    if (relation->can_select_whole)
        return true;
    const char *grant = arena_printf(&build->scratch, "GRANT SELECT ON %.*s TO %.*s;",
                                     BYTES_ARG(relation->sql), BYTES_ARG(build->set->catalog->role));
    return fail_xmin(build, place, "only who may read the whole table may read it", grant ? grant : "");
}

/* Like a hidden field, but none of the resource's: nobody asks for it by name. */
static const struct field *xmin_make(struct resource_build *build, const struct relation *relation)
{
    struct column *column = ARENA_NEW(build->arena, struct column);
    struct field *field = ARENA_NEW(build->arena, struct field);
    *column = (struct column){ .name = BYTES_INIT("xmin"),
                               .number = ATTRIBUTE_XMIN,
                               .position = relation->columns_count,
                               .type = pg_type_builtin(TYPE_XID),
                               .typmod = -1,
                               .not_null = true,
                               .has_default = true,
                               .generated = true,
                               .can_select = true };
    *field = (struct field){ .name = column->name, .column = column };
    return field;
}

/* The node that names the column; NULL: it was said that none does. */
static const struct yaml_node *column_node(struct resource_build *build, struct draft *draft)
{
    const struct yaml_node *node = draft->declared.version, *column = node;
    if (node->kind == YAML_MAPPING) {
        column = yaml_get(node, "column");
        const struct yaml_node *required = yaml_get(node, "required");
        for (int i = 0; i < node->count; i++)
            if (node->pairs[i].value != column && node->pairs[i].value != required) {
                diagnostics_error(build->diagnostics, node->pairs[i].key->place,
                                  "unknown key '%.*s' of version", BYTES_ARG(node->pairs[i].key->value));
                diagnostics_fix(build->diagnostics, "version: {column: …, required: true}");
            }
        if (required && !yaml_to_bool(required, &draft->resource->version_required))
            diagnostics_error(build->diagnostics, required->place, "required: true or false");
    }
    if (column && column->kind == YAML_SCALAR && column->value.size)
        return column;
    diagnostics_error(build->diagnostics, node->place, "version names a column");
    diagnostics_fix(build->diagnostics, "version: COLUMN, or version: {column: COLUMN, required: true}");
    return NULL;
}

static void version_make(struct resource_build *build, struct draft *draft)
{
    struct resource *resource = draft->resource;
    const struct yaml_node *column = draft->declared.version ? column_node(build, draft) : NULL;
    if (!column)
        return;
    if (bytes_is(column->value, "xmin") && !relation_column(resource->relation, column->value)) {
        if (xmin_fits(build, draft, column->place))
            resource->version = xmin_make(build, resource->relation);
        return;
    }
    resource->version = resource_field_find(build, draft, column->value, column->place);
    struct field *field = (struct field *)(uintptr_t)resource->version;
    if (!field)
        return;
    /* The server and the database's triggers count it; a client that could set it could make two versions
     * look the same. */
    field->updatable = false;
    field->creatable &= field->required_on_create;
}

/* ---- on_conflict ---- */

static void reapplied_field(struct resource_build *build, struct draft *draft, int index)
{
    const struct shape_texts *names = &draft->declared.reapply;
    const struct source_place place = texts_place(names, index);
    struct field *field =
        (struct field *)(uintptr_t)resource_field_find(build, draft, names->items[index], place);
    if (!field)
        return;
    if (!field->updatable) {
        diagnostics_error(build->diagnostics, place, "reapply: '%.*s' can't be changed at all",
                          BYTES_ARG(names->items[index]));
        return;
    }
    field->reapplied = true;
}

static void conflict_make(struct resource_build *build, struct draft *draft)
{
    const struct declaration *declared = &draft->declared;
    const struct yaml_node *node = yaml_get(declared->node, "on_conflict");
    const bool reapplies = declared->on_conflict == CONFLICT_REAPPLY;
    if (declared->reapply.node && !reapplies) {
        diagnostics_error(build->diagnostics, declared->reapply.node->place,
                          "reapply says nothing without `on_conflict: reapply`");
        diagnostics_fix(build->diagnostics, "add on_conflict: reapply, or take reapply out");
        return;
    }
    if (!reapplies)
        return;
    if (!declared->version) {
        diagnostics_error(build->diagnostics, node->place,
                          "on_conflict: there is no version to conflict with");
        diagnostics_fix(build->diagnostics, "version: COLUMN, or version: xmin");
    }
    if (declared->reapply.count == 0) {
        diagnostics_error(build->diagnostics, node->place, "on_conflict: reapply needs the fields it is for");
        diagnostics_fix(build->diagnostics,
                        "reapply: [FIELD, …]: those whose new value does not depend on what was read");
    }
    if (!(draft->declared.operations & (1u << OP_UPDATE)))
        diagnostics_error(build->diagnostics, node->place,
                          "on_conflict: only update (PATCH) is reapplied, and it is not offered");
    for (int i = 0; i < declared->reapply.count; i++)
        reapplied_field(build, draft, i);
}

void resource_version_make(struct resource_build *build, struct draft *draft)
{
    version_make(build, draft);
    conflict_make(build, draft);
}

/* Types: those of pg_catalog are known beforehand (pg/value.h); the rest is linked from the closure that was
 * read. */
#include "model/check.h"
#include "model/catalog_internal.h"
#include "wire/sqltext.h"

static struct type_facts *facts_of(const struct catalog_build *build, uint32_t oid)
{
    return table_get(&build->facts, oid_key(&oid));
}

static const struct pg_type *type_of(const struct catalog_build *build, uint32_t oid)
{
    return table_get(&build->catalog->types, oid_key(&oid));
}

static void type_keep(struct catalog *catalog, const struct pg_type *type)
{
    /* The table's values are not const, but whoever looks up gets a const one. */
    table_put(&catalog->types, oid_key(&type->oid), (void *)(uintptr_t)type);
}

static struct type_facts *facts_read(struct catalog_build *build, int64_t row)
{
    const struct pg_result *types = build->results[STEP_TYPES];
    struct type_facts *facts = ARENA_NEW(build->arena, struct type_facts);
    facts->type = (struct pg_type){
        .oid = cell_oid(types, row, TYPE_OID),
        .kind = PG_TYPE_STRING,
        .schema = cell_copy(build->arena, types, row, TYPE_SCHEMA),
        .name = cell_copy(build->arena, types, row, TYPE_NAME),
        .delimiter = cell_char(types, row, TYPE_DELIMITER),
        .typmod = -1,
    };
    facts->element = cell_oid(types, row, TYPE_ELEMENT);
    facts->kind = facts->element ? 'a' : cell_char(types, row, TYPE_KIND);
    facts->base = cell_oid(types, row, TYPE_BASE);
    facts->subtype = cell_oid(types, row, TYPE_SUBTYPE);
    facts->not_null = cell_bool(types, row, TYPE_NOT_NULL);
    facts->has_default = cell_bool(types, row, TYPE_HAS_DEFAULT);
    facts->default_sql = cell_copy(build->arena, types, row, TYPE_DEFAULT);
    if (facts->kind == 'd')
        facts->type.typmod = (int32_t)cell_int(types, row, TYPE_TYPMOD);
    return facts;
}

static struct bytes type_sql(struct arena *arena, const struct pg_type *type, bool array)
{
    struct text text;
    text_init(&text, arena, type->schema.size + type->name.size + 8);
    if (array)
        text_add(&text, type->sql);
    else
        sqltext_qualified(&text, type->schema, type->name);
    if (array)
        text_lit(&text, "[]");
    return text_bytes(&text);
}

static void type_link(struct catalog_build *build, struct type_facts *facts);

/* A type that may have to be linked first; text if it is not in the closure, which does not happen. */
static const struct pg_type *type_linked(struct catalog_build *build, uint32_t oid)
{
    struct type_facts *facts = facts_of(build, oid);
    if (facts)
        type_link(build, facts);
    const struct pg_type *type = type_of(build, oid);
    return type ? type : pg_type_builtin(25);
}

static const struct pg_type *without_domain(const struct pg_type *type)
{
    return type->domain_base ? type->domain_base : type;
}

static void domain_link(struct catalog_build *build, struct type_facts *facts)
{
    struct pg_type *type = &facts->type;
    const struct pg_type *below = type_linked(build, facts->base);
    const struct type_facts *below_facts = facts_of(build, facts->base);
    const struct pg_type own = *type;

    *type = *below;
    type->oid = own.oid;
    type->schema = own.schema;
    type->name = own.name;
    type->sql = type_sql(build->arena, &own, false);
    type->domain_base = without_domain(below);
    type->typmod = own.typmod != -1 ? own.typmod : below->typmod;
    if (below->domain_base && below_facts) {
        facts->not_null |= below_facts->not_null;
        if (!facts->has_default) {
            facts->has_default = below_facts->has_default;
            facts->default_sql = below_facts->default_sql;
        }
    }
}

/* Fills what depends on other types; those first. No circle: `linked` is set before going deeper, and what
 * two types would need of each other (a composite's fields) is linked later, by pointer. */
static void type_link(struct catalog_build *build, struct type_facts *facts)
{
    if (facts->linked)
        return;
    facts->linked = true;
    struct pg_type *type = &facts->type;
    if (facts->kind == 'd') {
        domain_link(build, facts);
        return;
    }
    if (facts->kind == 'a') {
        const struct pg_type *element = type_linked(build, facts->element);
        type->kind = PG_TYPE_ARRAY;
        type->element = without_domain(element);
        type->delimiter = element->delimiter ? element->delimiter : ',';
        type->sql = type_sql(build->arena, element, true);
        return;
    }
    type->sql = type_sql(build->arena, type, false);
    if (facts->kind == 'e')
        type->kind = PG_TYPE_ENUM;
    if (facts->kind == 'c')
        type->kind = PG_TYPE_COMPOSITE;
    if (facts->kind == 'r' || facts->kind == 'm') {
        type->kind = facts->kind == 'r' ? PG_TYPE_RANGE : PG_TYPE_MULTIRANGE;
        type->element = without_domain(type_linked(build, facts->subtype));
    }
}

/* How many rows from `row` on have the same owner. */
static int group_size(const struct pg_result *result, int64_t row, int owner_column)
{
    const struct bytes owner = pg_result_value(result, row, owner_column);
    int size = 1;
    while (row + size < pg_result_rows(result) &&
           bytes_equal(pg_result_value(result, row + size, owner_column), owner))
        size++;
    return size;
}

static void labels_build(struct catalog_build *build)
{
    const struct pg_result *labels = build->results[STEP_LABELS];
    for (int64_t row = 0; row < pg_result_rows(labels);) {
        const int count = group_size(labels, row, LABEL_TYPE);
        struct type_facts *facts = facts_of(build, cell_oid(labels, row, LABEL_TYPE));
        if (facts) {
            struct bytes *texts = ARENA_ARRAY(build->arena, struct bytes, (size_t)count);
            for (int i = 0; i < count; i++)
                texts[i] = cell_copy(build->arena, labels, row + i, LABEL_TEXT);
            facts->type.labels = texts;
            facts->type.labels_count = count;
        }
        row += count;
    }
}

static void fields_build(struct catalog_build *build)
{
    const struct pg_result *rows = build->results[STEP_TYPES];
    for (int64_t row = 0; row < pg_result_rows(rows);) {
        const int count = group_size(rows, row, TYPE_OID);
        struct type_facts *facts = facts_of(build, cell_oid(rows, row, TYPE_OID));
        if (facts && pg_result_value(rows, row, TYPE_FIELD_NAME).data) { /* a composite may have none */
            struct pg_type_field *fields = ARENA_ARRAY(build->arena, struct pg_type_field, (size_t)count);
            for (int i = 0; i < count; i++) {
                fields[i].name = cell_copy(build->arena, rows, row + i, TYPE_FIELD_NAME);
                const uint32_t oid = cell_oid(rows, row + i, TYPE_FIELD_TYPE);
                const struct type_facts *field = facts_of(build, oid);
                fields[i].type = field ? &field->type : type_linked(build, oid);
                fields[i].typmod = (int32_t)cell_int(rows, row + i, TYPE_FIELD_TYPMOD);
            }
            facts->type.fields = fields;
            facts->type.fields_count = count;
        }
        row += count;
    }
}

/* CHECKs of domains; a domain's list ends in the list of the domain below it. */
static void domain_checks_build(struct catalog_build *build)
{
    const struct pg_result *rows = build->results[STEP_CONSTRAINTS];
    for (int64_t row = 0; row < pg_result_rows(rows); row++) {
        struct type_facts *facts = facts_of(build, cell_oid(rows, row, CONSTRAINT_DOMAIN));
        if (!facts || facts->kind != 'd' || cell_char(rows, row, CONSTRAINT_KIND) != 'c')
            continue;
        struct constraint *constraint = ARENA_NEW(build->arena, struct constraint);
        constraint->kind = CONSTRAINT_CHECK;
        constraint->name = cell_copy(build->arena, rows, row, CONSTRAINT_NAME);
        constraint->validated = cell_bool(rows, row, CONSTRAINT_VALIDATED);
        constraint->definition = cell_copy(build->arena, rows, row, CONSTRAINT_DEFINITION);
        constraint->comment = cell_copy(build->arena, rows, row, CONSTRAINT_COMMENT);
        struct check_findings found;
        check_parse(build->arena, constraint->definition, &found);
        for (int i = 0; i < found.count; i++) {
            if (found.items[i].column.data || !check_suits(&found.items[i], &facts->type))
                continue;
            found.items[i].rule->constraint = constraint;
            found.items[i].rule->next = facts->checks;
            facts->checks = found.items[i].rule;
        }
    }
}

/* Puts the rules of the domain below behind this one's. */
static void domain_chain(struct catalog_build *build, struct type_facts *facts)
{
    if (facts->kind != 'd' || facts->chained)
        return;
    facts->chained = true;
    struct type_facts *below = facts_of(build, facts->base);
    if (!below || below->kind != 'd')
        return;
    domain_chain(build, below);
    if (!facts->checks) {
        facts->checks = below->checks;
        return;
    }
    struct check_rule *last = facts->checks;
    while (last->next)
        last = last->next;
    last->next = below->checks;
}

static void each_facts(struct catalog_build *build,
                       void (*visit)(struct catalog_build *build, struct type_facts *facts))
{
    size_t at = 0;
    for (const struct table_slot *slot; (slot = table_next(&build->facts, &at));)
        visit(build, slot->value);
}

bool catalog_build_types(struct catalog_build *build)
{
    size_t at = 0;
    for (const struct pg_type *type; (type = pg_type_builtin_next(&at));)
        type_keep(build->catalog, type);

    const struct pg_result *types = build->results[STEP_TYPES];
    for (int64_t row = 0; row < pg_result_rows(types); row++) {
        if (type_of(build, cell_oid(types, row, TYPE_OID)))
            continue;
        struct type_facts *facts = facts_read(build, row);
        type_keep(build->catalog, &facts->type);
        table_put(&build->facts, oid_key(&facts->type.oid), facts);
    }
    labels_build(build); /* before linking: a domain takes them from its base */
    fields_build(build);
    each_facts(build, type_link);
    domain_checks_build(build);
    each_facts(build, domain_chain);
    return true;
}

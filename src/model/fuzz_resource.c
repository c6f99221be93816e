/* Whatever stands in two files of resources/: no crash, and a set that holds together: keys and orders inside
 * the fields, embeds inside the set, no two fields of one name, nothing open that the file did not open. */
#include <stdlib.h>

#include "model/resource.h"

/* libfyaml leaks a little on some malformed documents; ours are files of the operator. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libfyaml.so";
}

static struct column columns[4];
static struct constraint primary, parent;
static struct constraint *own[] = { &parent, &primary }, *back[] = { &parent };
static struct relation relation = { .oid = 1,
                                    .schema = BYTES_INIT("public"),
                                    .name = BYTES_INIT("t"),
                                    .sql = BYTES_INIT("\"public\".\"t\""),
                                    .comment = BYTES_INIT("a table"),
                                    .columns = columns,
                                    .columns_count = 4,
                                    .constraints = own,
                                    .constraints_count = 2,
                                    .referenced_by = back,
                                    .referenced_by_count = 1,
                                    .primary = &primary,
                                    .insertable = true,
                                    .updatable = true,
                                    .deletable = true,
                                    .can_select = true,
                                    .can_select_whole = true };
static struct relation *relations[] = { &relation };
static const struct column *key_columns[] = { &columns[0] }, *parent_columns[] = { &columns[1] };

static struct catalog *catalog_make(void)
{
    static const char *const names[] = { "id", "parent_id", "name", "version" };
    static const uint32_t types[] = { 23, 23, 25, 23 };
    struct catalog *catalog = calloc(1, sizeof *catalog);
    catalog->references = 1;
    catalog->role = BYTES("app");
    catalog->relations = relations;
    catalog->relations_count = 1;
    for (int i = 0; i < 4; i++) {
        columns[i] = (struct column){ .name = bytes_of(names[i]),
                                      .number = i + 1,
                                      .position = i,
                                      .typmod = -1,
                                      .type = pg_type_builtin(types[i]),
                                      .not_null = i != 1,
                                      .can_select = true,
                                      .can_insert = true,
                                      .can_update = true };
        table_put(&relation.columns_by_name, columns[i].name, &columns[i]);
    }
    primary = (struct constraint){ .kind = CONSTRAINT_PRIMARY,
                                   .name = BYTES("t_pkey"),
                                   .relation = &relation,
                                   .columns = key_columns,
                                   .columns_count = 1 };
    parent = (struct constraint){ .kind = CONSTRAINT_FOREIGN,
                                  .name = BYTES("t_parent"),
                                  .relation = &relation,
                                  .target = &relation,
                                  .columns = parent_columns,
                                  .columns_count = 1,
                                  .target_columns = key_columns };
    table_put(&catalog->by_name, relation.sql, &relation);
    return catalog;
}

static void resource_check(const struct resource_set *set, const struct resource *resource)
{
    check(resource_find(set, resource->name) == resource);
    for (int i = 0; i < resource->key_count; i++)
        check(resource->key[i] >= resource->fields &&
              resource->key[i] < resource->fields + resource->fields_count);
    for (int i = 0; i < resource->default_order_count; i++)
        check(resource->default_order[i] && resource->default_order[i]->column);
    for (int i = 0; i < resource->embeds_count; i++) {
        const struct embed *embed = &resource->embeds[i];
        check(embed->target >= set->resources && embed->target < set->resources + set->resources_count);
        check(embed->target->public_access && embed->name.size > 0);
        check(resource_embed(resource, embed->name, (struct bytes){ 0 }) == embed);
        check(!resource_field(resource, embed->name));
    }
    check(!resource->key_count || resource->relation);
    check(resource->page_size >= 1 && resource->page_size <= resource->page_max);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct catalog *catalog;
    static struct failure failure;
    if (!catalog)
        catalog = catalog_make();
    failure_here = &failure;
    struct bytes rest = bytes_make((const char *)data, size);
    const struct bytes first = bytes_cut(&rest, '\0');
    const struct resource_source sources[] = { { BYTES("resources/t.yaml"), first },
                                               { BYTES("resources/u.yaml"), rest.data ? rest : BYTES("") } };
    struct arena arena;
    arena_init(&arena, 0);
    struct diagnostics diagnostics;
    diagnostics_init(&diagnostics, &arena, 10);
    struct resource_set *set;
    check(resource_set_make(catalog, sources, 2, &(struct pg_encoding){ 0 }, &diagnostics, &set));
    for (int i = 0; i < set->resources_count; i++)
        resource_check(set, &set->resources[i]);
    resource_set_unref(set);
    arena_done(&arena);
    failure_clear();
    return 0;
}

#include "model/resource.h"

#include <stdlib.h>

#include "model/resource_internal.h"
#include "model/resource_rules.h"
#include "wire/wire_error.h"

/* ---- making ---- */

/* Two files for one path: the first stays, both are named. */
static void clashes_find(struct resource_build *build)
{
    struct table names = { 0 };
    for (int i = 0; i < build->drafts_count; i++) {
        struct draft *draft = &build->drafts[i];
        if (!draft->resource)
            continue;
        struct draft *other = table_get(&names, draft->resource->name);
        if (!other) {
            table_put(&names, draft->resource->name, draft);
            continue;
        }
        const struct yaml_node *name = yaml_get(draft->declared.node, "name");
        diagnostics_error(build->diagnostics, name ? name->place : draft->place,
                          "%s and %s are both called '%.*s'", other->place.file, draft->place.file,
                          BYTES_ARG(draft->resource->name));
        diagnostics_fix(build->diagnostics, "give one of them another `name`, such as schema.table");
        draft->resource = NULL;
    }
    table_done(&names);
}

static void uses_note(struct resource_build *build)
{
    for (int i = 0; i < build->drafts_count; i++) {
        struct draft *draft = &build->drafts[i];
        if (!draft->resource || !draft->resource->relation)
            continue;
        const uint32_t *oid = &draft->resource->relation->oid;
        draft->same_relation =
            table_put(&build->by_relation, bytes_make((const char *)oid, sizeof *oid), draft);
    }
}

static int by_name(const void *left, const void *right)
{
    return bytes_compare((*(struct draft *const *)left)->resource->name,
                         (*(struct draft *const *)right)->resource->name);
}

/* Resources are pointed at by embeds, so their places are fixed before the embeds are made. */
static void resources_place(struct resource_build *build)
{
    struct resource_set *set = build->set;
    struct draft **sorted = ARENA_ARRAY(&build->scratch, struct draft *, (size_t)build->drafts_count + 1);
    int count = 0;
    for (int i = 0; i < build->drafts_count; i++)
        if (build->drafts[i].resource)
            sorted[count++] = &build->drafts[i];
    qsort(sorted, (size_t)count, sizeof *sorted, by_name);
    set->resources = ARENA_ARRAY(build->arena, struct resource, (size_t)count + 1);
    set->resources_count = count;
    for (int i = 0; i < count; i++) {
        set->resources[i] = *sorted[i]->resource;
        set->resources[i].index = i;
        set->resources[i].set = set;
        sorted[i]->resource = &set->resources[i];
        table_put(&set->by_name, set->resources[i].name, &set->resources[i]);
    }
}

static void set_build(struct resource_build *build, const struct resource_source *sources, int sources_count)
{
    build->drafts = ARENA_ARRAY(&build->scratch, struct draft, (size_t)sources_count + 1);
    for (int i = 0; i < sources_count; i++)
        if (bytes_starts(sources[i].file, BYTES(SCHEMA_FOLDER)))
            schema_library_add(&build->set->library, sources[i].file, sources[i].text, build->diagnostics);
    for (int i = 0; i < sources_count; i++) {
        if (bytes_starts(sources[i].file, BYTES(SCHEMA_FOLDER)))
            continue;
        if (bytes_is(sources[i].file, APP_ERRORS_FILE)) {
            app_errors_read(&build->set->errors, build->arena, APP_ERRORS_FILE, sources[i].text,
                            build->diagnostics);
            continue;
        }
        struct draft *draft = &build->drafts[build->drafts_count++];
        draft->resource = ARENA_NEW(&build->scratch, struct resource);
        if (!resource_declare(build, &sources[i], draft))
            draft->resource = NULL;
    }
    clashes_find(build);
    for (int i = 0; i < build->drafts_count; i++)
        if (build->drafts[i].resource)
            resource_resolve(build, &build->drafts[i]);
    resources_place(build);
    uses_note(build);
    for (int i = 0; i < build->drafts_count; i++)
        if (build->drafts[i].resource)
            resource_embeds_make(build, &build->drafts[i]);
}

bool resource_set_make(struct catalog *catalog, const struct resource_source *sources, int sources_count,
                       const struct pg_encoding *encoding, struct diagnostics *diagnostics,
                       struct resource_set **ret_set)
{
    static _Atomic uint64_t generations;
    if (sources_count > RESOURCE_FILES_MAX)
        return fail(&PROBLEM_TOO_LARGE, "the folder resources has %d files; at most %d are read",
                    sources_count, RESOURCE_FILES_MAX);
    struct resource_set *set = calloc(1, sizeof *set);
    check(set != NULL);
    arena_init(&set->arena, 0); /* bounded by the number and size of files, and by the catalog */
    set->library.arena = &set->arena;
    set->catalog = catalog_ref(catalog);
    set->encoding = *encoding;
    set->references = 1;
    set->generation = atomic_fetch_add(&generations, 1) + 1;

    struct resource_build build = { .set = set, .arena = &set->arena, .diagnostics = diagnostics };
    arena_init(&build.scratch, 0);
    set_build(&build, sources, sources_count);
    table_done(&build.by_relation);
    arena_done(&build.scratch);
    *ret_set = set;
    return true;
}

struct resource_set *resource_set_ref(struct resource_set *set)
{
    atomic_fetch_add_explicit(&set->references, 1, memory_order_relaxed);
    return set;
}

void resource_set_unref(struct resource_set *set)
{
    if (!set || atomic_fetch_sub_explicit(&set->references, 1, memory_order_acq_rel) > 1)
        return;
    for (int i = 0; i < set->resources_count; i++)
        table_done(&set->resources[i].fields_by_name);
    for (int i = 0; i < set->resources_count; i++)
        if (set->resources[i].rules)
            rules_done(&((struct resource_rules *)(uintptr_t)set->resources[i].rules)->held);
    for (int i = 0; i < set->programs_count; i++)
        jsonschema_free(set->programs[i]);
    free(set->programs);
    app_errors_done(&set->errors);
    table_done(&set->by_name);
    catalog_unref(set->catalog);
    arena_done(&set->arena);
    free(set);
}

/* ---- looking up ---- */

const struct resource *resource_find(const struct resource_set *set, struct bytes name)
{
    return table_get(&set->by_name, name);
}

const struct field *resource_field(const struct resource *resource, struct bytes name)
{
    return table_get(&resource->fields_by_name, name);
}

/* What a client writes after '!' to mean this one. */
static struct bytes hint_of(const struct embed *embed)
{
    if (embed->far)
        return embed->far->relation->name;
    return embed->foreign->columns_count == 1 ? embed->foreign->columns[0]->name : embed->foreign->name;
}

static bool key_has(const struct constraint *key, struct bytes hint)
{
    if (bytes_equal(key->name, hint))
        return true;
    for (int i = 0; i < key->columns_count; i++)
        if (bytes_equal(key->columns[i]->name, hint))
            return true;
    return false;
}

static bool hint_fits(const struct embed *embed, struct bytes hint)
{
    if (!hint.size || bytes_equal(hint_of(embed), hint) || key_has(embed->foreign, hint))
        return true;
    return embed->far && key_has(embed->far, hint);
}

static void say_embeds(const struct resource *resource, struct bytes name, struct bytes hint, bool ambiguous)
{
    char list[240];
    size_t size = 0;
    list[0] = '\0';
    for (int i = 0; i < resource->embeds_count && size < sizeof list - 1; i++) {
        const struct embed *embed = &resource->embeds[i];
        if (ambiguous && !(bytes_equal(embed->target->name, name) && hint_fits(embed, hint)))
            continue;
        const int wrote = ambiguous ? snprintf(list + size, sizeof list - size, "%s%.*s!%.*s",
                                               size ? ", " : "", BYTES_ARG(name), BYTES_ARG(hint_of(embed)))
                                    : snprintf(list + size, sizeof list - size, "%s%.*s", size ? ", " : "",
                                               BYTES_ARG(embed->name));
        size += (size_t)wrote;
    }
    if (ambiguous)
        (void)fail(&PROBLEM_QUERY, "'%.*s' has several ways to '%.*s': choose one of %s",
                   BYTES_ARG(resource->name), BYTES_ARG(wire_excerpt(name)), list);
    else if (!resource->embeds_count)
        (void)fail(&PROBLEM_QUERY, "'%.*s' has no related resources", BYTES_ARG(resource->name));
    else
        (void)fail(&PROBLEM_QUERY, "'%.*s' has no related resource '%.*s%s%.*s'; there are %s",
                   BYTES_ARG(resource->name), BYTES_ARG(wire_excerpt(name)), hint.size ? "!" : "",
                   BYTES_ARG(wire_excerpt(hint)), list);
}

/* By the target's name, or else by what the foreign key calls it. *ret_count: how many there are. */
static const struct embed *embed_otherwise(const struct resource *resource, struct bytes name,
                                           struct bytes hint, bool by_target, int *ret_count)
{
    const struct embed *meant = NULL;
    *ret_count = 0;
    for (int i = 0; i < resource->embeds_count; i++) {
        const struct embed *embed = &resource->embeds[i];
        /* The name of a tree's resource means the rows below; the one above is its parent. */
        const bool upwards = embed->kind == EMBED_ONE && embed->target == resource;
        if (!hint_fits(embed, hint) || (by_target && upwards) ||
            !bytes_equal(by_target ? embed->target->name : embed->also, name))
            continue;
        meant = embed;
        (*ret_count)++;
    }
    return meant;
}

const struct embed *resource_embed(const struct resource *resource, struct bytes name, struct bytes hint)
{
    if (name.size) {
        for (int i = 0; i < resource->embeds_count; i++)
            if (bytes_equal(resource->embeds[i].name, name) && hint_fits(&resource->embeds[i], hint))
                return &resource->embeds[i];
        int by_target, by_key;
        const struct embed *target = embed_otherwise(resource, name, hint, true, &by_target);
        const struct embed *key = embed_otherwise(resource, name, hint, false, &by_key);
        if (by_target == 1)
            return target;
        if (by_target == 0 && by_key == 1)
            return key;
        if (by_target > 1) {
            say_embeds(resource, name, hint, true);
            return NULL;
        }
    }
    say_embeds(resource, name, hint, false);
    return NULL;
}

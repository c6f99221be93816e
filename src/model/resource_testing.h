#pragma once
/* resource_testing.h - for the tests of resources: files as text, the set made of them, and what it says; and
 * the databases they are resolved against. */
#define TEST_MAIN_OWN
#include "model/resource.h"
#include "model/testing.h"

static struct catalog *nasty, *as_super, *chinook;

static struct arena arena;
static struct diagnostics diagnostics;
static struct resource_set *set;
static struct resource_source sources[8192];
static int sources_count;

UNUSED static void file(const char *name, const char *text)
{
    sources[sources_count++] = (struct resource_source){ bytes_of(name), bytes_of(text) };
}

UNUSED static void forget(void)
{
    resource_set_unref(set);
    set = NULL;
    sources_count = 0;
    arena_done(&arena);
    failure_clear();
}

/* Makes a set of the files so far; returns what there was to say. */
UNUSED static const char *made_of(struct catalog *catalog)
{
    static struct text said;
    resource_set_unref(set);
    set = NULL;
    arena_done(&arena);
    diagnostics_init(&diagnostics, &arena, 500);
    expect(
        resource_set_make(catalog, sources, sources_count, &(struct pg_encoding){ 0 }, &diagnostics, &set));
    sources_count = 0;
    text_done(&said);
    text_init_heap(&said, 0);
    diagnostics_write(&said, &diagnostics);
    return text_z(&said);
}

UNUSED static const char *made(void)
{
    return made_of(nasty);
}

/* One file, resources/x.yaml. */
UNUSED static const char *made_one(const char *text)
{
    file("resources/x.yaml", text);
    return made();
}

UNUSED static const struct resource *resource(const char *name)
{
    const struct resource *found = resource_find(set, bytes_of(name));
    if (!found)
        print_error("no resource %s\n", name);
    expect(found != NULL);
    return found;
}

UNUSED static const struct field *field(const char *resource_name, const char *name)
{
    const struct field *found = resource_field(resource(resource_name), bytes_of(name));
    if (!found)
        print_error("no field %s\n", name);
    expect(found != NULL);
    return found;
}

/* "list get", in the order of the enum */
UNUSED static const char *operations(const char *name)
{
    static char text[100];
    text[0] = '\0';
    for (int op = 0; op < OPS; op++)
        if (resource(name)->operations & 1u << op)
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", text[0] ? " " : "",
                     operation_names[op]);
    return text;
}

/* "parent>categories children<categories", as the set has them; ~ through a join table, * declared */
UNUSED static const char *embeds(const char *name)
{
    static char text[1000];
    const struct resource *of = resource(name);
    text[0] = '\0';
    for (int i = 0; i < of->embeds_count; i++) {
        const struct embed *embed = &of->embeds[i];
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%.*s%s%.*s", text[0] ? " " : "",
                 BYTES_ARG(embed->name),
                 embed->far                 ? "~"
                 : embed->kind == EMBED_ONE ? ">"
                                            : "<",
                 BYTES_ARG(embed->target->name));
    }
    return text;
}

UNUSED static void expect_says(const char *said, const char *part)
{
    if (!strstr(said, part)) {
        print_error("wanted: %s\nsaid: %s\n", part, said);
        expect(false);
    }
}

int main(void)
{
    conf_preset();
    server_start("");
    database_fill("nasty", SOURCE "/tests/sql/nasty.sql");
    nasty = catalog_of("app", "nasty", NULL).catalog;
    as_super = catalog_of("postgres", "nasty", NULL).catalog;
    if (chinook_fill())
        chinook = catalog_of("postgres", "chinook", NULL).catalog;
    const int failed = test_run_all();
    catalog_unref(nasty);
    catalog_unref(as_super);
    catalog_unref(chinook);
    server_drop();
    return failed;
}

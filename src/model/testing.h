#pragma once
/* testing.h - for this room's tests: the catalogs of a private PostgreSQL that holds tests/sql/nasty.sql and,
 * where it is at hand, chinook. A program that includes it defines TEST_MAIN_OWN and SOURCE (the repository's
 * root). */
#include "model/catalog.h"
#include "pg/testing.h"

struct read_story {
    const char *const *schemas;
    struct catalog *catalog;
    uint64_t fingerprint;
    int64_t read_ns, fingerprint_ns;
};

static void read_run(void *arg)
{
    struct read_story *story = arg;
    failure_clear();
    fiber_deadline_set(clock_now_ns() + 60 * NS_PER_S);
    const int64_t start_ns = clock_now_ns();
    if (!catalog_read(pool, story->schemas, &story->catalog))
        print_error("catalog_read: %s (%s)\n", failure_here->message, failure_here->cause);
    const int64_t middle_ns = clock_now_ns();
    if (story->catalog && !catalog_fingerprint(pool, &story->fingerprint))
        print_error("catalog_fingerprint: %s (%s)\n", failure_here->message, failure_here->cause);
    story->read_ns = middle_ns - start_ns;
    story->fingerprint_ns = clock_now_ns() - middle_ns;
}

UNUSED static const char *database_url(const char *role, const char *database)
{
    static char url[256];
    check(shell(url, sizeof url, PGTEMP " url %s %s %s", server.dir, role, database));
    return url;
}

/* Reads a catalog as that role. schemas: NULL for all. The caller's to unref. */
UNUSED static struct read_story catalog_of(const char *role, const char *database, const char *const *schemas)
{
    struct read_story story = { .schemas = schemas };
    with_pool_on(database_url(role, database), read_run, &story);
    expect(story.catalog != NULL);
    return story;
}

/* Runs SQL as superuser in a database, through psql. */
UNUSED static void psql(const char *database, const char *sql)
{
    check(shell(NULL, 0, "psql -q -X -v ON_ERROR_STOP=1 '%s' >/dev/null <<'END'\n%s\nEND",
                database_url("postgres", database), sql));
}

UNUSED static void database_fill(const char *database, const char *file)
{
    check(shell(NULL, 0, "psql -q -X '%s' -c 'create database %s'", database_url("postgres", "postgres"),
                database));
    check(shell(NULL, 0, "psql -q -X -v ON_ERROR_STOP=1 '%s' -f '%s' >/dev/null",
                database_url("postgres", database), file));
}

/* Chinook makes its database itself. False where the file is not at hand. */
UNUSED static bool chinook_fill(void)
{
    static const char file[] = SOURCE "/../shared/data/chinook.sql";
    if (access(file, R_OK) != 0)
        return false;
    check(shell(NULL, 0, "psql -q -X '%s' -f '%s' >/dev/null 2>&1", database_url("postgres", "postgres"),
                file));
    return true;
}

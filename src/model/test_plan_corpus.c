/* Goal: what the fuzzer found its way with is also SQL to PostgreSQL. Each seed of the corpus that becomes a
 * plan is run; it may be refused for its values, never for its text. And no value or name of a request
 * becomes part of the SQL: hostile ones are put wherever a request has a place, and nothing happens but a
 * refusal or an answer. */
#define TEST_MAIN_OWN
#include "model/plan_testing.h"

#include <dirent.h>

#include "model/plan_sentences.h"

static int ran;

/* Values may be out of range or in no order; rows may be there already, or needed. */
static bool is_about_values(const char *sqlstate)
{
    return strncmp(sqlstate, "22", 2) == 0 || strncmp(sqlstate, "23", 2) == 0;
}

static void run_one(const char *name, struct bytes input)
{
    struct asked asked;
    struct sentence sentence;
    asked_begin(&asked);
    if (sentence_read(&fixture, &asked.arena, input, &sentence) &&
        sentence_plan(&sentence, &asked.arena, &nobody, &cursors, &asked.plan)) {
        const char *bad = sentence_wrong(asked.plan.sql, asked.plan.params_count);
        if (bad) {
            print_error("%s: %s in %.*s\n", name, bad, BYTES_ARG(asked.plan.sql));
            wrong++;
        }
        const bool well = asked_run(&asked, sentence.reads ? PG_READ : PG_WRITE);
        ran += well;
        if (!well && failure_here->problem != &PROBLEM_QUERY &&
            !is_about_values(asked.batch.error.sqlstate)) {
            print_error("%s: %s (%s)\n  %.*s\n  %.*s\n", name, failure_here->message, failure_here->cause,
                        BYTES_ARG(input), BYTES_ARG(asked.plan.sql));
            wrong++;
        }
        if (well)
            check(json_of(&asked) != NULL);
    }
    asked_done(&asked);
}

static void corpus_run(void *arg)
{
    const char *folder = arg;
    static char input[65536];
    char path[512];
    fiber_deadline_set(clock_now_ns() + 300 * NS_PER_S);
    DIR *dir = opendir(folder);
    check(dir != NULL);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        FILE *file = entry->d_name[0] == '.' ? NULL : fopen(path, "r");
        if (!file)
            continue;
        const size_t size = fread(input, 1, sizeof input, file);
        fclose(file);
        run_one(entry->d_name, bytes_make(input, size));
    }
    closedir(dir);
}

TEST(every_statement_that_the_corpus_leads_to_is_sql)
{
    char *folder = getenv("PLAN_CORPUS");
    ran = 0;
    wrong = 0;
    with_pool(corpus_run, folder ? folder : SOURCE "/tests/fuzz/corpus/plan");
    expect_eq(wrong, 0);
    expect(ran > 50);
}

/* ---- hostile text in every place ---- */

static const char *const hostile[] = {
    "'; DROP TABLE shop.log; --",
    "\"; DROP TABLE shop.log; --",
    "x\" OR \"1\"=\"1",
    "' OR '1'='1",
    "1); DELETE FROM shop.log; --",
    "$1",
    "$$; DROP TABLE shop.log; $$",
    "\\",
    "\\'",
    "/*",
    "--",
    "*/",
    "%27",
    "id\"",
    "shop\".\"secrets",
    "\xef\xbc\x87 OR 1=1",
    "E'\\''",
    "::text",
    "current_user",
    "(SELECT pin FROM shop.secrets)",
    "pin",
    "secrets",
    "xmin",
    "ctid",
    "tableoid",
};
static const char *const places[] = {
    "/orders?%s=eq.1",
    "/orders?note=eq.%s",
    "/orders?note=like.%s",
    "/orders?id=eq.%s",
    "/orders?id=in.(%s)",
    "/orders?note=in.(\"%s\",x)",
    "/orders?note=fts(%s).x",
    "/orders?note=wfts.%s",
    "/orders?note=match.%s",
    "/orders?status=eq.%s",
    "/orders?tags=cs.{\"%s\"}",
    "/orders?tags=cs.%s",
    "/orders?data=cs.%s",
    "/orders?data->\"%s\"=eq.1",
    "/orders?data->>%s=eq.1",
    "/orders?data->>a=eq.%s",
    "/orders?period=ov.%s",
    "/orders?placed_at=gt.%s",
    "/orders?select=%s",
    "/orders?select=\"%s\"",
    "/orders?select=\"%s\":id",
    "/orders?select=id::%s",
    "/orders?select=data->>\"%s\"",
    "/orders?select=%s(id)",
    "/orders?select=customer!%s(id)",
    "/orders?select=lines(\"%s\":no)",
    "/orders?select=\"%s\":lines(no)",
    "/orders?select=customer(\"%s\":name)",
    "/orders?select=lines(product(\"%s\":name))",
    "/orders?order=%s",
    "/orders?order=\"%s\".desc",
    "/orders?order=customer(%s)",
    "/orders?order=data->\"%s\"",
    "/orders?order=%s(name)",
    "/orders?%s.name=eq.1",
    "/orders?or=(%s.eq.1,id.eq.1)",
    "/orders?or=(note.eq.\"%s\",id.eq.1)",
    "/orders?after=%s",
    "/orders?before=%s",
    "/customers?nick=eq.%s",
    "/customers?email=ilike.%s",
    "/customers?settings->%s=eq.1",
};

/* Everything but letters and digits as %XX, so that the target itself is sound; the place's own signs stay.
 */
static void target_write(struct text *target, const char *place, const char *content)
{
    const char *at = strstr(place, "%s");
    text_add(target, bytes_make(place, (size_t)(at - place)));
    for (const char *c = content; *c; c++)
        text_printf(target, "%%%02X", (unsigned char)*c);
    for (at += 2; *at; at++)
        text_printf(target, *at == '"' ? "%%22" : "%c", *at);
}

static void hostile_run(void *arg)
{
    (void)arg;
    fiber_deadline_set(clock_now_ns() + 60 * NS_PER_S);
    for (size_t p = 0; p < array_count(places); p++)
        for (size_t h = 0; h < array_count(hostile); h++) {
            struct arena arena;
            struct text input;
            arena_init(&arena, 0);
            text_init(&input, &arena, 256);
            text_lit(&input, "GET ");
            target_write(&input, places[p], hostile[h]);
            run_one(places[p], text_bytes(&input));
            arena_done(&arena);
        }
}

static void bodies_run(void *arg)
{
    (void)arg;
    for (size_t h = 0; h < array_count(hostile); h++) {
        struct arena arena;
        struct text input;
        arena_init(&arena, 0);
        text_init(&input, &arena, 256);
        text_lit(&input, "POST /customers\n{\"name\":");
        json_write_string(&input, bytes_of(hostile[h]));
        text_lit(&input, ",\"nick\":");
        json_write_string(&input, bytes_of(hostile[h]));
        text_lit(&input, ",\"settings\":{");
        json_write_key(&input, bytes_of(hostile[h]));
        json_write_string(&input, bytes_of(hostile[h]));
        text_lit(&input, "}}");
        run_one(hostile[h], text_bytes(&input));
        text_clear(&input);
        text_lit(&input, "POST /categories\n[{");
        json_write_key(&input, bytes_of(hostile[h]));
        text_lit(&input, "1},{\"title\":");
        json_write_string(&input, bytes_of(hostile[h]));
        text_lit(&input, "}]");
        run_one(hostile[h], text_bytes(&input));
        arena_done(&arena);
    }
}

TEST(hostile_text_in_every_place_changes_nothing)
{
    const int log_rows = atoi(side("SELECT count(*) FROM shop.log")),
              tables = atoi(side("SELECT count(*) FROM pg_class"));
    none_wrong(hostile_run);
    none_wrong(bodies_run);
    expect_eq(atoi(side("SELECT count(*) FROM shop.log")), log_rows);
    expect_eq(atoi(side("SELECT count(*) FROM pg_class")), tables);
    /* kept as it is, to the byte */
    for (size_t h = 0; h < array_count(hostile); h++) {
        char sql[512];
        snprintf(sql, sizeof sql,
                 "SELECT count(*) FROM shop.customers WHERE name = $q$%s$q$ AND settings->>$q$%s$q$ = name",
                 hostile[h], hostile[h]);
        expect_eq(atoi(side(sql)), 1);
    }
}

int main(void)
{
    return test_in_shop();
}

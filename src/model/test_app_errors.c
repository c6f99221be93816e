/* Goal: a constraint with a code of the app's own is told by it; and what clients were promised cannot go
 * unnoticed. */
#include "base/test.h"

#include "model/app_errors.h"

static struct arena arena;
static struct diagnostics diagnostics;
static struct text said;

static void begin(void)
{
    arena_done(&arena);
    diagnostics_init(&diagnostics, &arena, 0);
}

static struct app_errors read_as(const char *file, const char *text)
{
    struct app_errors errors;
    app_errors_read(&errors, &arena, file, bytes_of(text), &diagnostics);
    return errors;
}

static struct bytes findings(void)
{
    text_clear(&said);
    diagnostics_write(&said, &diagnostics);
    return text_bytes(&said);
}

static const char *code_of(const struct app_errors *errors, const char *schema, const char *table,
                           const char *constraint)
{
    const struct app_error *error =
        app_errors_of(errors, bytes_of(schema), bytes_of(table), bytes_of(constraint));
    return error ? error->problem.code : "";
}

TEST(a_constraint_has_its_code_and_a_table_tells_namesakes_apart)
{
    begin();
    struct app_errors errors =
        read_as("errors.yaml", "errors:\n"
                               "  conflict.taken: {status: 409, message: Taken., constraint: [a_excl, b]}\n"
                               "  validation.odd: {message: Odd., constraint: same, table: 'shop.\"x\"'}\n"
                               "  validation.even: {message: Even., constraint: same, table: y}\n");
    expect_bytes(findings(), "");
    expect_eq(errors.count, 3);
    expect_str(code_of(&errors, "public", "any", "a_excl"), "conflict.taken");
    expect_str(code_of(&errors, "", "", "b"), "conflict.taken");
    expect_str(code_of(&errors, "shop", "x", "same"), "validation.odd");
    expect_str(code_of(&errors, "public", "y", "same"), "validation.even");
    expect_str(code_of(&errors, "shop", "y", "same"), "");
    expect_str(code_of(&errors, "public", "any", "c"), "");
    expect_str(code_of(&errors, "public", "any", ""), "");
    expect_eq(errors.items[0].problem.status, 409);
    expect_eq(errors.items[1].problem.status, 422);
    app_errors_done(&errors);
}

TEST(what_postgresql_refused_becomes_the_failure)
{
    begin();
    struct app_errors errors =
        read_as("errors.yaml",
                "errors: {conflict.taken: {status: 409, message: Taken., constraint: a, retryable: true}}");
    static const struct problem other = { "conflict.unique", 409, false, "It is.", "", "0.1" };
    const struct pg_error error = { .schema = "", .table = "", .constraint = "a" },
                          without = { .schema = "", .table = "", .constraint = "" };
    failure_clear();
    expect(!fail(&other, "first"));
    expect(!app_errors_tell(&errors, &without));
    expect(failure_here->problem == &other);
    expect(app_errors_tell(&errors, &error) == &errors.items[0]);
    expect_str(failure_here->problem->code, "conflict.taken");
    expect_str(failure_here->message, "Taken.");
    expect(failure_here->problem->retryable);
    failure_clear();
    app_errors_done(&errors);
}

TEST(what_is_wrong_is_told_and_what_is_right_stays)
{
    begin();
    struct app_errors errors =
        read_as("errors.yaml", "errors:\n"
                               "  Taken: {message: x, constraint: a}\n"
                               "  a.b: {message: x, constraint: [a, b], replaced_by: c.d}\n"
                               "  a.c: {message: x, constraint: b}\n");
    expect_eq(errors.count, 1);
    expect_bytes(findings(),
                 "errors.yaml:2:10: error: 'Taken' is no error code\n"
                 "  a class and a name of small letters, digits and _, at most 64: conflict.room_taken\n"
                 "errors.yaml:4:8: error: the constraint b has a code already: a.b\n"
                 "errors.yaml:3:8: error: replaced_by: there is no code 'c.d'\n");
    app_errors_done(&errors);
    begin();
    errors = read_as("errors.yaml",
                     "errors: {a.b: {message: x, constraint: c, status: 500}, a.d: {constrain: c}}");
    expect_eq(errors.count, 0);
    expect(diagnostics.errors_total >= 3);
    app_errors_done(&errors);
}

TEST(codes_are_at_most_64_bytes_and_at_most_1000)
{
    begin();
    char code[80], line[160];
    struct text text;
    text_init_heap(&text, 0);
    text_lit(&text, "errors:\n");
    for (int i = 0; i < APP_ERRORS_MAX + 1; i++)
        text_printf(&text, "  x.c%d: {message: m, constraint: c%d}\n", i, i);
    struct app_errors errors = read_as("errors.yaml", text_z(&text));
    expect_bytes(findings(), "errors.yaml: error: more than 1000 codes\n");
    expect_eq(errors.count, APP_ERRORS_MAX);
    app_errors_done(&errors);
    text_done(&text);
    for (int over = 0; over < 2; over++) {
        begin();
        memset(code, 'a', sizeof code);
        code[1] = '.';
        code[APP_ERROR_CODE_BYTES + over] = '\0';
        snprintf(line, sizeof line, "errors: {%s: {message: m, constraint: c}}", code);
        errors = read_as("errors.yaml", line);
        expect_eq(errors.count, 1 - over);
        app_errors_done(&errors);
    }
}

static struct bytes compared(const char *published, const char *now)
{
    begin();
    struct app_errors before = read_as("errors.lock", published), after = read_as("errors.yaml", now);
    app_errors_compare(&before, &after, &diagnostics);
    app_errors_done(&before);
    app_errors_done(&after);
    return findings();
}

TEST(what_was_published_stays_and_means_the_same)
{
    const char *const lock = "errors:\n  a.b: {message: x, constraint: [c, d], table: s.t}\n";
    expect_bytes(compared(lock, lock), "");
    expect_bytes(compared(lock, "errors:\n  a.b: {message: other, constraint: [e, d, c], table: s.t, status: "
                                "409, deprecated: 2}\n"
                                "  a.c: {message: new, constraint: f}\n"),
                 "");
    expect_bytes(compared(lock, ""),
                 "errors.lock:2:8: error: the code a.b was published and is gone\n"
                 "  put it back into errors.yaml, with `deprecated: VERSION` and `replaced_by: "
                 "CODE` if nothing uses it any more\n");
    expect_bytes(
        compared(lock, "errors:\n  a.b: {message: x, constraint: c, table: t, retryable: true}\n"),
        "errors.yaml:2:8: error: a.b was published for the constraint d and no longer stands for it\n"
        "  keep it, even if the constraint is gone; a new meaning wants a new code\n"
        "errors.yaml:2:8: error: a.b was published for the table s.t\n"
        "errors.yaml:2:8: error: a.b was published as not retryable\n"
        "  clients act on it: give the new behaviour a new code\n");
}

TEST(the_lock_reads_back_as_what_was_written)
{
    begin();
    struct app_errors now = read_as("errors.yaml",
                                    "errors:\n  a.b: {message: \"say \\\"x\\\": #\", constraint: [c, \"d "
                                    "'e'\"], table: s.t, status: 409,"
                                    " retryable: true, since: 1.2, deprecated: 3, replaced_by: a.c}\n"
                                    "  a.c: {message: y, constraint: f}\n"),
                      gone = read_as("errors.lock", "errors: {a.old: {message: z, constraint: g}}");
    struct text lock;
    text_init_heap(&lock, 0);
    app_errors_lock_write(&lock, &gone, &now);
    struct app_errors again = read_as("errors.lock", text_z(&lock));
    expect_bytes(findings(), "");
    expect_eq(again.count, 3);
    expect_str(again.items[0].problem.title, "say \"x\": #");
    expect_bytes(again.items[0].constraints[1], "d 'e'");
    expect_bytes(again.items[0].table, "t");
    expect_bytes(again.items[0].deprecated, "3");
    expect_str(again.items[2].problem.code, "a.old");
    text_done(&lock);
    app_errors_done(&now);
    app_errors_done(&gone);
    app_errors_done(&again);
}

/* Goal: each of PostgreSQL's states becomes the right problem, and nothing of the server's words reaches a
 * client. */
#include "base/test.h"

#include "pg/pg_internal.h"
#include "pg/sqlstate.h"

TEST(a_whole_state_wins_over_its_class_and_the_unknown_is_internal)
{
    static const struct {
        const char *sqlstate;
        const struct problem *problem;
    } cases[] = {
        { "23505", &PROBLEM_UNIQUE },        { "23503", &PROBLEM_FOREIGN_KEY },
        { "23514", &PROBLEM_CHECK },         { "23502", &PROBLEM_NOT_NULL },
        { "23P01", &PROBLEM_EXCLUSION },     { "23000", &PROBLEM_CHECK },
        { "22001", &PROBLEM_VALUE },         { "22P02", &PROBLEM_VALUE },
        { "40001", &PROBLEM_SERIALIZATION }, { "40P01", &PROBLEM_DEADLOCK },
        { "55P03", &PROBLEM_LOCKED },        { "57014", &PROBLEM_QUERY_TIMEOUT },
        { "57P01", &PROBLEM_DATABASE_DOWN }, { "53300", &PROBLEM_DATABASE_DOWN },
        { "42501", &PROBLEM_DENIED },        { "42P01", &PROBLEM_SCHEMA_NOT_READY },
        { "25006", &PROBLEM_READ_ONLY },     { "44000", &PROBLEM_CHECK },
        { "42601", &PROBLEM_INTERNAL },      { "XX000", &PROBLEM_INTERNAL },
        { "", &PROBLEM_INTERNAL },
    };
    for (size_t i = 0; i < array_count(cases); i++)
        expect_str(pg_sqlstate_find(cases[i].sqlstate)->problem->code, cases[i].problem->code);
}

TEST(a_value_that_a_type_cannot_read_is_not_taken_for_a_wrong_statement)
{
    struct pg_error error = { .sqlstate = "42704",
                              .message = "text search configuration \"klingon\" does not exist" };
    expect(pg_error_means(&error)->schema_changed); /* in a statement: something is gone */
    error.param = 1;
    expect(pg_error_means(&error)->problem == &PROBLEM_VALUE && !pg_error_means(&error)->schema_changed);
    memcpy(error.sqlstate, "42501", 6); /* reading it asked for a right */
    expect(pg_error_means(&error)->problem == &PROBLEM_DENIED);
    error = (struct pg_error){ .sqlstate = "42601", .message = "syntax error in tsquery: \"a b\"" };
    expect(pg_error_means(&error)->problem == &PROBLEM_VALUE);
    error.position = 8;
    expect(pg_error_means(&error)->problem == &PROBLEM_INTERNAL);
    error.position = 0;
    error.in_function = true;
    expect(pg_error_means(&error)->problem == &PROBLEM_INTERNAL);
}

TEST(only_conflicts_are_repeated_and_only_ddl_tells_of_ddl)
{
    expect(pg_sqlstate_find("40001")->retry && pg_sqlstate_find("40P01")->retry);
    expect(!pg_sqlstate_find("40002")->retry && !pg_sqlstate_find("23505")->retry &&
           !pg_sqlstate_find("57014")->retry);
    expect(pg_sqlstate_find("42703")->schema_changed && !pg_sqlstate_find("23505")->schema_changed);
}

static struct pg_error error_of(const char *sqlstate, const char *message)
{
    struct pg_error error = { .message = message,
                              .detail = "Key (email)=(jo@example.org) already exists.",
                              .schema = "public",
                              .table = "users",
                              .column = "",
                              .constraint = "users_email_key",
                              .datatype = "" };
    memcpy(error.sqlstate, sqlstate, 6);
    return error;
}

TEST(the_client_sees_our_words_and_the_log_no_values)
{
    failure_clear();
    const struct pg_error unique =
        error_of("23505", "duplicate key value violates unique constraint \"users_email_key\"");
    expect(!pg_error_fail(&unique));
    expect(failure_here->problem == &PROBLEM_UNIQUE);
    expect(strstr(failure_here->message, "users") == NULL);
    expect(strstr(failure_here->cause, "users_email_key") != NULL);
    expect(strstr(failure_here->cause, "jo@example.org") == NULL);
    failure_clear();
    const struct pg_error value = error_of("22P02", "invalid input syntax for type integer: \"secret 12\"");
    expect(!pg_error_fail(&value));
    expect(strstr(failure_here->cause, "secret") == NULL);
    expect(strstr(failure_here->cause, "invalid input syntax for type integer: \"…\"") != NULL);
    failure_clear();
    static char endless[4000];
    memset(endless, '"', sizeof endless - 1);
    const struct pg_error quotes = error_of("22000", endless);
    expect(!pg_error_fail(&quotes));
    failure_clear();
}

TEST(every_problem_is_listed_once_and_told_in_full)
{
    int count = 0;
    for (const struct problem *const *at = pg_problems; *at; at++, count++) {
        expect((*at)->status >= 400 && (*at)->status < 600);
        expect((*at)->title[0] && (*at)->doc[0] && strcmp((*at)->since, "0.1") == 0);
        for (const struct problem *const *other = at + 1; *other; other++)
            expect(strcmp((*at)->code, (*other)->code) != 0);
    }
    expect_eq(count, 17);
}

TEST(every_knob_has_a_preset_in_its_range)
{
    struct pg_conf conf;
    memset(&conf, 0xff, sizeof conf);
    knobs_preset(pg_knobs, &conf);
    for (const struct knob *knob = pg_knobs; knob->name; knob++) {
        char text[128], why[160];
        knob_print(knob, &conf, text);
        expect(knob_parse(knob, bytes_of(text), &conf, why));
        expect(knob->doc && knob->doc[0]);
    }
    const int64_t *fields = (const int64_t *)&conf;
    for (size_t i = 0; i < sizeof conf / sizeof *fields; i++)
        expect(fields[i] >= 0); /* none was forgotten */
}

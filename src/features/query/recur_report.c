/* recur_report.c - the doctor's answer: JSON with the numbers, whether something was found, and the same as
 * text for people. */
#include "features/query/recur_doctor.h"

#include "wire/json_write.h"

static void member(struct text *json, const char *name, struct bytes value)
{
    text_printf(json, ",\"%s\":", name);
    json_write_string(json, value);
}

static void member_or_null(struct text *json, const char *name, struct bytes value)
{
    text_printf(json, ",\"%s\":", name);
    if (value.size)
        json_write_string(json, value);
    else
        json_write_null(json);
}

static void number(struct text *json, const char *name, double value)
{
    if (value < 0)
        text_printf(json, ",\"%s\":null", name);
    else
        text_printf(json, ",\"%s\":%.6g", name, value);
}

/* 90 -> "90 s", 7200 -> "2 h". */
static void span(struct text *text, double seconds)
{
    if (seconds < 120)
        text_printf(text, "%.3g s", seconds);
    else if (seconds < 7200)
        text_printf(text, "%.3g min", seconds / 60);
    else
        text_printf(text, "%.3g h", seconds / 3600);
}

/* ---- for programs ---- */

static void view_write(struct text *json, const struct recur_advice *advice)
{
    text_lit(json, ",\"view\":");
    if (!advice->create.size) {
        json_write_null(json);
        return;
    }
    text_printf(json, "{\"rows\":%.6g", advice->rows);
    member_or_null(json, "cte", advice->of);
    member(json, "key", bytes_of(advice->key));
    member(json, "create", advice->create);
    member(json, "index", advice->index);
    member(json, "grant", advice->grant);
    member(json, "refresh", advice->refresh);
    member(json, "statement", advice->statement);
    member_or_null(json, "notes", advice->notes);
    text_byte(json, '}');
}

static void advice_write(struct text *json, const struct recur_advice *advice)
{
    const struct recur_sums *sums = &advice->sums;
    const struct recur_verdict *verdict = &advice->verdict;
    text_lit(json, "{\"route\":");
    json_write_string(json, advice->subject->route);
    member(json, "file", advice->subject->file);
    member(json, "state", bytes_of(recur_state_names[verdict->state]));
    text_printf(json, ",\"calls\":%llu,\"compared\":%llu,\"changed\":%llu,\"changes\":%llu",
                (unsigned long long)sums->calls, (unsigned long long)sums->compared,
                (unsigned long long)sums->changed, (unsigned long long)sums->moments);
    number(json, "watched_s", verdict->watched_s);
    number(json, "ms", verdict->ms);
    number(json, "changed_share", verdict->changed_share);
    number(json, "between_s", verdict->between_s);
    number(json, "time_share", verdict->time_share);
    const bool recurs = verdict->state == RECUR_RECURS;
    number(json, "refresh_every_s", recurs ? (double)verdict->interval_s : -1);
    number(json, "refresh_time_share", recurs ? verdict->then_share : -1);
    member_or_null(json, "blocked", bytes_of(advice->blocked ? advice->blocked : ""));
    view_write(json, advice);
    text_byte(json, '}');
}

/* ---- for people ---- */

static void numbers_say(struct text *people, const struct recur_advice *advice)
{
    const struct recur_sums *sums = &advice->sums;
    const struct recur_verdict *verdict = &advice->verdict;
    text_printf(people, "  %.*s  (%.*s)\n", BYTES_ARG(advice->subject->route),
                BYTES_ARG(advice->subject->file));
    text_printf(people, "    %llu calls in ", (unsigned long long)sums->calls);
    span(people, verdict->watched_s);
    text_printf(people, ", %.2f ms of PostgreSQL each: %.2f %% of that time\n", verdict->ms,
                verdict->time_share * 100);
    text_printf(
        people, "    %llu compared with the one before that had the same parameters: %llu changed (%.2f %%)",
        (unsigned long long)sums->compared, (unsigned long long)sums->changed, verdict->changed_share * 100);
    text_add_z(people, verdict->state == RECUR_FEW       ? "; too few to judge by\n"
                       : verdict->state == RECUR_CHEAP   ? "; too cheap to spare\n"
                       : verdict->state == RECUR_CHANGES ? "; it changes too often\n"
                                                         : "\n");
}

static void pace_say(struct text *people, const struct recur_verdict *verdict)
{
    text_lit(people, "    -> ");
    if (verdict->between_s < 0) {
        text_lit(people, "no change was seen: refresh when data was loaded, or every ");
    } else {
        text_lit(people, "it changes every ");
        span(people, verdict->between_s);
        text_lit(people, " or so: refresh every ");
    }
    span(people, (double)verdict->interval_s);
    text_printf(people, ", for %.2f %% of PostgreSQL's time if a refresh costs what a call does\n",
                verdict->then_share * 100);
}

/* SQL to be copied: not indented, since strings may span lines. */
static void view_say(struct text *people, const struct recur_advice *advice)
{
    static const char *const keys[][2] = {
        { "group", "the columns that it groups by" },
        { "primary", "the primary key of the only table that it reads" },
        { "row_number", "the rows' numbers: no columns of its own are a key for certain" },
    };
    text_lit(people, "    -> ");
    if (advice->of.size)
        text_printf(people, "%.*s does not depend on the parameters", BYTES_ARG(advice->of));
    else
        text_lit(people, "the statement has no parameters");
    text_printf(people, "; about %.0f rows. As the tables' owner:\n\n", advice->rows);
    text_printf(people, "%.*s;\n%.*s;", BYTES_ARG(advice->create), BYTES_ARG(advice->index));
    for (size_t i = 0; i < array_count(keys); i++)
        if (strcmp(keys[i][0], advice->key) == 0)
            text_printf(people, " -- %s\n", keys[i][1]);
    text_printf(people, "%.*s;\n\n", BYTES_ARG(advice->grant));
    text_printf(people, "%.*s; -- every ", BYTES_ARG(advice->refresh));
    span(people, (double)advice->verdict.interval_s);
    text_printf(people, "\n\n    and %.*s becomes:\n\n%.*s\n\n", BYTES_ARG(advice->subject->file),
                BYTES_ARG(advice->statement));
    if (advice->notes.size)
        text_printf(people, "    note: %.*s\n", BYTES_ARG(advice->notes));
}

static void advice_say(struct text *people, const struct recur_advice *advice)
{
    numbers_say(people, advice);
    if (advice->verdict.state != RECUR_RECURS)
        return;
    pace_say(people, &advice->verdict);
    if (advice->create.size)
        view_say(people, advice);
    else if (advice->blocked)
        text_printf(people, "    -> it can't be a materialized view as it stands: %s\n", advice->blocked);
}

void recur_report(const struct recur_advice *advice, int count, int left_out, bool off, struct text *json)
{
    struct text people;
    int found = 0;
    text_init_heap(&people, 0);
    for (int i = 0; i < count; i++)
        found += advice[i].verdict.state == RECUR_RECURS;
    const char *verdict = off ? "off" : found ? "found" : "ok";
    text_printf(json,
                "{\"doctor\":\"recurring\",\"verdict\":\"%s\",\"found\":%s,\"left_out\":%d,\"routes\":[",
                verdict, found ? "true" : "false", left_out);
    text_printf(&people, "recurring: %s\n", verdict);
    if (off)
        text_lit(&people, "  query.recurring_every is 0: nothing is counted\n");
    else if (!count)
        text_lit(&people, "  no statement with a WITH was called yet\n");
    for (int i = 0; i < count; i++) {
        text_add_z(json, i ? "," : "");
        advice_write(json, &advice[i]);
        advice_say(&people, &advice[i]);
    }
    if (left_out)
        text_printf(&people, "  %d further routes are not watched\n", left_out);
    text_lit(json, "],\"text\":");
    json_write_string(json, text_bytes(&people));
    text_byte(json, '}');
    text_done(&people);
}

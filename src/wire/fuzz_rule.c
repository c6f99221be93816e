/* Any expression over any body: it is refused with a place and a sentence, or judged, twice alike; and it and
 * its negation are never both false. The first line is the rule, the rest the body, whose members are the
 * fields. */
#include <stdlib.h>

#include "wire/rule.h"

#define FIELDS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct rule_field fields[FIELDS_MAX];
static struct rule_input inputs[FIELDS_MAX];
static struct rule_column columns[FIELDS_MAX];

/* Kinds and what is unsent come with the names: their length decides. */
static size_t fields_read(const struct json_doc *doc, struct arena *arena)
{
    size_t count = 0;
    for (const struct json_node *member = json_first(json_root(doc)); member && count < FIELDS_MAX;
         member = json_next(member)) {
        const struct bytes name = json_string(doc, json_key(member), arena);
        const enum rule_kind kind = name.size % 8 < 6 ? (enum rule_kind)(name.size % 8) : RULE_ANY;
        const bool unsent = name.size % 5 == 4;
        fields[count] = (struct rule_field){ name, kind };
        columns[count] = (struct rule_column){ .sql = BYTES("\"c\""), .zoned = name.size % 2 };
        inputs[count++] = (struct rule_input){ doc, unsent ? NULL : member, unsent };
    }
    return count;
}

static bool is_false(const struct rule_program *program, struct arena *arena, bool *ret_fault)
{
    struct rule_report report, again;
    check(rule_run(program, inputs, arena, &report) && rule_run(program, inputs, arena, &again));
    check(report.count == again.count && report.more == again.more && report.count <= RULE_FAILURES_MAX);
    *ret_fault = false;
    for (uint32_t i = 0; i < report.count; i++) {
        const struct rule_failure *failure = &report.failures[i];
        check(strcmp(failure->pointer, again.failures[i].pointer) == 0 &&
              failure->code == again.failures[i].code);
        check(!failure->code || bytes_is_utf8(bytes_of(failure->message)));
        *ret_fault |= failure->code != NULL;
    }
    return report.count > 0;
}

static void judge(struct bytes rule, const struct rule_fields *known, struct arena *arena)
{
    struct rule_program *program, *opposite;
    struct wire_error error = { 0 };
    struct text negated, sql;
    const char *why;
    bool fault, fault_opposite = false, broken;
    if (!rule_compile(arena, rule, known, &program, &error)) {
        check(error.code && error.message[0] && bytes_is_utf8(bytes_of(error.message)) &&
              error.offset <= rule.size);
        return;
    }
    broken = is_false(program, arena, &fault);
    text_init(&negated, arena, 0);
    text_lit(&negated, "not (");
    text_add(&negated, rule);
    text_lit(&negated, ")");
    if (rule_compile(arena, text_bytes(&negated), known, &opposite, &error)) {
        const bool broken_too = is_false(opposite, arena, &fault_opposite);
        check(fault || fault_opposite || !broken || !broken_too);
        rule_free(opposite);
    } else {
        check(strcmp(error.code, RULE_ERROR_LIMIT) == 0);
    }
    text_init_heap(&sql, 0);
    const struct rule_sql with = { columns, NULL };
    if (!rule_sql_write(&sql, program, &with, &why))
        check(why != NULL);
    text_done(&sql);
    rule_free(program);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size ? size : 1);
    check(copy != NULL);
    memcpy(copy, data, size);
    struct bytes rest = { copy, size };
    const struct bytes rule = bytes_cut(&rest, '\n');
    struct arena arena;
    struct json_doc doc;
    struct json_error error;
    arena_init(&arena, 0);
    if (rest.data && json_parse(rest, NULL, &arena, &doc, &error) &&
        json_type(json_root(&doc)) == JSON_OBJECT) {
        const struct rule_fields known = { fields, fields_read(&doc, &arena) };
        judge(rule, &known, &arena);
    }
    arena_done(&arena);
    free(copy);
    return 0;
}

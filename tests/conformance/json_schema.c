/* Runs the JSON-Schema-Test-Suite, draft 2020-12: every required case, and of the optional ones what we
 * claim. Each case is judged twice, by jsonschema_test() and jsonschema_validate(), which must agree and have
 * something to say. Argument: the suite's folder. Exit 77 (skipped) without it.
 * Source: https://github.com/json-schema-org/JSON-Schema-Test-Suite. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "wire/jsonschema.h"

#define SKIPPED 77
#define REMOTE  "http://localhost:1234/" /* where the suite believes its remotes/ to be served */

/* Not claimed: other drafts' keywords and references into them; IDNA's tables. */
static const char *const not_claimed[] = { "cross-draft.json", "dependencies-compatibility.json",
                                           "idn-hostname.json" };

static const char *suite;
static struct arena files;
static int cases, wrong, left_out;

static bool file_read(const char *path, struct bytes *ret_content)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return false;
    struct text content;
    text_init(&content, &files, 0);
    char piece[4096];
    for (size_t got; (got = fread(piece, 1, sizeof piece, file)) > 0;)
        text_add(&content, (struct bytes){ piece, got });
    fclose(file);
    *ret_content = text_bytes(&content);
    return true;
}

static bool fetch(void *arg, struct bytes uri, struct bytes *ret_text)
{
    if (!bytes_starts(uri, BYTES(REMOTE)))
        return false;
    const struct bytes path = bytes_from(uri, sizeof REMOTE - 1);
    return file_read(arena_printf(&files, "%s/remotes/%.*s", suite, BYTES_ARG(path)), ret_text);
}

static void run_case(const char *name, struct bytes group, const struct jsonschema *schema,
                     const struct json_doc *doc, const struct json_node *one)
{
    const struct json_node *data = json_get(doc, one, BYTES("data"));
    const bool valid = json_is_true(json_get(doc, one, BYTES("valid")));
    const struct bytes title = json_string(doc, json_get(doc, one, BYTES("description")), &files);
    struct arena arena;
    arena_init(&arena, 0);
    struct jsonschema_report report;
    const enum jsonschema_verdict quick = jsonschema_test(schema, doc, data, &arena);
    const enum jsonschema_verdict verdict = jsonschema_validate(schema, doc, data, &arena, &report);
    cases++;
    const bool told = verdict != JSONSCHEMA_INVALID || (report.count > 0 && report.errors[0].message[0]);
    if (verdict != (valid ? JSONSCHEMA_VALID : JSONSCHEMA_INVALID) || quick != verdict || !told) {
        printf("wrong: %s: %.*s: %.*s: %s\n", name, BYTES_ARG(group), BYTES_ARG(title),
               verdict == JSONSCHEMA_VALID     ? "held, must not"
               : verdict == JSONSCHEMA_INVALID ? report.errors[0].message
                                               : report.refusal);
        wrong++;
    }
    arena_done(&arena);
}

static void run_group(const char *name, bool asserts, const struct json_doc *doc,
                      const struct json_node *group)
{
    const struct json_node *schema_node = json_get(doc, group, BYTES("schema"));
    const struct jsonschema_options options = { .lenient = true,
                                                .format_annotates = !asserts,
                                                .fetch = fetch };
    const struct bytes title = json_string(doc, json_get(doc, group, BYTES("description")), &files);
    struct jsonschema *schema;
    struct jsonschema_fault fault;
    if (!jsonschema_compile(json_raw(doc, schema_node), &options, &schema, &fault)) {
        printf("wrong: %s: %.*s: refused: %s%s: %s\n", name, BYTES_ARG(title), fault.uri, fault.pointer,
               fault.message);
        wrong++;
        return;
    }
    const struct json_node *tests = json_get(doc, group, BYTES("tests"));
    for (const struct json_node *one = json_first(tests); one; one = json_next(one))
        run_case(name, title, schema, doc, one);
    jsonschema_free(schema);
}

static int is_json(const struct dirent *entry)
{
    return bytes_ends(bytes_of(entry->d_name), BYTES(".json"));
}

/* Returns how many files there were. */
static int run_folder(const char *folder, bool asserts)
{
    struct dirent **entries;
    const int count = scandir(arena_printf(&files, "%s/tests/draft2020-12/%s", suite, folder), &entries,
                              is_json, alphasort);
    for (int i = 0; i < count; i++) {
        const char *name = arena_printf(&files, "%s%s", folder, entries[i]->d_name);
        bool claimed = true;
        for (size_t k = 0; k < array_count(not_claimed); k++)
            claimed &= strcmp(entries[i]->d_name, not_claimed[k]) != 0;
        struct bytes text;
        struct json_doc doc;
        struct json_error error;
        free(entries[i]);
        if (!claimed) {
            printf("not claimed: %s\n", name);
            left_out++;
            continue;
        }
        check(file_read(arena_printf(&files, "%s/tests/draft2020-12/%s", suite, name), &text));
        if (!json_parse(text, NULL, &files, &doc, &error)) {
            printf("wrong: %s: %s\n", name, error.message);
            wrong++;
            continue;
        }
        for (const struct json_node *group = json_first(json_root(&doc)); group; group = json_next(group))
            run_group(name, asserts, &doc, group);
    }
    if (count >= 0)
        free(entries);
    return count;
}

int main(int argc, char **argv)
{
    check(argc == 2);
    suite = argv[1];
    arena_init(&files, 0);
    const int required = run_folder("", false);
    if (required <= 0) {
        printf("skipped: JSON-Schema-Test-Suite is not at %s\n", suite);
        return SKIPPED;
    }
    const int required_cases = cases, required_wrong = wrong;
    printf("required: %d files, %d cases, %d wrong\n", required, required_cases, required_wrong);
    run_folder("optional/", false);
    run_folder("optional/format/", true);
    printf("optional: %d cases, %d wrong, %d files not claimed\n", cases - required_cases,
           wrong - required_wrong, left_out);
    jsonschema_thread_done();
    arena_done(&files);
    return wrong ? 1 : 0;
}

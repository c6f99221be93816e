/* Runs json_parse() over JSONTestSuite: every y_ is accepted, every n_ refused, and what RFC 8259 leaves open
 * (i_) is decided as docs/reference/json-parsing.md says. Arguments: the suite's folder, the page. Exit 77
 * (skipped) without the suite. Source: https://github.com/nst/JSONTestSuite, test_parsing. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "wire/json.h"

#define SKIPPED 77

static struct bytes file_read(const char *path, struct arena *arena)
{
    FILE *file = fopen(path, "rb");
    check(file != NULL);
    struct text content;
    text_init(&content, arena, 0);
    char piece[4096];
    for (size_t got; (got = fread(piece, 1, sizeof piece, file)) > 0;)
        text_add(&content, (struct bytes){ piece, got });
    fclose(file);
    return text_bytes(&content);
}

/* The page's line for a file: "| `name` | accepted | …" or "| `name` | `json.utf8` | …". */
static bool page_agrees(const char *page, const char *name, bool accepted, const char *code,
                        struct arena *arena)
{
    const char *line = accepted ? arena_printf(arena, "| `%s` | accepted |", name)
                                : arena_printf(arena, "| `%s` | `%s` |", name, code);
    return strstr(page, line) != NULL;
}

static int is_json(const struct dirent *entry)
{
    return bytes_ends(bytes_of(entry->d_name), BYTES(".json"));
}

/* How many names the page's table holds: one more than there are files would be a lie too. */
static int page_names(const char *page)
{
    int count = 0;
    for (const char *at = page; (at = strstr(at, "\n| `i_")); at++)
        count++;
    return count;
}

int main(int argc, char **argv)
{
    check(argc == 3);
    struct dirent **files;
    const int count = scandir(argv[1], &files, is_json, alphasort);
    if (count <= 0) {
        printf("skipped: JSONTestSuite is not at %s\n", argv[1]);
        return SKIPPED;
    }
    struct arena page_arena, arena;
    arena_init(&page_arena, 0);
    arena_init(&arena, 0);
    const struct bytes page_bytes = file_read(argv[2], &page_arena);
    const char *page = arena_copy(&page_arena, page_bytes);
    int wrong = 0, open_cases = 0;
    for (int i = 0; i < count; i++) {
        const char *name = files[i]->d_name;
        const struct bytes text = file_read(arena_printf(&arena, "%s/%s", argv[1], name), &arena);
        struct json_doc doc;
        struct json_error error = { .code = "" };
        const bool accepted = json_parse(text, NULL, &arena, &doc, &error);
        bool right = accepted == (name[0] == 'y');
        if (name[0] == 'i') {
            right = page_agrees(page, name, accepted, error.code, &arena);
            open_cases++;
        }
        /* Names that stand twice are the decoder's to refuse, not the grammar's. */
        const bool twice = strstr(name, "duplicated_key") != NULL;
        const struct json_limits strict = { .refuse_duplicate_keys = true };
        if (name[0] == 'y' && json_parse(text, &strict, &arena, &doc, &error) == twice)
            right = false;
        if (!right) {
            printf("wrong: %s %s %s\n", name,
                   accepted ? "accepted" : "refused:", accepted ? "" : error.message);
            wrong++;
        }
        if (name[0] == 'i')
            printf("| `%s` | %s%s%s |\n", name, accepted ? "" : "`", accepted ? "accepted" : error.code,
                   accepted ? "" : "`");
        arena_done(&arena);
        free(files[i]);
    }
    free(files);
    if (page_names(page) != open_cases) {
        printf("wrong: %s decides %d files, the suite leaves %d open\n", argv[2], page_names(page),
               open_cases);
        wrong++;
    }
    printf("%d files, %d wrong\n", count, wrong);
    arena_done(&page_arena);
    return wrong ? 1 : 0;
}

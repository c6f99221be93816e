/* Whatever an app declares: its three variants compile or are refused with a place, and what is made of it
 * for OpenAPI is JSON. The CHECK has balanced quotes and parentheses. */
#include "model/schema.h"
#include "model/schema_sql.h"

const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libfyaml.so"; /* see wire/fuzz_yaml.c */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void bundle(const struct schema_library *library, const struct schema *schema, enum schema_use use,
                   struct arena *arena)
{
    struct text out;
    struct json_doc doc;
    struct json_error error;
    text_init(&out, arena, 0);
    schema_bundle_write(&out, library, schema, use, "#/components/schemas/x");
    check(!text_ok(&out) ||
          json_parse(text_bytes(&out), &(struct json_limits){ .depth_max = 1024 }, arena, &doc, &error));
}

/* Outside of quotes, what opens closes. */
static void balanced(struct bytes sql)
{
    int open = 0;
    bool quoted = false, escapes = false;
    for (size_t i = 0; i < sql.size; i++) {
        const char c = sql.data[i];
        if (quoted && escapes && c == '\\')
            i++;
        else if (c == '\'') {
            escapes = !quoted && i && sql.data[i - 1] == 'E';
            quoted = !quoted;
        } else if (!quoted)
            open += (c == '(') - (c == ')');
        check(open >= 0);
    }
    check(!quoted && open == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct bytes text = { (const char *)data, size };
    struct arena arena;
    struct diagnostics diagnostics;
    struct schema schema;
    struct yaml_node *root;
    arena_init(&arena, 256 << 20);
    diagnostics_init(&diagnostics, &arena, 0);
    struct schema_library library = { .arena = &arena };
    schema_library_add(&library, BYTES("schemas/a.yaml"), text, &diagnostics);
    schema_library_add(&library, BYTES("schemas/a.json"), text, &diagnostics);
    const struct yaml_source source = { .file = "resources/x.yaml", .text = text };
    if (yaml_parse(&arena, &source, &diagnostics, &root) &&
        schema_declare(&library, BYTES("resources/x.yaml"), root, &diagnostics, &schema)) {
        for (int use = SCHEMA_WHOLE; use <= SCHEMA_READ; use++) {
            const int errors = diagnostics.errors_total;
            struct jsonschema *program =
                schema_compile(&library, &schema, (enum schema_use)use, &diagnostics);
            check((program == NULL) == (diagnostics.errors_total > errors));
            if (use == SCHEMA_WHOLE && !program)
                break;
            jsonschema_free(program);
            bundle(&library, &schema, (enum schema_use)use, &arena);
        }
        struct text sql, notes;
        text_init_heap(&sql, SCHEMA_SQL_BYTES_MAX);
        text_init_heap(&notes, SCHEMA_SQL_BYTES_MAX);
        if (!diagnostics.errors_total && schema_sql_write(&sql, &notes, &library, &schema, "$1"))
            balanced(text_bytes(&sql));
        text_done(&sql);
        text_done(&notes);
    }
    arena_done(&arena);
    return 0;
}

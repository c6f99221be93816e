#include "model/app_errors.h"

#include <stdlib.h>

#include "model/resource.h"
#include "wire/json_write.h"
#include "wire/shape.h"
#include "wire/sqltext.h"

struct app_error_use { /* a constraint of that name */
    const struct app_error *error;
    struct app_error_use *next; /* of other relations */
};

/* ---- the file ---- */

struct declared {
    const struct yaml_node *node;
    struct bytes code, message, doc, since, deprecated, replaced_by, table;
    int64_t status;
    bool retryable;
    struct shape_texts constraint;
};
static const struct shape_field declared_fields[] = {
    SHAPE_SELF(struct declared, node),
    SHAPE_KEY(struct declared, code),
    SHAPE_TEXT(struct declared, message, .required = true, .min = 1, .max = FAILURE_TEXT_BYTES - 1,
               .doc = "What the client is told: one sentence, without internals."),
    SHAPE_TEXTS(struct declared, constraint, .required = true,
                .doc = "The constraints (or unique indexes) that it stands for, by name; also what RAISE … "
                       "USING CONSTRAINT names."),
    SHAPE_TEXT(struct declared, table,
               .doc = "schema.table of those constraints, where others have the same names."),
    SHAPE_INT(struct declared, status, .min = APP_ERROR_STATUS_FIRST, .max = APP_ERROR_STATUS_LAST,
              .preset = "422", .doc = "HTTP status."),
    SHAPE_BOOL(struct declared, retryable, .preset = "false",
               .doc = "Whether the same request may succeed later, unchanged."),
    SHAPE_TEXT(struct declared, doc, .max = 4000, .doc = "When it happens and what the client can do."),
    SHAPE_TEXT(struct declared, since, .preset = "1", .max = 32,
               .doc = "The app's version that introduced it."),
    SHAPE_TEXT(struct declared, deprecated, .max = 32,
               .doc = "The app's version since which it is not used."),
    SHAPE_TEXT(struct declared, replaced_by, .max = APP_ERROR_CODE_BYTES,
               .doc = "The code that is used instead."),
    { 0 }
};
static const struct shape declared_shape = { "error", "A code of the app's own.", sizeof(struct declared),
                                             declared_fields };
struct file {
    struct shape_list errors;
};
static const struct shape_field file_fields[] = {
    SHAPE_MAP(struct file, errors, .shape = &declared_shape,
              .doc = "By code, such as conflict.room_taken: a class that clients know, and a name."),
    { 0 }
};
static const struct shape file_shape = { "errors", "The app's own error codes.", sizeof(struct file),
                                         file_fields };

void app_errors_schema_write(struct text *text)
{
    shape_schema_write(text, &file_shape, "urn:lintel:schema:errors");
}

/* class.name, each of a-z, 0-9 and _. */
static bool is_code(struct bytes code)
{
    if (!code.size || code.size > APP_ERROR_CODE_BYTES)
        return false;
    int parts = 0;
    for (struct bytes rest = code; rest.data; parts++) {
        const struct bytes part = bytes_cut(&rest, '.');
        if (!part.size || part.data[0] < 'a' || part.data[0] > 'z')
            return false;
        for (size_t i = 0; i < part.size; i++) {
            const char c = part.data[i];
            if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'))
                return false;
        }
    }
    return parts >= 2;
}

/* Texts of the tree end with it. */
static const char *keep(struct arena *arena, struct bytes text)
{
    const char *kept = arena_copy(arena, text.data ? text : BYTES(""));
    return kept ? kept : "";
}

static bool relation_fits(const struct app_error *error, struct bytes schema, struct bytes table)
{
    return !error->table.size || !table.size ||
           (bytes_equal(error->table, table) && (!schema.size || bytes_equal(error->schema, schema)));
}

static bool use_add(struct app_errors *errors, struct arena *arena, const struct app_error *error,
                    struct bytes constraint, struct source_place place, struct diagnostics *diagnostics)
{
    struct app_error_use *first = table_get(&errors->by_constraint, constraint);
    for (const struct app_error_use *use = first; use; use = use->next)
        if (relation_fits(use->error, error->schema, error->table))
            return diagnostics_error(diagnostics, place, "the constraint %.*s has a code already: %s",
                                     BYTES_ARG(constraint), use->error->problem.code);
    struct app_error_use *use = ARENA_NEW(arena, struct app_error_use);
    if (!use)
        return false;
    *use = (struct app_error_use){ error, first };
    table_put(&errors->by_constraint, constraint, use);
    return true;
}

static bool error_add(struct app_errors *errors, struct arena *arena, const struct declared *declared,
                      struct diagnostics *diagnostics)
{
    struct app_error *error = &errors->items[errors->count];
    const struct source_place place = declared->node->place;
    if (!is_code(declared->code)) {
        (void)diagnostics_error(diagnostics, place, "'%.*s' is no error code", BYTES_ARG(declared->code));
        diagnostics_fix(diagnostics,
                        "a class and a name of small letters, digits and _, at most %d: "
                        "conflict.room_taken",
                        APP_ERROR_CODE_BYTES);
        return false;
    }
    *error = (struct app_error){
        .problem = { .code = keep(arena, declared->code),
                     .status = (int)declared->status,
                     .retryable = declared->retryable,
                     .title = keep(arena, declared->message),
                     .doc = keep(arena, declared->doc),
                     .since = keep(arena, declared->since) },
        .deprecated = bytes_of(keep(arena, declared->deprecated)),
        .replaced_by = bytes_of(keep(arena, declared->replaced_by)),
        .constraints = ARENA_ARRAY(arena, struct bytes, (size_t)declared->constraint.count + 1),
        .constraints_count = declared->constraint.count,
        .place = place,
    };
    if (declared->table.size &&
        !table_name_read(arena, bytes_of(keep(arena, declared->table)), &error->schema, &error->table))
        return diagnostics_error(diagnostics, place, "table: `%.*s` names no table",
                                 BYTES_ARG(declared->table));
    for (int i = 0; error->constraints && i < error->constraints_count; i++) {
        error->constraints[i] = bytes_of(keep(arena, declared->constraint.items[i]));
        if (!use_add(errors, arena, error, error->constraints[i], place, diagnostics))
            return false;
    }
    errors->count++;
    return error->constraints != NULL;
}

void app_errors_read(struct app_errors *errors, struct arena *arena, const char *file, struct bytes text,
                     struct diagnostics *diagnostics)
{
    struct arena scratch;
    struct yaml_node *root;
    struct file read;
    *errors = (struct app_errors){ 0 };
    arena_init(&scratch, 64 << 20);
    const struct yaml_source source = { .file = file, .text = text };
    if (yaml_parse(&scratch, &source, diagnostics, &root) &&
        shape_decode(&scratch, &file_shape, root, &read, diagnostics)) {
        const struct declared *declared = read.errors.items;
        const int count = read.errors.count < APP_ERRORS_MAX ? read.errors.count : APP_ERRORS_MAX;
        if (count < read.errors.count)
            (void)diagnostics_error(diagnostics, (struct source_place){ source.file, 0, 0 },
                                    "more than %d codes", APP_ERRORS_MAX);
        errors->items = ARENA_ARRAY(arena, struct app_error, (size_t)count + 1);
        for (int i = 0; errors->items && i < count; i++)
            (void)error_add(errors, arena, &declared[i], diagnostics);
    }
    for (int i = 0; i < errors->count; i++) {
        const struct app_error *error = &errors->items[i];
        if (error->replaced_by.size && !app_errors_coded(errors, error->replaced_by.data))
            (void)diagnostics_error(diagnostics, error->place, "replaced_by: there is no code '%.*s'",
                                    BYTES_ARG(error->replaced_by));
    }
    arena_done(&scratch);
}

void app_errors_done(struct app_errors *errors)
{
    table_done(&errors->by_constraint);
}

/* ---- telling ---- */

const struct app_error *app_errors_of(const struct app_errors *errors, struct bytes schema,
                                      struct bytes table, struct bytes constraint)
{
    if (!errors->count || !constraint.size)
        return NULL;
    for (const struct app_error_use *use = table_get(&errors->by_constraint, constraint); use;
         use = use->next)
        if (relation_fits(use->error, schema, table))
            return use->error;
    return NULL;
}

const struct app_error *app_errors_coded(const struct app_errors *errors, const char *code)
{
    for (int i = 0; i < errors->count; i++)
        if (strcmp(code, errors->items[i].problem.code) == 0)
            return &errors->items[i];
    return NULL;
}

const struct app_error *app_errors_tell(const struct app_errors *errors, const struct pg_error *error)
{
    const struct app_error *own =
        app_errors_of(errors, bytes_of(error->schema), bytes_of(error->table), bytes_of(error->constraint));
    if (own) {
        failure_here->problem = &own->problem;
        snprintf(failure_here->message, sizeof failure_here->message, "%s", own->problem.title);
    }
    return own;
}

void app_errors_document(struct text *text, const struct app_errors *errors, const char *const *named)
{
    for (int status = APP_ERROR_STATUS_FIRST; errors->count && status <= APP_ERROR_STATUS_LAST; status++) {
        bool told = false, used = false;
        for (const char *const *name = named; *name && !told; name++)
            told = atoi(*name) == status;
        for (int i = 0; i < errors->count && !used; i++)
            used = errors->items[i].problem.status == status;
        if (used && !told)
            text_printf(text, ",\"%d\":{\"$ref\":\"#/components/responses/Failure\"}", status);
    }
}

/* ---- what was published ---- */

static bool has_constraint(const struct app_error *error, struct bytes constraint)
{
    for (int i = 0; i < error->constraints_count; i++)
        if (bytes_equal(error->constraints[i], constraint))
            return true;
    return false;
}

static void compare_one(const struct app_error *before, const struct app_error *now,
                        struct diagnostics *diagnostics)
{
    const char *code = before->problem.code;
    for (int i = 0; i < before->constraints_count; i++)
        if (!has_constraint(now, before->constraints[i])) {
            (void)diagnostics_error(diagnostics, now->place,
                                    "%s was published for the constraint %.*s and no longer stands for it",
                                    code, BYTES_ARG(before->constraints[i]));
            diagnostics_fix(diagnostics,
                            "keep it, even if the constraint is gone; a new meaning wants a new code");
        }
    if (before->table.size &&
        !(bytes_equal(before->table, now->table) && bytes_equal(before->schema, now->schema)))
        (void)diagnostics_error(diagnostics, now->place, "%s was published for the table %.*s.%.*s", code,
                                BYTES_ARG(before->schema), BYTES_ARG(before->table));
    if (before->problem.retryable != now->problem.retryable) {
        (void)diagnostics_error(diagnostics, now->place, "%s was published as%s retryable", code,
                                before->problem.retryable ? "" : " not");
        diagnostics_fix(diagnostics, "clients act on it: give the new behaviour a new code");
    }
}

void app_errors_compare(const struct app_errors *published, const struct app_errors *now,
                        struct diagnostics *diagnostics)
{
    for (int i = 0; i < published->count; i++) {
        const struct app_error *before = &published->items[i];
        const struct app_error *kept = app_errors_coded(now, before->problem.code);
        if (kept) {
            compare_one(before, kept, diagnostics);
            continue;
        }
        (void)diagnostics_error(diagnostics, before->place, "the code %s was published and is gone",
                                before->problem.code);
        diagnostics_fix(diagnostics, "put it back into " APP_ERRORS_FILE ", with `deprecated: VERSION` and "
                                     "`replaced_by: CODE` if nothing uses it any more");
    }
}

static void lock_text(struct text *out, const char *name, struct bytes value)
{
    if (!value.size)
        return;
    text_printf(out, ", %s: ", name);
    json_write_string(out, value);
}

/* A line a code, so that a merge of two branches is one of lines. JSON's strings are YAML's. */
static void lock_line(struct text *out, const struct app_error *error)
{
    text_printf(out, "  %s: {status: %d, retryable: %s, constraint: [", error->problem.code,
                error->problem.status, error->problem.retryable ? "true" : "false");
    for (int i = 0; i < error->constraints_count; i++) {
        text_add_z(out, i ? ", " : "");
        json_write_string(out, error->constraints[i]);
    }
    text_byte(out, ']');
    if (error->table.size) {
        text_lit(out, ", table: ");
        struct text name;
        text_init_heap(&name, 0);
        sqltext_identifier(&name, error->schema);
        text_byte(&name, '.');
        sqltext_identifier(&name, error->table);
        json_write_string(out, text_bytes(&name));
        text_done(&name);
    }
    lock_text(out, "message", bytes_of(error->problem.title));
    lock_text(out, "since", bytes_of(error->problem.since));
    lock_text(out, "deprecated", error->deprecated);
    lock_text(out, "replaced_by", error->replaced_by);
    text_lit(out, "}\n");
}

void app_errors_lock_write(struct text *out, const struct app_errors *published, const struct app_errors *now)
{
    text_lit(out, "# The codes that clients were promised: written by `lintel errors --publish`, kept under "
                  "version control.\n");
    if (published->count + now->count)
        text_lit(out, "errors:\n");
    for (int i = 0; i < now->count; i++)
        lock_line(out, &now->items[i]);
    for (int i = 0; i < published->count; i++)
        if (!app_errors_coded(now, published->items[i].problem.code))
            lock_line(out, &published->items[i]);
}

#include "model/schema.h"

#include "wire/yaml_json.h"

/* ---- the library ---- */

const struct schema_document *schema_library_find(const struct schema_library *library, struct bytes file)
{
    for (int i = 0; i < library->count; i++)
        if (bytes_equal(library->documents[i].file, file))
            return &library->documents[i];
    return NULL;
}

static struct bytes keep(struct arena *arena, struct bytes text)
{
    return bytes_make(arena_copy(arena, text), text.size);
}

/* A line and column from an offset. */
static struct source_place place_in_text(const char *file, struct bytes text, size_t offset)
{
    struct source_place place = { file, 1, 1 };
    for (size_t i = 0; i < offset && i < text.size; i++) {
        place.column += ((unsigned char)text.data[i] & 0xc0) != 0x80;
        if (text.data[i] == '\n') {
            place.line++;
            place.column = 1;
        }
    }
    return place;
}

static bool read_json(struct schema_document *document, struct bytes text, struct arena *arena,
                      struct diagnostics *diagnostics)
{
    struct arena scratch;
    struct json_doc doc;
    struct json_error error;
    const struct json_limits limits = { .refuse_duplicate_keys = true };
    arena_init(&scratch, 0);
    document->json = keep(arena, text);
    const bool sound = json_parse(text, &limits, &scratch, &doc, &error);
    if (!sound)
        diagnostics_error(
            diagnostics,
            (struct source_place){ arena_copy(diagnostics->arena, document->file), error.line, error.column },
            "%s", error.message);
    arena_done(&scratch);
    return sound;
}

static bool read_yaml(struct schema_document *document, struct bytes text, struct arena *arena,
                      struct diagnostics *diagnostics)
{
    struct text json;
    const struct yaml_source source = { .file = arena_copy(diagnostics->arena, document->file),
                                        .text = text };
    text_init(&json, arena, text.size + 64);
    if (!yaml_parse(arena, &source, diagnostics, &document->yaml) ||
        !yaml_json_write(&json, document->yaml, diagnostics) || !text_ok(&json))
        return false;
    document->json = text_bytes(&json);
    return true;
}

void schema_library_add(struct schema_library *library, struct bytes file, struct bytes text,
                        struct diagnostics *diagnostics)
{
    if (library->count == SCHEMA_FILES_MAX) {
        diagnostics_error(diagnostics, (struct source_place){ arena_copy(diagnostics->arena, file), 0, 0 },
                          "the folder schemas has more than %d files", SCHEMA_FILES_MAX);
        return;
    }
    if (library->count == library->room) {
        const int room = library->room ? 2 * library->room : 16;
        library->documents =
            arena_grow(library->arena, library->documents, sizeof *library->documents * (size_t)library->room,
                       sizeof *library->documents * (size_t)room);
        library->room = room;
    }
    struct schema_document *document = &library->documents[library->count];
    *document = (struct schema_document){ .file = keep(library->arena, file) };
    library->count += bytes_ends(file, BYTES(".json"))
                          ? read_json(document, text, library->arena, diagnostics)
                          : read_yaml(document, text, library->arena, diagnostics);
}

/* ---- references ---- */

/* "resources/x.yaml" + "../schemas/y.yaml" -> "schemas/y.yaml"; false: above the app's folder, or a URI with
 * a scheme. */
static bool path_join(struct bytes file, struct bytes path, char *out, size_t room, size_t *ret_size)
{
    size_t size = 0;
    if (bytes_starts(path, BYTES(SCHEMA_URI)))
        path = bytes_from(path, strlen(SCHEMA_URI));
    else if (path.size && path.data[0] == '/')
        path = bytes_from(path, 1);
    else
        for (size_t i = 0; i < file.size && i < room; i++)
            if (file.data[i] == '/')
                size = i + 1; /* the folder */
    memcpy(out, file.data, size);
    while (path.size) {
        const struct bytes step = bytes_cut(&path, '/');
        if (bytes_is(step, "..")) {
            if (!size)
                return false;
            for (size--; size && out[size - 1] != '/';)
                size--;
            continue;
        }
        if (bytes_is(step, "."))
            continue;
        if (size + step.size + 1 > room || bytes_find(step, ':') >= 0)
            return false;
        memcpy(out + size, step.data, step.size);
        size += step.size;
        if (path.data && path.data > step.data + step.size)
            out[size++] = '/';
    }
    *ret_size = size;
    return true;
}

const struct schema_document *schema_reference(const struct schema_library *library, struct bytes file,
                                               struct bytes reference, bool *ret_here,
                                               struct bytes *ret_fragment)
{
    char path[512];
    size_t size;
    const ptrdiff_t hash = bytes_find(reference, '#');
    *ret_fragment = hash < 0 ? (struct bytes){ "", 0 } : bytes_from(reference, (size_t)hash + 1);
    const struct bytes target = hash < 0 ? reference : bytes_first(reference, (size_t)hash);
    *ret_here = !target.size;
    if (!target.size || !path_join(file, target, path, sizeof path, &size))
        return NULL;
    *ret_here = bytes_equal(file, bytes_make(path, size));
    return *ret_here ? NULL : schema_library_find(library, bytes_make(path, size));
}

const struct json_node *schema_at(const struct json_doc *doc, struct bytes pointer)
{
    const struct json_node *node = json_root(doc);
    struct bytes rest = bytes_from(pointer, 1);
    char name[256];
    if (!pointer.size)
        return node;
    for (bool more = true; node && more;) {
        const size_t before = rest.size;
        const struct bytes token = bytes_cut(&rest, '/');
        more = token.size < before;
        size_t size = 0;
        for (size_t i = 0; i < token.size && size < sizeof name; i++) {
            const bool escape = token.data[i] == '~' && i + 1 < token.size;
            name[size++] = escape ? (token.data[++i] == '1' ? '/' : '~') : token.data[i];
        }
        int64_t index;
        if (json_type(node) != JSON_ARRAY) {
            node = json_get(doc, node, bytes_make(name, size));
            continue;
        }
        if (!bytes_to_int64(token, &index))
            return NULL;
        for (node = json_first(node); node && index > 0; index--)
            node = json_next(node);
    }
    return node;
}

/* ---- declaring ---- */

static bool declare_file(const struct schema_library *library, const struct yaml_node *node,
                         struct diagnostics *diagnostics, struct schema *ret_schema)
{
    const struct yaml_node *file = yaml_get(node, "file");
    if (node->count != 1 || file->kind != YAML_SCALAR) {
        diagnostics_error(diagnostics, node->place, "`file` stands alone, and names one file");
        diagnostics_fix(diagnostics, "file: schemas/NAME.yaml; to add rules, write allOf: [{$ref: "
                                     "../schemas/NAME.yaml}, …]");
        return false;
    }
    const struct schema_document *document = schema_library_find(library, file->value);
    if (document) {
        ((struct schema_document *)(uintptr_t)document)->used = true;
        *ret_schema = (struct schema){ document->json, document->file, document->yaml };
        return true;
    }
    diagnostics_error(diagnostics, file->place, "there is no sound file %.*s", BYTES_ARG(file->value));
    struct bytes *names = ARENA_ARRAY(diagnostics->arena, struct bytes, (size_t)library->count + 1);
    for (int i = 0; names && i < library->count; i++)
        names[i] = library->documents[i].file;
    const struct bytes near = bytes_nearest(file->value, names, names ? (size_t)library->count : 0);
    if (near.size)
        diagnostics_fix(diagnostics, "did you mean %.*s?", BYTES_ARG(near));
    else
        diagnostics_fix(diagnostics, "name it from the app's folder: schemas/NAME.yaml or schemas/NAME.json");
    return false;
}

bool schema_declare(const struct schema_library *library, struct bytes file, const struct yaml_node *node,
                    struct diagnostics *diagnostics, struct schema *ret_schema)
{
    struct text json;
    bool truth;
    if (yaml_get(node, "file"))
        return declare_file(library, node, diagnostics, ret_schema);
    if (node->kind != YAML_MAPPING && !yaml_to_bool(node, &truth)) {
        diagnostics_error(diagnostics, node->place, "a schema is a mapping, found %s",
                          yaml_describe(diagnostics->arena, node));
        diagnostics_fix(diagnostics, "write a JSON Schema, or file: schemas/NAME.yaml");
        return false;
    }
    text_init(&json, library->arena, 256);
    if (!yaml_json_write(&json, node, diagnostics) || !text_ok(&json))
        return false;
    *ret_schema = (struct schema){ text_bytes(&json), keep(library->arena, file), node };
    return true;
}

/* ---- compiling ---- */

static bool fetch(void *arg, struct bytes uri, struct bytes *ret_text)
{
    const struct schema_library *library = arg;
    if (!bytes_starts(uri, BYTES(SCHEMA_URI)))
        return false;
    const struct schema_document *document =
        schema_library_find(library, bytes_from(uri, strlen(SCHEMA_URI)));
    if (document)
        *ret_text = document->json;
    if (document)
        ((struct schema_document *)(uintptr_t)document)->used = true; /* while the library is still ours */
    return document != NULL;
}

/* The place of a fault, in whichever file it is. */
static struct source_place fault_place(const struct schema_library *library, const struct schema *schema,
                                       const struct jsonschema_fault *fault, struct diagnostics *diagnostics)
{
    struct schema in = *schema;
    const struct bytes uri = bytes_of(fault->uri);
    if (bytes_starts(uri, BYTES(SCHEMA_URI))) {
        const struct schema_document *document =
            schema_library_find(library, bytes_from(uri, strlen(SCHEMA_URI)));
        if (document)
            in = (struct schema){ document->json, document->file, document->yaml };
    }
    const struct bytes pointer = bytes_of(fault->pointer);
    if (in.yaml)
        return yaml_json_place(in.yaml, pointer);
    struct source_place place = { arena_copy(diagnostics->arena, in.file), 1, 1 };
    struct arena scratch;
    struct json_doc doc;
    struct json_error error;
    arena_init(&scratch, 0);
    if (json_parse(in.json, NULL, &scratch, &doc, &error)) {
        const struct json_node *node = NULL;
        struct bytes shorter = pointer;
        while (!(node = schema_at(&doc, shorter)) && shorter.size) /* the nearest above it */
            for (shorter.size--; shorter.size && shorter.data[shorter.size] != '/';)
                shorter.size--;
        if (node)
            place = place_in_text(place.file, in.json, (size_t)(json_raw(&doc, node).data - in.json.data));
    }
    arena_done(&scratch);
    return place;
}

struct jsonschema *schema_compile(const struct schema_library *library, const struct schema *schema,
                                  enum schema_use use, struct diagnostics *diagnostics)
{
    char uri[600];
    struct arena scratch;
    struct jsonschema_fault fault;
    const struct jsonschema_fault nowhere = { .uri = "", .pointer = "" };
    struct jsonschema *program = NULL;
    arena_init(&scratch, 0);
    snprintf(uri, sizeof uri, SCHEMA_URI "%.*s", BYTES_ARG(schema->file));
    const struct jsonschema_options options = {
        .uri = bytes_of(uri), .fetch = fetch, .fetch_arg = (void *)(uintptr_t)library, .openapi = true
    };
    const struct bytes text = schema_document_of(library, schema, use, &scratch);
    if (!text.data) {
        diagnostics_error(
            diagnostics,
            schema->yaml ? schema->yaml->place : fault_place(library, schema, &nowhere, diagnostics),
            "schema: the references of its top level go too deep, or write out to more than %zu "
            "bytes, for a merge patch",
            JSONSCHEMA_SCHEMA_BYTES_PRESET);
    } else if (!jsonschema_compile(text, &options, &program, &fault)) {
        program = NULL;
        diagnostics_error(diagnostics, fault_place(library, schema, &fault, diagnostics), "schema%s%s: %s",
                          fault.pointer[0] ? " " : "", fault.pointer, fault.message);
        if (use != SCHEMA_WHOLE)
            diagnostics_fix(diagnostics,
                            "this is what a merge patch makes of it; references at its top level "
                            "must lead to JSON Pointers");
    }
    arena_done(&scratch);
    return program;
}

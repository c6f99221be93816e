#include "wire/yaml.h"
#include "base/table.h"
#include "wire/wire_error.h"

#include <libfyaml.h>

struct anchor {
    struct bytes name;
    struct yaml_node *node; /* NULL: still open */
};
struct frame { /* an open sequence or mapping */
    struct yaml_node *node;
    struct yaml_node *key; /* a mapping's, waiting for its value */
    int room;
    int anchor; /* index, or -1 */
};
struct builder {
    struct arena *arena;
    const struct yaml_source *source;
    struct diagnostics *diagnostics;
    struct yaml_node *root;
    struct frame frames[YAML_DEPTH_MAX];
    int depth;
    int64_t nodes_total;
    struct anchor anchors[YAML_ANCHORS_MAX];
    int anchors_count;
    struct source_place last; /* of what was seen last, for what has no mark of its own */
};

/* ---- places ---- */

static struct source_place place_at(const struct builder *builder, uint32_t line, uint32_t column)
{
    const struct yaml_source *source = builder->source;
    return (struct source_place){ source->file, line + source->line_offset, column + source->column_offset };
}

static struct source_place place_of(struct builder *builder, struct fy_event *event)
{
    const struct fy_mark *mark = fy_event_start_mark(event);
    if (!mark || mark->line < 0 || mark->column < 0)
        return builder->last;
    int column = mark->column;
    if (event->type == FYET_SCALAR && event->scalar.value) {
        const enum fy_scalar_style style = fy_token_scalar_style(event->scalar.value);
        if ((style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED) && column > 0)
            column--; /* libfyaml points behind the quote */
    }
    builder->last = place_at(builder, (uint32_t)mark->line + 1, (uint32_t)column + 1);
    return builder->last;
}

static bool no_memory(struct builder *builder)
{
    return diagnostics_error(builder->diagnostics, builder->last,
                             "the file needs more memory than is allowed");
}

/* ---- nodes ---- */

static bool count_nodes(struct builder *builder, struct source_place place, int more)
{
    builder->nodes_total += more;
    if (builder->nodes_total <= YAML_NODES_MAX)
        return true;
    return diagnostics_error(builder->diagnostics, place,
                             "the file has more than %d values, counting what aliases repeat",
                             YAML_NODES_MAX);
}

static struct yaml_node *node_new(struct builder *builder, enum yaml_kind kind, struct source_place place)
{
    struct yaml_node *node = ARENA_NEW(builder->arena, struct yaml_node);
    if (!node) {
        no_memory(builder);
        return NULL;
    }
    node->kind = kind;
    node->place = place;
    node->weight = node->height = 1;
    return count_nodes(builder, place, 1) ? node : NULL;
}

static bool frame_add(struct builder *builder, struct frame *frame, const void *entry, size_t entry_size)
{
    struct yaml_node *node = frame->node;
    if (node->count == frame->room) {
        const int room = frame->room ? 2 * frame->room : 4;
        void *entries = arena_grow(builder->arena, node->items, entry_size * (size_t)frame->room,
                                   entry_size * (size_t)room);
        if (!entries)
            return no_memory(builder);
        node->items = entries;
        frame->room = room;
    }
    memcpy((char *)node->items + entry_size * (size_t)node->count, entry, entry_size);
    node->count++;
    return true;
}

/* Puts a finished node where it belongs. */
static bool attach(struct builder *builder, struct yaml_node *node, struct source_place place)
{
    if (builder->depth == 0) {
        builder->root = node;
        return true;
    }
    struct frame *frame = &builder->frames[builder->depth - 1];
    frame->node->weight += node->weight; /* count_nodes() bounds the sum */
    if (node->height >= frame->node->height)
        frame->node->height = (uint8_t)(node->height + 1);
    if (frame->node->kind == YAML_SEQUENCE)
        return frame_add(builder, frame, &node, sizeof node);
    if (frame->key) {
        const struct yaml_pair pair = { frame->key, node };
        frame->key = NULL;
        return frame_add(builder, frame, &pair, sizeof pair);
    }
    if (node->kind != YAML_SCALAR)
        return diagnostics_error(builder->diagnostics, place, "a key must be a text, not %s",
                                 node->kind == YAML_SEQUENCE ? "a list" : "a mapping");
    frame->key = node;
    return true;
}

/* ---- anchors and aliases ---- */

static bool anchor_add(struct builder *builder, struct fy_token *token, struct yaml_node *node,
                       int *ret_index)
{
    *ret_index = -1;
    if (!token)
        return true;
    if (builder->anchors_count == YAML_ANCHORS_MAX)
        return diagnostics_error(builder->diagnostics, builder->last, "more than %d anchors",
                                 YAML_ANCHORS_MAX);
    size_t size = 0;
    const char *text = fy_token_get_text(token, &size);
    char *name = text ? arena_copy(builder->arena, (struct bytes){ text, size }) : NULL;
    if (!name)
        return no_memory(builder);
    *ret_index = builder->anchors_count++;
    builder->anchors[*ret_index] = (struct anchor){ { name, size }, node };
    return true;
}

static bool alias_attach(struct builder *builder, struct fy_event *event)
{
    const struct source_place place = place_of(builder, event);
    size_t size = 0;
    const char *text = fy_token_get_text(event->alias.anchor, &size);
    const struct bytes name = wire_excerpt((struct bytes){ text ? text : "", text ? size : 0 });
    for (int i = builder->anchors_count - 1; i >= 0;
         i--) { /* the last of a name counts (YAML 1.2.2, 3.2.2.2) */
        struct yaml_node *node = builder->anchors[i].node;
        if (!bytes_equal(builder->anchors[i].name, (struct bytes){ text ? text : "", text ? size : 0 }))
            continue;
        if (!node)
            return diagnostics_error(builder->diagnostics, place, "*%.*s stands inside what it names",
                                     BYTES_ARG(name));
        if (builder->depth + node->height - 1 > YAML_DEPTH_MAX)
            return diagnostics_error(builder->diagnostics, place, "nested deeper than %d", YAML_DEPTH_MAX);
        return count_nodes(builder, place, node->weight) && attach(builder, node, place);
    }
    diagnostics_error(builder->diagnostics, place, "*%.*s names nothing that stands before it",
                      BYTES_ARG(name));
    diagnostics_fix(builder->diagnostics,
                    "mark it with &%.*s, or quote the text if it only begins with a star", BYTES_ARG(name));
    return false;
}

/* ---- events ---- */

/* !!str and ! make a text of a scalar; nothing else is known. */
static bool tag_check(struct builder *builder, struct fy_token *tag, struct yaml_node *node)
{
    if (!tag)
        return true;
    size_t size = 0;
    const char *text = fy_token_get_text(tag, &size);
    const struct bytes name = { text ? text : "", text ? size : 0 };
    if (node->kind == YAML_SCALAR && (bytes_is(name, "tag:yaml.org,2002:str") || bytes_is(name, "!"))) {
        node->plain = false;
        return true;
    }
    diagnostics_error(builder->diagnostics, node->place, "the tag %.*s is not known here",
                      BYTES_ARG(wire_excerpt(name)));
    diagnostics_fix(builder->diagnostics, "leave the tag out; only !!str has a meaning");
    return false;
}

/* What stands between the quotes of a single-quoted scalar that holds '' (YAML 1.2.2, 7.3.2); data NULL: take
 * libfyaml's text. 0.7.12 reads two such pairs in a row as three quotes, and leaves bytes behind them unset.
 */
static struct bytes quotes_between(const struct builder *builder, struct fy_token *token)
{
    const struct bytes whole = builder->source->text;
    const struct fy_mark *first = fy_token_start_mark(token), *last = fy_token_end_mark(token);
    if (fy_token_scalar_style(token) != FYSS_SINGLE_QUOTED || !first || !last ||
        first->input_pos > last->input_pos || last->input_pos > whole.size)
        return (struct bytes){ 0 };
    const struct bytes raw = { whole.data + first->input_pos, last->input_pos - first->input_pos };
    return raw.size && memmem(raw.data, raw.size, "''", 2) ? raw : (struct bytes){ 0 };
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_break(char c)
{
    return c == '\n' || c == '\r';
}

/* Quotes halved, lines folded: a break is a space, each further one a newline, blanks around breaks go. In
 * place; returns the size. */
static size_t single_unquote(char *text, size_t raw_size)
{
    size_t size = 0;
    for (size_t at = 0; at < raw_size;) {
        const char c = text[at];
        if (!is_break(c)) {
            text[size++] = c;
            at += 1 + (c == '\'' && at + 1 < raw_size && text[at + 1] == '\'');
            continue;
        }
        size_t breaks = 0;
        while (size && is_blank(text[size - 1]))
            size--;
        for (; at < raw_size && (is_blank(text[at]) || is_break(text[at])); at++)
            breaks += is_break(text[at]) && !(text[at] == '\r' && at + 1 < raw_size && text[at + 1] == '\n');
        if (breaks == 1)
            text[size++] = ' ';
        for (; breaks > 1; breaks--)
            text[size++] = '\n';
    }
    return size;
}

static bool scalar_add(struct builder *builder, struct fy_event *event)
{
    struct fy_token *token = event->scalar.value;
    struct yaml_node *node = node_new(builder, YAML_SCALAR, place_of(builder, event));
    if (!node)
        return false;
    const struct bytes raw = token ? quotes_between(builder, token) : (struct bytes){ 0 };
    struct bytes text = raw;
    if (!text.data) /* where it reads wrong it leaks, too, so it is not asked */
        text.data = token ? fy_token_get_text(token, &text.size) : "";
    node->plain = !token || fy_token_scalar_style(token) == FYSS_PLAIN;
    char *copy = text.data ? arena_copy(builder->arena, text) : NULL;
    if (!copy)
        return no_memory(builder);
    const size_t size = raw.data ? single_unquote(copy, raw.size) : text.size;
    node->value = (struct bytes){ copy, size };
    int unused;
    return tag_check(builder, event->scalar.tag, node) &&
           anchor_add(builder, event->scalar.anchor, node, &unused) && attach(builder, node, node->place);
}

static bool collection_begin(struct builder *builder, struct fy_event *event, enum yaml_kind kind)
{
    struct yaml_node *node = node_new(builder, kind, place_of(builder, event));
    if (!node || !tag_check(builder, fy_event_get_tag_token(event), node))
        return false;
    if (builder->depth == YAML_DEPTH_MAX)
        return diagnostics_error(builder->diagnostics, node->place, "nested deeper than %d", YAML_DEPTH_MAX);
    struct frame *frame = &builder->frames[builder->depth];
    *frame = (struct frame){ .node = node };
    if (!anchor_add(builder, fy_event_get_anchor_token(event), NULL, &frame->anchor))
        return false;
    builder->depth++;
    return true;
}

static bool duplicate(struct builder *builder, const struct yaml_node *first, const struct yaml_node *second)
{
    const struct bytes name = wire_excerpt(second->value);
    diagnostics_error(builder->diagnostics, second->place,
                      "the key '%.*s' stands here a second time; first in line %u", BYTES_ARG(name),
                      first->place.line);
    return false;
}

static bool keys_check(struct builder *builder, const struct yaml_node *mapping)
{
    struct table seen = { 0 };
    bool sound = true;
    for (int i = 0; i < mapping->count; i++) {
        struct yaml_node *key = mapping->pairs[i].key;
        struct yaml_node *first = table_get(&seen, key->value);
        if (first)
            sound = duplicate(builder, first, key);
        else
            table_put(&seen, key->value, key);
    }
    table_done(&seen);
    return sound;
}

static bool collection_end(struct builder *builder)
{
    const struct frame *frame = &builder->frames[builder->depth - 1];
    struct yaml_node *node = frame->node;
    if (node->kind == YAML_MAPPING && !keys_check(builder, node))
        return false;
    if (frame->anchor >= 0)
        builder->anchors[frame->anchor].node = node;
    builder->depth--;
    return attach(builder, node, node->place);
}

static bool event_take(struct builder *builder, struct fy_event *event)
{
    switch (event->type) {
    case FYET_DOCUMENT_START:
        if (builder->root)
            return diagnostics_error(builder->diagnostics, place_of(builder, event),
                                     "a second document begins here; a file holds one");
        return true;
    case FYET_SCALAR:
        return scalar_add(builder, event);
    case FYET_ALIAS:
        return alias_attach(builder, event);
    case FYET_SEQUENCE_START:
        return collection_begin(builder, event, YAML_SEQUENCE);
    case FYET_MAPPING_START:
        return collection_begin(builder, event, YAML_MAPPING);
    case FYET_SEQUENCE_END:
    case FYET_MAPPING_END:
        return collection_end(builder);
    default:
        return true;
    }
}

/* ---- libfyaml ---- */

/* Its messages say what the reader met; these say what the writer meant. */
static const struct {
    const char *part, *fix;
} hints[] = {
    { "nested block mapping on the same line", "a value that holds ': ' must stand in quotes" },
    { "multiline plain key",
      "check the indentation of the next line: spaces only, and as deep as its neighbours" },
    { "without a closing bracket", "close the list with ']' or the mapping with '}'" },
    { "without closing quote", "close the quote" },
    { "tab", "indent with spaces" },
};

static uint32_t lines_of(struct bytes text)
{
    uint32_t lines = 1;
    for (size_t i = 0; i + 1 < text.size; i++) /* a break at the very end begins no line */
        lines += text.data[i] == '\n';
    return lines;
}

static void report(struct builder *builder, const struct fy_diag_error *error)
{
    uint32_t line = error->line > 0 ? (uint32_t)error->line : 1;
    uint32_t column = error->column > 0 ? (uint32_t)error->column : 1;
    const uint32_t lines = lines_of(builder->source->text);
    if (line > lines) { /* behind the end: what is missing is missing in the last line */
        line = lines;
        column = 1;
    }
    diagnostics_error(builder->diagnostics, place_at(builder, line, column), "%s",
                      error->msg ? error->msg : "this is no YAML");
    for (size_t i = 0; error->msg && i < array_count(hints); i++) {
        if (strstr(error->msg, hints[i].part)) {
            diagnostics_fix(builder->diagnostics, "%s", hints[i].fix);
            return;
        }
    }
}

static bool failed(struct builder *builder, struct fy_parser *parser, struct fy_diag *diag)
{
    if (!fy_parser_get_stream_error(parser))
        return false;
    const int before = builder->diagnostics->errors_total;
    void *previous = NULL;
    struct fy_diag_error *error;
    while ((error = fy_diag_errors_iterate(diag, &previous)))
        report(builder, error);
    if (builder->diagnostics->errors_total == before)
        diagnostics_error(builder->diagnostics, builder->last, "this is no YAML");
    return true;
}

static bool events_read(struct builder *builder, struct fy_parser *parser, struct fy_diag *diag)
{
    struct fy_event *event;
    while ((event = fy_parser_parse(parser))) {
        const bool taken = event_take(builder, event);
        fy_parser_event_free(parser, event);
        if (!taken)
            return false;
    }
    return !failed(builder, parser, diag);
}

/* What YAML does not allow and libfyaml lets through, told with its line. */
static bool text_check(struct builder *builder)
{
    const struct bytes text = builder->source->text;
    uint32_t line = 1, column = 1;
    for (size_t i = 0; i < text.size; i++, column++) {
        const unsigned char c = (unsigned char)text.data[i];
        if (c == '\n') {
            line++;
            column = 0;
        } else if ((c < 0x20 && c != '\t' && c != '\r') || c == 0x7f) {
            diagnostics_error(builder->diagnostics, place_at(builder, line, column),
                              "a control character (0x%02x) can't stand in YAML", c);
            diagnostics_fix(builder->diagnostics, "write it in double quotes as \\x%02x", c);
            return false;
        } else if ((c & 0xc0) == 0x80) {
            column--; /* columns count characters */
        }
    }
    return true;
}

static bool utf8_check(struct builder *builder)
{
    struct bytes rest = builder->source->text;
    if (bytes_is_utf8(rest))
        return true;
    for (uint32_t line = 1; rest.data; line++)
        if (!bytes_is_utf8(bytes_cut(&rest, '\n')))
            return diagnostics_error(builder->diagnostics, place_at(builder, line, 1),
                                     "this line is not UTF-8");
    return false;
}

bool yaml_parse(struct arena *arena, const struct yaml_source *source, struct diagnostics *diagnostics,
                struct yaml_node **ret_root)
{
    struct builder *builder = ARENA_NEW(arena, struct builder);
    const struct source_place whole = { source->file, 0, 0 };
    if (!builder)
        return diagnostics_error(diagnostics, whole, "the file needs more memory than is allowed");
    *builder = (struct builder){ .arena = arena, .source = source, .diagnostics = diagnostics };
    builder->last = place_at(builder, 1, 1);
    if (source->text.size > YAML_BYTES_MAX)
        return diagnostics_error(diagnostics, whole, "the file is larger than %d bytes", YAML_BYTES_MAX);
    if (!utf8_check(builder) || !text_check(builder))
        return false;
    struct fy_diag_cfg diag_cfg;
    fy_diag_cfg_default(&diag_cfg);
    diag_cfg.fp = NULL;
    diag_cfg.level = FYET_ERROR;
    struct fy_diag *diag = fy_diag_create(&diag_cfg);
    check(diag != NULL);
    fy_diag_set_collect_errors(diag, true);
    const struct fy_parse_cfg cfg = { .flags = FYPCF_QUIET | FYPCF_DEFAULT_VERSION_1_2 | FYPCF_JSON_NONE,
                                      .diag = diag };
    struct fy_parser *parser = fy_parser_create(&cfg);
    check(parser != NULL);
    bool parsed = true;
    if (source->text.size) {
        check(fy_parser_set_string(parser, source->text.data, source->text.size) == 0);
        parsed = events_read(builder, parser, diag);
    }
    fy_parser_destroy(parser);
    fy_diag_destroy(diag);
    if (parsed && !builder->root) {
        builder->root = node_new(builder, YAML_SCALAR, place_at(builder, 1, 1));
        if (!builder->root)
            return false;
        builder->root->plain = true;
    }
    if (parsed)
        *ret_root = builder->root;
    return parsed;
}

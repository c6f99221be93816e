/* The file that `lintel init` writes for a table: read-only, public, with every choice beside it as a
 * comment. */
#include "model/resource_internal.h"

/* A YAML scalar on one line; quoted unless it is plain beyond doubt. */
static void scalar_write(struct text *text, struct bytes value)
{
    static const char *const words[] = { "true", "false", "null", "yes", "no", "on", "off", "y", "n" };
    bool plain = value.size > 0 && ((value.data[0] >= 'a' && value.data[0] <= 'z') ||
                                    (value.data[0] >= 'A' && value.data[0] <= 'Z') || value.data[0] == '_');
    for (size_t i = 0; i < value.size && plain; i++) {
        const char c = value.data[i];
        plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                c == '.';
    }
    for (size_t i = 0; i < array_count(words) && plain; i++)
        plain = !bytes_is_nocase(value, words[i]);
    if (plain) {
        text_add(text, value);
        return;
    }
    text_byte(text, '"');
    for (size_t i = 0; i < value.size; i++) {
        const unsigned char c = (unsigned char)value.data[i];
        if (c == '"' || c == '\\')
            text_printf(text, "\\%c", c);
        else if (c == '$' && i + 1 < value.size && value.data[i + 1] == '{')
            text_lit(text, "$$"); /* ${ would be a reference */
        else if (c < 0x20 || c == 0x7f)
            text_printf(text, "\\x%02x", c);
        else
            text_byte(text, (char)c);
    }
    text_byte(text, '"');
}

/* Behind "# ": the first line of it, without what could end a comment. */
static void comment_write(struct text *text, struct bytes comment)
{
    struct bytes line = bytes_cut(&comment, '\n');
    line = bytes_trim(line);
    if (line.size && line.data[line.size - 1] == '\r')
        line.size--;
    if (!line.size)
        return;
    text_lit(text, "# ");
    size_t end = line.size < 100 ? line.size : 100;
    while (end < line.size && ((unsigned char)line.data[end] & 0xc0) == 0x80)
        end--;
    for (size_t i = 0; i < end; i++)
        text_byte(text, (unsigned char)line.data[i] < 0x20 || line.data[i] == 0x7f ? ' ' : line.data[i]);
    text_byte(text, '\n');
}

struct bytes resource_name_make(struct arena *arena, struct bytes name)
{
    size_t size = name.size < RESOURCE_NAME_BYTES_MAX ? name.size : RESOURCE_NAME_BYTES_MAX;
    while (size < name.size && size > 0 && ((unsigned char)name.data[size] & 0xc0) == 0x80)
        size--;
    char *const clean = ARENA_ARRAY(arena, char, size + 1);
    for (size_t i = 0; i < size; i++)
        clean[i] =
            resource_name_fits(bytes_make(name.data + i, 1)) || name.data[i] == '.' || (name.data[i] & 0x80)
                ? name.data[i]
                : '_';
    const struct bytes made = bytes_make(clean, size);
    return resource_name_fits(made) ? made : BYTES("unnamed");
}

static void names_write(struct text *text, const struct column *const *columns, int count)
{
    text_byte(text, '[');
    for (int i = 0; i < count; i++) {
        if (i)
            text_lit(text, ", ");
        scalar_write(text, columns[i]->name);
    }
    text_byte(text, ']');
}

/* The best that can stand for a missing primary key: a unique index over columns that are there and readable;
 * in a materialised view no column is NOT NULL. */
static const struct index *other_key(const struct relation *relation)
{
    const struct index *best = NULL;
    for (int i = 0; i < relation->indexes_count; i++) {
        const struct index *index = &relation->indexes[i];
        bool fits = index->unique && index->valid && !index->partial && index->columns_count > 0 &&
                    index->columns_count <= RESOURCE_KEY_MAX;
        for (int k = 0; fits && k < index->columns_count; k++)
            fits = index->columns[k] && index->columns[k]->can_select &&
                   (index->columns[k]->not_null || relation->kind == RELATION_MATVIEW);
        if (fits && (!best || index->columns_count < best->columns_count))
            best = index;
    }
    return best;
}

/* NULL also where this role may not read all of it. */
static const struct constraint *primary_key(const struct relation *relation)
{
    const struct constraint *primary = relation->primary;
    bool usable = primary && primary->columns_count <= RESOURCE_KEY_MAX;
    for (int i = 0; usable && i < primary->columns_count; i++)
        usable = primary->columns[i]->can_select;
    return usable ? primary : NULL;
}

/* Ends a line that began at `start` with a comment in its column. */
static void line_end(struct text *text, size_t start, const char *comment)
{
    size_t width = 0;
    for (size_t i = start; text->data && i < text->size; i++)
        width += ((unsigned char)text->data[i] & 0xc0) != 0x80;
    do
        text_byte(text, ' ');
    while (++width < 30);
    text_printf(text, "# %s\n", comment);
}

static void key_write(struct text *text, const struct relation *relation)
{
    const size_t start = text->size;
    const struct constraint *primary = primary_key(relation);
    const struct index *index = primary ? NULL : other_key(relation);
    text_add_z(text, index ? "key: " : "# key: ");
    if (primary)
        names_write(text, primary->columns, primary->columns_count);
    else if (index)
        names_write(text, index->columns, index->columns_count);
    else
        text_lit(text, "[COLUMN]");
    line_end(text, start,
             primary ? "what names one row in paths; preset: the primary key"
             : index ? "there is no primary key; this is unique"
                     : "there is no primary key, so one row can't be asked for; name what is unique");
}

static const struct column *version_column(const struct relation *relation)
{
    static const char *const names[] = { "version", "row_version", "lock_version", "revision" };
    for (size_t i = 0; i < array_count(names); i++) {
        const struct column *column = relation_column(relation, bytes_of(names[i]));
        if (column && column->can_select &&
            (column->type->kind == PG_TYPE_INTEGER || column->type->kind == PG_TYPE_BIGINT))
            return column;
    }
    return NULL;
}

static void choices_write(struct text *text, const struct relation *relation)
{
    const struct column *version = version_column(relation);
    const bool keyed = primary_key(relation) || other_key(relation);
    const bool updates = keyed && relation->updatable, deletes = keyed && relation->deletable;
    size_t start = text->size;
    if (relation->insertable || updates || deletes) {
        text_printf(text, "# operations: [list%s%s%s%s]", keyed ? ", get" : "",
                    relation->insertable ? ", create" : "", updates ? ", update" : "",
                    deletes ? ", delete" : "");
        line_end(text, start, "writes must be asked for; there are replace and upsert too");
    }
    start = text->size;
    if (version && updates) {
        text_lit(text, "# version: ");
        scalar_write(text, version->name);
        line_end(text, start, "the column behind ETag and If-Match");
    } else if (updates && relation->kind != RELATION_VIEW && relation->kind != RELATION_FOREIGN &&
               relation->can_select_whole) {
        text_lit(text, "# version: xmin");
        line_end(text, start, "behind ETag and If-Match: who wrote the row last, as PostgreSQL keeps it");
    }
    text_lit(text,
             "# fields:                     # preset: every column that may be read\n"
             "#   hide: [COLUMN]            # or only: [COLUMN]\n"
             "#   read_only: [COLUMN]\n"
             "#   rename: {COLUMN: NAME}\n"
             "# embed: [NAME]               # preset: every foreign key between exposed resources, both "
             "ways\n"
             "# order: [COLUMN.desc]        # preset: the key\n"
             "# limits: {page: 20, page_max: 1000, depth: 5, bulk: 1000, offset: 10000}\n");
}

void resource_file_write(struct text *text, const struct relation *relation, struct bytes name)
{
    struct text table;
    text_init_heap(&table, 0);
    table_name_write(&table, relation->schema, relation->name);
    comment_write(text, relation->comment);
    text_lit(text, "table: ");
    scalar_write(text, text_bytes(&table));
    text_done(&table);
    text_byte(text, '\n');

    size_t start = text->size;
    text_lit(text, "name: ");
    scalar_write(text, name);
    line_end(text, start, "served as /v1/NAME");
    start = text->size;
    text_add_z(text, relation->bypasses_row_security ? "access: closed" : "access: public");
    line_end(text, start,
             relation->bypasses_row_security
                 ? "it reads past row security policies; if all its rows are for everybody: public,\n"
                   "                              # and trusted: true"
                 : "everybody who reaches the listener may read this; without the line it is closed");
    text_add_z(text, primary_key(relation) || other_key(relation) ? "operations: [list, get]\n"
                                                                  : "operations: [list]\n");
    key_write(text, relation);
    choices_write(text, relation);
}

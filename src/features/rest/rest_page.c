/* rest_page.c - what surrounds rows: the page object, Link, ETag and its conditions. */
#include "features/rest/rest.h"

#include "wire/json_write.h"

void rest_page_write(struct text *text, const struct rest_page *page)
{
    text_lit(text, ",\"page\":{\"next\":");
    if (page->next.data)
        json_write_string(text, page->next);
    else
        text_lit(text, "null");
    text_lit(text, ",\"prev\":");
    if (page->prev.data)
        json_write_string(text, page->prev);
    else
        text_lit(text, "null");
    if (page->next_offset > 0)
        text_printf(text, ",\"next_offset\":%lld", (long long)page->next_offset);
    text_lit(text, ",\"limit\":");
    text_int(text, page->limit);
    if (page->count >= 0) {
        text_lit(text, ",\"count\":");
        text_int(text, page->count);
        if (page->count_capped)
            text_lit(text, ",\"count_capped\":true");
        if (page->count_estimated)
            text_lit(text, ",\"count_estimated\":true");
    }
    text_lit(text, "}}");
}

static void link_one(struct req *req, struct text *text, const char *name, struct bytes cursor,
                     const char *relation)
{
    if (!cursor.data)
        return;
    if (text->size)
        text_lit(text, ", ");
    text_byte(text, '<');
    text_add(text, req->uri.path);
    char separator = '?';
    for (size_t i = 0; i < req->uri.pairs_count; i++) {
        const struct uri_pair *pair = &req->uri.pairs[i];
        if (bytes_is(pair->name, "after") || bytes_is(pair->name, "before") ||
            bytes_is(pair->name, "offset") || bytes_is(pair->name, "page"))
            continue;
        uri_write_pair(text, separator, pair->name, pair->value);
        separator = '&';
    }
    uri_write_pair(text, separator, bytes_of(name), cursor);
    text_printf(text, ">; rel=\"%s\"", relation);
}

/* RFC 8288. */
void rest_page_link(struct req *req, const struct rest_page *page)
{
    if (!page->next.data && !page->prev.data && !page->next_offset)
        return;
    struct text text;
    text_init(&text, &req->arena, 512);
    char offset[24];
    snprintf(offset, sizeof offset, "%lld", (long long)page->next_offset);
    if (page->next_offset)
        link_one(req, &text, "offset", bytes_of(offset), "next");
    link_one(req, &text, "after", page->next, "next");
    link_one(req, &text, "before", page->prev, "prev");
    if (text_ok(&text))
        answer_header(req, "Link", text_bytes(&text));
}

/* The version's own text where it is plain, so that If-Match can be turned back into it; other characters as
 * _XX. */
static void version_write(struct text *text, struct bytes version)
{
    for (size_t i = 0; i < version.size; i++) {
        const char c = version.data[i];
        if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-')
            text_byte(text, c);
        else
            text_printf(text, "_%02x", (unsigned char)c);
    }
}

static int hex_of(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool version_read(struct arena *arena, struct bytes tag, struct bytes *ret_version)
{
    struct text text;
    text_init(&text, arena, tag.size + 1);
    for (size_t i = 0; i < tag.size; i++) {
        if (tag.data[i] != '_') {
            text_byte(&text, tag.data[i]);
            continue;
        }
        if (i + 2 >= tag.size || hex_of(tag.data[i + 1]) < 0 || hex_of(tag.data[i + 2]) < 0)
            return false;
        text_byte(&text, (char)(hex_of(tag.data[i + 1]) * 16 + hex_of(tag.data[i + 2])));
        i += 2;
    }
    *ret_version = text_bytes(&text);
    return text_ok(&text);
}

void rest_etag_set(struct req *req, const struct plan *plan, const struct pg_result *result, int64_t row)
{
    if (plan->version_column < 0)
        return;
    const struct bytes version = pg_result_value(result, row, plan->version_column);
    if (!version.data)
        return;
    struct text text;
    text_init(&text, &req->arena, 64);
    text_byte(&text, '"');
    version_write(&text, version);
    const struct uri_pair *select = uri_query_get(&req->uri, "select");
    text_printf(&text, ".%08x\"", (unsigned)bytes_hash(select ? select->value : (struct bytes){ "", 0 }));
    if (text_ok(&text))
        answer_header_set(req, "ETag", text_bytes(&text));
}

bool rest_if_match(struct req *req, const struct resource *resource, struct bytes *ret_version)
{
    *ret_version = (struct bytes){ NULL, 0 };
    struct bytes field = req_header(req, "if-match");
    if (!resource->version)
        return true;
    if (!field.data) {
        if (resource->version_required)
            return fail(&PROBLEM_PRECONDITION_REQUIRED, "send If-Match with the ETag of the row you read");
        return true;
    }
    struct etag tag;
    bool any;
    int tags = 0;
    while (etag_next(&field, &tag, &any)) {
        if (any)
            return true;
        const char *dot = memrchr(tag.opaque.data, '.', tag.opaque.size);
        if (tag.weak || !dot)
            continue;
        const struct bytes version = { tag.opaque.data, (size_t)(dot - tag.opaque.data) };
        if (tags++ == 0 && !version_read(&req->arena, version, ret_version))
            tags = 0;
    }
    if (tags == 1)
        return true;
    if (tags > 1)
        return fail(&PROBLEM_QUERY, "If-Match: send one entity tag");
    return fail(&PROBLEM_PRECONDITION, "the row has another version than If-Match names");
}

/* The tag itself, or that of the same representation in a coding ("-gzip" behind it). */
static bool is_of(struct bytes named, struct bytes tag)
{
    if (!bytes_starts(named, tag))
        return false;
    const struct bytes rest = bytes_from(named, tag.size);
    return rest.size == 0 || rest.data[0] == '-';
}

bool rest_if_absent(struct req *req, bool *ret_absent)
{
    struct bytes field = req_header(req, "if-none-match");
    struct etag tag;
    bool any = false;
    *ret_absent = false;
    if (!field.data)
        return true;
    while (etag_next(&field, &tag, &any) && !any)
        ;
    *ret_absent = any;
    return any ? true : fail(&PROBLEM_QUERY, "If-None-Match: a change takes only *: create, or leave alone");
}

bool rest_not_modified(struct req *req)
{
    struct bytes field = req_header(req, "if-none-match"), tag = answer_header_of(req, "ETag");
    if (!field.data || tag.size < 2)
        return false;
    const struct bytes opaque = { tag.data + 1, tag.size - 2 };
    struct etag named;
    bool any;
    while (etag_next(&field, &named, &any))
        if (any || is_of(named.opaque, opaque)) {
            answer_status(req, 304);
            return true;
        }
    return false;
}

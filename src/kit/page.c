#include "kit/page.h"

#include "wire/json_write.h"
#include "wire/preference.h"

void page_write(struct text *text, const struct page_facts *page)
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

void page_link(struct req *req, const struct page_facts *page)
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

/* The tag itself, or that of the same representation in a coding ("-gzip" behind it). */
static bool is_of(struct bytes named, struct bytes tag)
{
    if (!bytes_starts(named, tag))
        return false;
    const struct bytes rest = bytes_from(named, tag.size);
    return rest.size == 0 || rest.data[0] == '-';
}

bool page_not_modified(struct req *req)
{
    struct bytes field = req_header(req, "if-none-match"), tag = answer_header_of(req, "ETag");
    if (bytes_starts(tag, BYTES("W/")))
        tag = bytes_from(tag, 2); /* reads are compared weakly */
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

/* rest_page.c - a row's ETag and the conditions on it. */
#include "features/rest/rest.h"

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
    if (!version.data || (resource_version_is_xmin(plan->resource) && bytes_is(version, "0")))
        return; /* rows of a foreign partition have no xmin of ours */
    struct text text;
    text_init(&text, &req->arena, 64);
    text_byte(&text, '"');
    version_write(&text, version);
    const struct uri_pair *select = uri_query_get(&req->uri, "select");
    text_printf(&text, ".%08x\"", (unsigned)bytes_hash(select ? select->value : (struct bytes){ "", 0 }));
    if (text_ok(&text))
        answer_header_set(req, "ETag", text_bytes(&text));
}

bool rest_if_match(struct req *req, const struct resource *resource, struct if_match *ret_match)
{
    *ret_match = (struct if_match){ 0 };
    struct bytes field = req_header(req, "if-match");
    if (!field.data) {
        if (resource->version && resource->version_required)
            return fail(&PROBLEM_PRECONDITION_REQUIRED, "send If-Match with the ETag of the row you read");
        return true;
    }
    struct etag tag;
    bool any;
    int tags = 0;
    ret_match->asked = true;
    while (etag_next(&field, &tag, &any)) {
        if (any)
            return true;
        const char *dot = memrchr(tag.opaque.data, '.', tag.opaque.size);
        if (tag.weak || !dot || !resource->version)
            continue;
        const struct bytes version = { tag.opaque.data, (size_t)(dot - tag.opaque.data) };
        if (tags++ == 0 && !version_read(&req->arena, version, &ret_match->version))
            tags = 0;
    }
    if (tags == 1)
        return true;
    if (tags > 1)
        return fail(&PROBLEM_QUERY, "If-Match: send one entity tag");
    return fail(&PROBLEM_PRECONDITION, resource->version ? "the row has another version than If-Match names"
                                                         : "rows of this resource have no version");
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

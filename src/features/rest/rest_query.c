/* rest_query.c - a request's URL and headers to model's terms. Every message names the parameter it is about.
 */
#include "features/rest/rest.h"

#include "wire/filter.h"
#include "wire/order.h"
#include "wire/select.h"

static const char *const reserved_names[] = { "select", "order",  "limit", "offset",         "page",
                                              "after",  "before", "count", "include_deleted" };

/* lines.order, lines.limit, lines.offset: what is said of an embedded list. *ret_path: what stands before. */
static const char *const embed_words[] = { "order", "limit", "offset" };
static int embed_word(struct bytes name, struct bytes *ret_path)
{
    const char *dot = name.size ? memrchr(name.data, '.', name.size) : NULL;
    if (!dot)
        return -1;
    const struct bytes last = bytes_from(name, (size_t)(dot - name.data) + 1);
    *ret_path = bytes_first(name, (size_t)(dot - name.data));
    for (size_t i = 0; i < array_count(embed_words); i++)
        if (bytes_is(last, embed_words[i]))
            return (int)i;
    return -1;
}

static bool is_reserved(struct bytes name, const void *context)
{
    (void)context;
    struct bytes path;
    if (embed_word(name, &path) >= 0)
        return true;
    for (size_t i = 0; i < array_count(reserved_names); i++)
        if (bytes_is(name, reserved_names[i]))
            return true;
    return false;
}

bool rest_has_filter(const struct req *req)
{
    for (size_t i = 0; i < req->uri.pairs_count; i++)
        if (!is_reserved(req->uri.pairs[i].name, NULL))
            return true;
    return false;
}

static bool refuse(const struct wire_error *error)
{
    if (strcmp(error->code, "memory") == 0)
        return fail(&PROBLEM_TOO_LARGE, "the query needs more memory than a request may use");
    return fail(&PROBLEM_QUERY, "%s", error->message);
}

static bool once(struct req *req, const char *name, struct bytes *ret_value)
{
    struct wire_error error;
    const struct uri_pair *pair;
    if (!uri_query_once(&req->uri, name, &pair, &error))
        return refuse(&error);
    *ret_value = pair ? pair->value : (struct bytes){ NULL, 0 };
    return true;
}

static bool number(struct req *req, const char *name, int64_t min, int64_t max, int64_t preset,
                   int64_t *ret_value)
{
    struct bytes text;
    if (!once(req, name, &text))
        return false;
    *ret_value = preset;
    if (!text.data)
        return true;
    if (!bytes_to_int64(text, ret_value) || *ret_value < min || *ret_value > max)
        return fail(&PROBLEM_QUERY, "%s: must be a whole number from %lld to %lld, not \"%.*s\"", name,
                    (long long)min, (long long)max, (int)(text.size > 40 ? 40 : text.size), text.data);
    return true;
}

bool rest_select(struct req *req, const struct select_node **ret_select)
{
    struct bytes text;
    struct wire_error error;
    *ret_select = NULL;
    if (!once(req, "select", &text))
        return false;
    if (!text.data)
        return true;
    struct select_node *root;
    if (!select_parse(&req->arena, text, &root, &error))
        return refuse(&error);
    *ret_select = root;
    return true;
}

static bool read_count(struct req *req, struct list_query *query)
{
    static const char *const names[] = { "none", "estimated", "capped", "exact" };
    struct bytes text;
    if (!once(req, "count", &text))
        return false;
    query->count_cap = 10000;
    if (!text.data) {
        query->count = (enum count_mode)rest_preferences(req).count;
        return true;
    }
    for (size_t i = 0; i < array_count(names); i++)
        if (bytes_is(text, names[i])) {
            query->count = (enum count_mode)i;
            return true;
        }
    return fail(&PROBLEM_QUERY, "count: must be none, estimated, capped or exact, not \"%.*s\"",
                (int)(text.size > 40 ? 40 : text.size), text.data);
}

/* page=3 is offset with a page's size: for small and admin lists; past the configured depth the cursor is the
 * way. */
static bool read_offset(struct req *req, const struct resource *resource, struct list_query *query)
{
    int64_t page, offset;
    struct bytes page_text, offset_text;
    if (!once(req, "page", &page_text) || !once(req, "offset", &offset_text) ||
        !number(req, "page", 1, INT32_MAX, 1, &page) || !number(req, "offset", 0, INT64_MAX / 4, 0, &offset))
        return false;
    if (page_text.data && offset_text.data)
        return fail(&PROBLEM_QUERY, "page and offset exclude each other");
    query->offset = page_text.data ? (page - 1) * query->limit : offset;
    if (query->offset && (query->after.data || query->before.data))
        return fail(&PROBLEM_QUERY, "%s cannot stand beside a cursor", page_text.data ? "page" : "offset");
    if (query->offset > resource->offset_max)
        return fail(&PROBLEM_QUERY,
                    "%s: pages past row %lld are reached with cursors: follow page.next instead (after=…)",
                    page_text.data ? "page" : "offset", (long long)resource->offset_max);
    return true;
}

/* The entry of this path, made on first mention. */
static struct embed_query *embed_of(struct arena *arena, struct embed_query *embeds, int *count,
                                    struct bytes path)
{
    struct bytes names[SELECT_DEPTH_MAX];
    int names_count = 0;
    for (struct bytes rest = path; rest.data && names_count < SELECT_DEPTH_MAX;)
        names[names_count++] = bytes_cut(&rest, '.');
    for (int i = 0; i < *count; i++) {
        bool same = embeds[i].path_count == names_count;
        for (int k = 0; same && k < names_count; k++)
            same = bytes_equal(embeds[i].path[k], names[k]);
        if (same)
            return &embeds[i];
    }
    struct bytes *copy = ARENA_ARRAY(arena, struct bytes, (size_t)names_count);
    if (!copy)
        return NULL;
    memcpy(copy, names, sizeof *copy * (size_t)names_count);
    embeds[*count] = (struct embed_query){ .path = copy, .path_count = names_count };
    return &embeds[(*count)++];
}

static bool embed_read(struct req *req, struct embed_query *embed, const struct uri_pair *pair, int word)
{
    struct wire_error error;
    int64_t number_;
    if (word == 0) {
        struct order_item *items;
        if (!order_parse(&req->arena, pair->value, &items, &embed->order_count, &error))
            return refuse(&error);
        embed->order = items;
        return true;
    }
    if (!bytes_to_int64(pair->value, &number_) || number_ < (word == 1) || number_ > INT32_MAX)
        return fail(&PROBLEM_QUERY, "%.*s: must be a whole number", (int)wire_excerpt(pair->name).size,
                    pair->name.data);
    *(word == 1 ? &embed->limit : &embed->offset) = number_;
    return true;
}

static bool read_embeds(struct req *req, struct list_query *query)
{
    struct embed_query *embeds = NULL;
    for (size_t i = 0; i < req->uri.pairs_count; i++) {
        const struct uri_pair *pair = &req->uri.pairs[i];
        struct bytes path;
        const int word = embed_word(pair->name, &path);
        if (word < 0)
            continue;
        if (!embeds)
            embeds = ARENA_ARRAY(&req->arena, struct embed_query, req->uri.pairs_count);
        struct embed_query *embed = embeds ? embed_of(&req->arena, embeds, &query->embeds_count, path) : NULL;
        if (!embed)
            return fail(&PROBLEM_TOO_LARGE, "the query needs more memory than a request may use");
        if (!embed_read(req, embed, pair, word))
            return false;
    }
    query->embeds = embeds;
    return true;
}

bool rest_list_query(struct req *req, const struct resource *resource, struct list_query *ret_query)
{
    struct wire_error error;
    struct list_query query = { 0 };
    struct filter_node *filter;
    struct bytes order;
    if (!filter_parse(&req->arena, &req->uri, is_reserved, NULL, &filter, &error))
        return refuse(&error);
    query.filter = filter;
    if (!rest_select(req, &query.select) || !once(req, "order", &order) ||
        !once(req, "after", &query.after) || !once(req, "before", &query.before))
        return false;
    if (order.data) {
        struct order_item *items;
        int count;
        if (!order_parse(&req->arena, order, &items, &count, &error))
            return refuse(&error);
        query.order = items;
        query.order_count = count;
    }
    if (query.after.data && query.before.data)
        return fail(&PROBLEM_QUERY, "after and before exclude each other");
    if (!number(req, "limit", 1, resource->page_max, resource->page_size, &query.limit) ||
        !read_offset(req, resource, &query) || !read_count(req, &query) || !read_embeds(req, &query))
        return false;
    *ret_query = query;
    return true;
}

bool rest_only_select(struct req *req)
{
    for (size_t i = 0; i < req->uri.pairs_count; i++) {
        const struct bytes name = req->uri.pairs[i].name;
        if (!bytes_is(name, "select"))
            return fail(&PROBLEM_QUERY, "%.*s: only `select` may stand here",
                        (int)(name.size > 60 ? 60 : name.size), name.data);
    }
    return true;
}

struct preferences rest_preferences(struct req *req)
{
    struct preferences preferences;
    preferences_init(&preferences);
    for (int i = 0; i < req->headers_count; i++)
        if (bytes_is(req->headers[i].name, "prefer"))
            preferences_read(&preferences, req->headers[i].value);
    return preferences;
}

bool rest_context(struct req *req, const struct resource *resource, struct plan_context *ret_context)
{
    *ret_context = (struct plan_context){ 0 };
    if (!resource->tenant_header_setting.size)
        return true;
    const char *name = arena_copy(&req->arena, resource->tenant_header);
    struct pg_setting *setting = ARENA_NEW(&req->arena, struct pg_setting);
    if (!name || !setting)
        return fail(&PROBLEM_TOO_LARGE, "the request needs more memory than it may use");
    for (char *at = (char *)name; *at; at++)
        if (*at >= 'A' && *at <= 'Z')
            *at = (char)(*at + 32);
    const struct bytes value = req_header(req, name);
    if (!value.data || !value.size || value.size > 128)
        return fail(&PROBLEM_QUERY, "the header %.*s is required (1 to 128 bytes)",
                    BYTES_ARG(resource->tenant_header));
    setting->name = arena_copy(&req->arena, resource->tenant_header_setting);
    setting->value = value;
    *ret_context =
        (struct plan_context){ .settings = setting,
                               .settings_count = 1,
                               .tenant = resource->tenant_field ? value : (struct bytes){ NULL, 0 } };
    return setting->name != NULL;
}

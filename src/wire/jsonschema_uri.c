#include "wire/jsonschema_uri.h"

struct parts {
    struct bytes scheme, authority, path,
        query; /* data NULL: not there; scheme with ':', authority with "//" */
    struct bytes fragment;
};

static size_t scheme_size(struct bytes uri)
{
    for (size_t i = 0; i < uri.size; i++) {
        const char c = uri.data[i];
        if (c == ':')
            return i > 0 ? i + 1 : 0;
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        const bool other = (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
        if (!letter && !(other && i > 0))
            return 0;
    }
    return 0;
}

static struct bytes take(struct bytes *rest, size_t size)
{
    const struct bytes taken = { rest->data, size };
    *rest = bytes_from(*rest, size);
    return taken;
}

static struct parts parts_of(struct bytes uri)
{
    struct parts parts = { 0 };
    const ptrdiff_t hash = bytes_find(uri, '#');
    if (hash >= 0) {
        parts.fragment = (struct bytes){ uri.data + hash + 1, uri.size - (size_t)hash - 1 };
        uri.size = (size_t)hash;
    }
    const ptrdiff_t question = bytes_find(uri, '?');
    if (question >= 0) {
        parts.query = bytes_from(uri, (size_t)question);
        uri.size = (size_t)question;
    }
    const size_t scheme = scheme_size(uri);
    if (scheme)
        parts.scheme = take(&uri, scheme);
    if (bytes_starts(uri, BYTES("//"))) {
        const ptrdiff_t slash = bytes_find(bytes_from(uri, 2), '/');
        parts.authority = take(&uri, slash < 0 ? uri.size : (size_t)slash + 2);
    }
    parts.path = uri;
    return parts;
}

/* Appends `path` without its "." and ".." segments; `start` is where the path begins in `out`. */
static void add_path(struct text *out, struct bytes path)
{
    const size_t start = out->size;
    const bool rooted = path.size && path.data[0] == '/';
    while (path.size) {
        size_t size = path.data[0] == '/'; /* one segment, with the slash in front of it */
        while (size < path.size && path.data[size] != '/')
            size++;
        const struct bytes segment = take(&path, size);
        const struct bytes name = bytes_from(segment, segment.data[0] == '/');
        const bool here = bytes_is(name, "."), up = bytes_is(name, "..");
        if (!here && !up) {
            text_add(out, segment);
            continue;
        }
        if (up) {
            while (out->size > start && out->data[out->size - 1] != '/')
                out->size--;
            if (out->size > start)
                out->size--;
        }
        if (!path.size && (out->size > start || rooted))
            text_byte(out, '/');
    }
}

static void add_merged(struct text *out, const struct parts *base, struct bytes path, struct arena *arena)
{
    struct text merged;
    text_init(&merged, arena, base->path.size + path.size + 1);
    if (base->authority.data && base->path.size == 0)
        text_byte(&merged, '/');
    size_t keep = base->path.size;
    while (keep > 0 && base->path.data[keep - 1] != '/')
        keep--;
    text_add(&merged, bytes_first(base->path, keep));
    text_add(&merged, path);
    add_path(out, text_bytes(&merged));
}

static int hex(char c)
{
    return c >= '0' && c <= '9'                     ? c - '0'
           : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                    : -1;
}

static struct bytes percent_decode(struct arena *arena, struct bytes text)
{
    if (!text.data || bytes_find(text, '%') < 0)
        return text;
    char *out = arena_alloc(arena, text.size);
    size_t size = 0;
    for (size_t i = 0; out && i < text.size; i++) {
        int high, low;
        if (text.data[i] == '%' && i + 2 < text.size && (high = hex(text.data[i + 1])) >= 0 &&
            (low = hex(text.data[i + 2])) >= 0) {
            out[size++] = (char)(high << 4 | low);
            i += 2;
        } else
            out[size++] = text.data[i];
    }
    return out ? (struct bytes){ out, size } : text;
}

bool js_uri_resolve(struct arena *arena, struct bytes base_text, struct bytes reference,
                    struct bytes *ret_uri, struct bytes *ret_fragment)
{
    const struct parts base = parts_of(base_text), ref = parts_of(reference);
    struct text out;
    text_init(&out, arena, base_text.size + reference.size + 1);
    text_add(&out, ref.scheme.data ? ref.scheme : base.scheme);
    if (ref.scheme.data || ref.authority.data) {
        text_add(&out, ref.authority);
        if (ref.authority.data || (ref.path.size && ref.path.data[0] == '/'))
            add_path(&out, ref.path);
        else
            text_add(&out, ref.path); /* urn: and its like have no segments */
        text_add(&out, ref.query);
    } else {
        text_add(&out, base.authority);
        if (ref.path.size == 0) {
            text_add(&out, base.path);
            text_add(&out, ref.query.data ? ref.query : base.query);
        } else {
            if (ref.path.data[0] == '/')
                add_path(&out, ref.path);
            else
                add_merged(&out, &base, ref.path, arena);
            text_add(&out, ref.query);
        }
    }
    const char *text = text_z(&out);
    if (!text)
        return false;
    *ret_uri = text_bytes(&out);
    *ret_fragment = percent_decode(arena, ref.fragment);
    return true;
}

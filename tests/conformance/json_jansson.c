#include "json_jansson.h"

#include <dlfcn.h>
#include <jansson.h>

static struct {
    json_t *(*loadb)(const char *text, size_t size, size_t flags, json_error_t *error);
    char *(*dumps)(const json_t *root, size_t flags);
    void (*delete)(json_t *root);
} jansson;

bool jansson_open(void)
{
    void *library = dlopen("libjansson.so.4", RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return false;
    *(void **)&jansson.loadb = dlsym(library, "json_loadb");
    *(void **)&jansson.dumps = dlsym(library, "json_dumps");
    *(void **)&jansson.delete = dlsym(library, "json_delete");
    return jansson.loadb && jansson.dumps && jansson.delete;
}

/* json_decref() is inline and would want json_delete at link time. */
static void drop(json_t *root)
{
    if (root && root->refcount != (size_t)-1 && JSON_INTERNAL_DECREF(root) == 0)
        jansson.delete(root);
}

bool jansson_accepts(struct bytes text, bool refuse_duplicate_keys, bool *ret_overflow)
{
    json_error_t error;
    const size_t flags =
        JSON_DECODE_ANY | JSON_ALLOW_NUL | (refuse_duplicate_keys ? JSON_REJECT_DUPLICATES : 0);
    json_t *root = jansson.loadb(text.data, text.size, flags, &error);
    *ret_overflow = !root && json_error_code(&error) == json_error_numeric_overflow;
    drop(root);
    return root != NULL;
}

char *jansson_rewrite(struct bytes text, int indent)
{
    json_error_t error;
    json_t *root = jansson.loadb(text.data, text.size, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    const size_t flags =
        JSON_ENCODE_ANY | JSON_SORT_KEYS | (indent ? JSON_INDENT((size_t)indent) : JSON_COMPACT);
    char *written = root ? jansson.dumps(root, flags) : NULL;
    drop(root);
    return written;
}

bool jansson_parse(struct bytes text)
{
    json_error_t error;
    json_t *root = jansson.loadb(text.data, text.size, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    drop(root);
    return root != NULL;
}

/* The framing of requests: first byte says how the rest is cut into pieces. However it is cut, the verdict,
 * what is used up and what is read must be the same; what is believed must be sound. */
#include <stdlib.h>

#include "base/check.h"
#include "net/chunked.h"
#include "net/http1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct http1_limits limits = { .head_bytes_max = 2048,
                                            .target_bytes_max = 512,
                                            .fields_max = 20 };

struct sink { /* what one reading of the whole stream of requests saw */
    uint64_t hash;
    int requests, status;
};

static void record(struct sink *sink, struct bytes seen)
{
    sink->hash = sink->hash * 1099511628211u ^ bytes_hash(seen) ^ seen.size;
}

static void check_sound(const struct http1_head *head)
{
    check(head->method.size > 0 && head->target.size > 0 && head->minor >= 0 && head->minor <= 1);
    check(!(head->chunked && head->content_length));
    check(!(head->chunked && head->minor == 0));
    check(!(head->expect_continue && head->expect_other));
    int hosts = 0;
    for (int i = 0; i < head->fields_count; i++) {
        const struct http1_field field = head->fields[i];
        check(field.name.size > 0);
        for (size_t at = 0; at < field.name.size; at++)
            check(field.name.data[at] > ' ' && field.name.data[at] != ':' &&
                  !(field.name.data[at] >= 'A' && field.name.data[at] <= 'Z'));
        for (size_t at = 0; at < field.value.size; at++)
            check((unsigned char)field.value.data[at] >= ' ' || field.value.data[at] == '\t');
        hosts += bytes_is(field.name, "host");
    }
    check(hosts == 1 || (hosts == 0 && head->minor == 0));
    for (size_t at = 0; at < head->target.size; at++)
        check((unsigned char)head->target.data[at] > ' ' && (unsigned char)head->target.data[at] < 0x7f);
}

/* Bytes as a socket would hand them out: `cut` at most at a time. */
struct tap {
    struct bytes rest;
    size_t cut;
};

static struct bytes pour(struct tap *tap)
{
    const struct bytes piece = bytes_first(tap->rest, tap->cut);
    tap->rest = (struct bytes){ tap->rest.data + piece.size, tap->rest.size - piece.size };
    return piece;
}

/* The body's bytes are hashed one by one, so that its cuts do not show. */
static bool read_chunked(struct tap *tap, struct bytes *leftover, struct sink *sink)
{
    struct chunked chunked = { 0 };
    struct bytes run;
    const char *why = NULL;
    for (;;) {
        switch (chunked_read(&chunked, leftover, &run, &why)) {
        case CHUNKED_DATA:
            for (size_t i = 0; i < run.size; i++)
                record(sink, (struct bytes){ run.data + i, 1 });
            break;
        case CHUNKED_MORE:
            *leftover = pour(tap);
            if (!leftover->size)
                return false;
            break;
        case CHUNKED_END:
            return true;
        case CHUNKED_BAD:
            check(why != NULL);
            sink->status = 400;
            return false;
        }
    }
}

static bool skip_sized(struct tap *tap, struct bytes *leftover, int64_t size, struct sink *sink)
{
    while (size > 0) {
        if (!leftover->size)
            *leftover = pour(tap);
        if (!leftover->size)
            return false;
        const struct bytes run = bytes_first(*leftover, (size_t)size);
        for (size_t i = 0; i < run.size; i++)
            record(sink, (struct bytes){ run.data + i, 1 });
        size -= (int64_t)run.size;
        *leftover = (struct bytes){ leftover->data + run.size, leftover->size - run.size };
    }
    return true;
}

static bool read_request(struct tap *tap, struct sink *sink)
{
    struct http1_scan scan = { 0 };
    struct http1_error error = { 0 };
    struct http1_field fields[20];
    struct http1_head head = { .fields = fields };
    /* The exact size each time, so that ASan sees a read beyond what has arrived. */
    size_t size = 0;
    char *buffer = malloc(1);
    enum http1_verdict verdict;
    while ((verdict = http1_scan(&scan, buffer, size, &limits, &error)) == HTTP1_MORE) {
        const struct bytes more = pour(tap);
        if (!more.size)
            break;
        char *larger = malloc(size + more.size);
        memcpy(larger, buffer, size);
        memcpy(larger + size, more.data, more.size);
        free(buffer);
        buffer = larger;
        size += more.size;
    }
    bool sound = verdict == HTTP1_HEAD && http1_read(&scan, buffer, &head, &error);
    if (verdict != HTTP1_MORE && !sound) {
        check(error.status >= 400 && error.status < 600 && error.message);
        sink->status = error.status;
    }
    if (sound) {
        check_sound(&head);
        sink->requests++;
        record(sink, head.method);
        record(sink, head.target);
        for (int i = 0; i < head.fields_count; i++) {
            record(sink, head.fields[i].name);
            record(sink, head.fields[i].value);
        }
        struct bytes rest = { buffer + scan.at, size - scan.at };
        sound =
            head.chunked ? read_chunked(tap, &rest, sink) : skip_sized(tap, &rest, head.content_length, sink);
        tap->rest =
            (struct bytes){ tap->rest.data - rest.size, tap->rest.size + rest.size }; /* as it lay before */
    }
    free(buffer);
    return sound;
}

static struct sink read_all(struct bytes stream, size_t cut)
{
    struct sink sink = { 0 };
    struct tap tap = { stream, cut };
    while (read_request(&tap, &sink)) {
    }
    return sink;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    const struct bytes stream = { (const char *)data + 1, size - 1 };
    const struct sink whole = read_all(stream, SIZE_MAX), cut = read_all(stream, 1 + data[0] % 61u);
    check(whole.requests == cut.requests && whole.hash == cut.hash);
    check(!whole.status == !cut.status); /* of two faults, either may be met first */
    return 0;
}

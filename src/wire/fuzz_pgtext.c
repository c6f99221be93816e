/* Readers end, stay inside their input, and agree with what our own writers make of the values they found. */
#include "wire/pgtext.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct text scratch;

static void touch(struct bytes text, const struct pgtext_value *value)
{
    check(value->raw.size == 0 ||
          (value->raw.data >= text.data && value->raw.data + value->raw.size <= text.data + text.size));
    check(pgtext_value_decode(value, &scratch).size <= value->raw.size);
}

/* Reads; when `out` is there, also writes what was read. Returns whether it was an array. */
static bool array_copy(struct bytes text, struct text *out)
{
    struct pgtext_array array;
    struct pgtext_value value = { 0 };
    struct pgtext_array_writer writer = { .out = out };
    pgtext_array_begin(&array, text, ',');
    for (size_t steps = 0;; steps++) {
        check(steps <= text.size + 1);
        switch (pgtext_array_next(&array, &value)) {
        case PGTEXT_OPEN:
            pgtext_array_write_begin(&writer);
            break;
        case PGTEXT_CLOSE:
            pgtext_array_write_end(&writer);
            break;
        case PGTEXT_VALUE:
            touch(text, &value);
            pgtext_array_write_value(&writer, pgtext_value_decode(&value, &scratch));
            break;
        case PGTEXT_NULL:
            pgtext_array_write_null(&writer);
            break;
        case PGTEXT_END:
            return true;
        case PGTEXT_BAD:
            return false;
        }
    }
}

static bool composite_copy(struct bytes text, struct text *out)
{
    struct pgtext_composite composite;
    struct pgtext_value value = { 0 };
    enum pgtext_token token;
    size_t count = 0;
    pgtext_composite_begin(&composite, text);
    while ((token = pgtext_composite_next(&composite, &value)) == PGTEXT_VALUE || token == PGTEXT_NULL) {
        check(count <= text.size);
        touch(text, &value);
        const struct bytes decoded = pgtext_value_decode(&value, &scratch);
        pgtext_composite_write_field(out, count++, token == PGTEXT_NULL ? NULL : &decoded);
    }
    pgtext_composite_write_end(out, count);
    return token == PGTEXT_END;
}

static void multirange_read(struct bytes text)
{
    struct pgtext_multirange multirange;
    struct pgtext_range range;
    pgtext_multirange_begin(&multirange, text);
    for (size_t steps = 0; pgtext_multirange_next(&multirange, &range) == PGTEXT_VALUE; steps++) {
        check(steps <= text.size);
        touch(text, &range.lower);
        touch(text, &range.upper);
    }
}

/* A copy of a copy is the copy itself. */
static void check_stable(struct bytes text, bool (*copy)(struct bytes, struct text *))
{
    struct text first, second;
    text_init_heap(&first, 0);
    text_init_heap(&second, 0);
    if (copy(text, &first) && text_ok(&first)) {
        check(copy(text_bytes(&first), &second));
        check(bytes_equal(text_bytes(&first), text_bytes(&second)));
    }
    text_done(&first);
    text_done(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct bytes text = { (const char *)data, size };
    text_init_heap(&scratch, 0);
    check_stable(text, array_copy);
    check_stable(text, composite_copy);
    multirange_read(text);
    struct pgtext_range range;
    if (pgtext_range_parse(text, &range)) {
        touch(text, &range.lower);
        touch(text, &range.upper);
    }
    text_done(&scratch);
    return 0;
}

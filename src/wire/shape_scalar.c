/* shape_scalar.c - durations and sizes as people write them. */
#include "wire/shape.h"

struct unit {
    const char *name;
    int64_t factor;
};
/* Largest first, as they are written. */
static const struct unit duration_units[] = {
    { "d", 86400000000000LL }, { "h", 3600000000000LL }, { "m", 60000000000LL }, { "s", 1000000000LL },
    { "ms", 1000000LL },       { "us", 1000LL },         { "ns", 1LL },
};
static const struct unit size_units[] = {
    { "TiB", 1LL << 40 },
    { "GiB", 1LL << 30 },
    { "MiB", 1LL << 20 },
    { "KiB", 1LL << 10 },
    { "TB", 1000000000000LL },
    { "GB", 1000000000 },
    { "MB", 1000000 },
    { "kB", 1000 },
    { "B", 1 },
};

/* Digits, then letters: one part of "1h30m". */
static bool part_read(struct bytes *rest, const struct unit *units, size_t units_count, int64_t *ret_value)
{
    size_t digits = 0, end;
    while (digits < rest->size && rest->data[digits] >= '0' && rest->data[digits] <= '9')
        digits++;
    for (end = digits; end < rest->size && (unsigned)((rest->data[end] | 0x20) - 'a') < 26; end++)
        ;
    const struct bytes name = { rest->data + digits, end - digits };
    int64_t number, product;
    if (!bytes_to_int64(bytes_first(*rest, digits), &number))
        return false;
    *rest = bytes_from(*rest, end);
    for (size_t i = 0; i < units_count; i++) {
        if (!bytes_is(name, units[i].name))
            continue;
        if (__builtin_mul_overflow(number, units[i].factor, &product))
            return false;
        return !__builtin_add_overflow(*ret_value, product, ret_value);
    }
    return false;
}

bool shape_duration_read(struct bytes text, int64_t *ret_ns)
{
    int64_t ns = 0;
    if (bytes_is(text, "0")) {
        *ret_ns = 0;
        return true;
    }
    if (text.size == 0)
        return false;
    while (text.size)
        if (!part_read(&text, duration_units, array_count(duration_units), &ns))
            return false;
    *ret_ns = ns;
    return true;
}

bool shape_size_read(struct bytes text, int64_t *ret_bytes)
{
    int64_t bytes = 0;
    if (bytes_to_int64(text, &bytes)) {
        if (bytes < 0)
            return false;
        *ret_bytes = bytes;
        return true;
    }
    bytes = 0;
    if (!part_read(&text, size_units, array_count(size_units), &bytes) || text.size)
        return false;
    *ret_bytes = bytes;
    return true;
}

void shape_duration_write(struct text *out, int64_t ns)
{
    if (ns <= 0) {
        text_byte(out, '0');
        return;
    }
    for (size_t i = 0; i < array_count(duration_units); i++) {
        if (ns < duration_units[i].factor)
            continue;
        text_int(out, ns / duration_units[i].factor);
        text_add_z(out, duration_units[i].name);
        ns %= duration_units[i].factor;
    }
}

void shape_size_write(struct text *out, int64_t bytes)
{
    for (size_t i = 0; i < 4; i++) { /* the binary ones */
        if (bytes < size_units[i].factor || bytes % size_units[i].factor)
            continue;
        text_int(out, bytes / size_units[i].factor);
        text_add_z(out, size_units[i].name);
        return;
    }
    text_int(out, bytes);
}

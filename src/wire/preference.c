#include "wire/preference.h"

static bool is_token(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static void skip_spaces(struct bytes *rest)
{
    while (rest->size && (rest->data[0] == ' ' || rest->data[0] == '\t'))
        *rest = bytes_from(*rest, 1);
}

static struct bytes take_token(struct bytes *rest)
{
    size_t size = 0;
    while (size < rest->size && is_token(rest->data[size]))
        size++;
    const struct bytes token = bytes_first(*rest, size);
    *rest = bytes_from(*rest, size);
    return token;
}

/* A token or a quoted string (its inside, escapes kept: none of our values needs them). */
static struct bytes take_word(struct bytes *rest)
{
    if (!rest->size || rest->data[0] != '"')
        return take_token(rest);
    size_t end = 1;
    while (end < rest->size && rest->data[end] != '"')
        end += rest->data[end] == '\\' && end + 1 < rest->size ? 2 : 1;
    const struct bytes inside = { rest->data + 1, (end > rest->size ? rest->size : end) - 1 };
    *rest = bytes_from(*rest, end + 1);
    return inside;
}

static void skip_parameters(struct bytes *rest)
{
    while (rest->size && rest->data[0] != ',') {
        if (rest->data[0] == '"')
            (void)take_word(rest);
        else
            *rest = bytes_from(*rest, 1);
    }
}

/* ---- Prefer ---- */

struct choice {
    const char *name, *value;
    size_t offset;
    int number;
};
static const struct choice choices[] = {
    { "return", "minimal", offsetof(struct preferences, returns), RETURN_MINIMAL },
    { "return", "representation", offsetof(struct preferences, returns), RETURN_REPRESENTATION },
    { "return", "headers-only", offsetof(struct preferences, returns), RETURN_HEADERS_ONLY },
    { "transaction", "all", offsetof(struct preferences, transaction), TRANSACTION_ALL },
    { "transaction", "each", offsetof(struct preferences, transaction), TRANSACTION_EACH },
    { "resolution", "merge-duplicates", offsetof(struct preferences, resolution), RESOLUTION_MERGE },
    { "resolution", "ignore-duplicates", offsetof(struct preferences, resolution), RESOLUTION_IGNORE },
    { "count", "none", offsetof(struct preferences, count), PREFER_COUNT_NONE },
    { "count", "estimated", offsetof(struct preferences, count), PREFER_COUNT_ESTIMATED },
    { "count", "capped", offsetof(struct preferences, count), PREFER_COUNT_CAPPED },
    { "count", "exact", offsetof(struct preferences, count), PREFER_COUNT_EXACT },
};

static bool take_choice(struct preferences *preferences, struct bytes name, struct bytes value)
{
    for (size_t i = 0; i < array_count(choices); i++)
        if (bytes_is_nocase(name, choices[i].name) && bytes_is_nocase(value, choices[i].value)) {
            int *place = (int *)(void *)((char *)preferences + choices[i].offset);
            if (*place == 0)
                *place = choices[i].number;
            return true;
        }
    return false;
}

static bool take_preference(struct preferences *preferences, struct bytes name, struct bytes value)
{
    int64_t seconds;
    if (bytes_is_nocase(name, "respond-async"))
        return preferences->respond_async = true;
    if (bytes_is_nocase(name, "handling") && bytes_is_nocase(value, "strict"))
        return preferences->strict = true;
    if (bytes_is_nocase(name, "handling") && bytes_is_nocase(value, "lenient"))
        return true;
    if (bytes_is_nocase(name, "wait") && bytes_to_int64(value, &seconds) && seconds >= 0) {
        if (preferences->wait_s < 0)
            preferences->wait_s = seconds;
        return true;
    }
    return take_choice(preferences, name, value);
}

void preferences_init(struct preferences *preferences)
{
    *preferences = (struct preferences){ .wait_s = -1 };
}

void preferences_read(struct preferences *preferences, struct bytes rest)
{
    while (rest.size) {
        skip_spaces(&rest);
        const struct bytes name = take_token(&rest);
        struct bytes value = { NULL, 0 };
        skip_spaces(&rest);
        if (rest.size && rest.data[0] == '=') {
            rest = bytes_from(rest, 1);
            skip_spaces(&rest);
            value = take_word(&rest);
        }
        if (name.size && !take_preference(preferences, name, value) && !preferences->unknown.size)
            preferences->unknown = name;
        skip_parameters(&rest);
        rest = bytes_from(rest, 1);
    }
}

/* ---- entity tags ---- */

bool etag_next(struct bytes *rest, struct etag *ret_tag, bool *ret_any)
{
    *ret_any = false;
    while (rest->size && (rest->data[0] == ',' || rest->data[0] == ' ' || rest->data[0] == '\t'))
        *rest = bytes_from(*rest, 1);
    if (!rest->size)
        return false;
    if (bytes_is(bytes_trim(*rest), "*")) {
        *ret_any = true;
        *rest = bytes_from(*rest, rest->size);
        return true;
    }
    struct bytes at = *rest;
    const bool weak = bytes_starts(at, BYTES("W/"));
    if (weak)
        at = bytes_from(at, 2);
    if (!at.size || at.data[0] != '"')
        return false;
    size_t end = 1;
    while (end < at.size && at.data[end] != '"') {
        const unsigned char c = (unsigned char)at.data[end];
        if (c < 0x21 || c == 0x7f)
            return false;
        end++;
    }
    if (end >= at.size)
        return false;
    struct bytes behind = bytes_from(at, end + 1);
    skip_spaces(&behind);
    if (behind.size && behind.data[0] != ',')
        return false;
    *ret_tag = (struct etag){ weak, { at.data + 1, end - 1 } };
    *rest = behind;
    return true;
}

bool etag_matches(struct bytes field, struct bytes opaque, bool weak_allowed)
{
    struct etag tag;
    bool any;
    while (etag_next(&field, &tag, &any)) {
        if (any)
            return true;
        if (bytes_equal(tag.opaque, opaque) && (weak_allowed || !tag.weak))
            return true;
    }
    return false;
}

/* ---- Accept ---- */

/* qvalue = 0[.ddd] | 1[.000], in thousandths; -1 for what is none. */
static int quality_read(struct bytes value)
{
    int quality = 0, scale = 1000;
    if (value.size == 0 || value.size > 5 || (value.data[0] != '0' && value.data[0] != '1') ||
        (value.size > 1 && value.data[1] != '.'))
        return -1;
    for (size_t i = 0; i < value.size; i++) {
        if (i == 1)
            continue;
        if (value.data[i] < '0' || value.data[i] > '9')
            return -1;
        quality += (value.data[i] - '0') * scale;
        scale /= 10;
    }
    return quality <= 1000 ? quality : -1;
}

/* Steps over the parameters up to the next ','. 0..1000; 1000 when there is no sound q among them. */
static int take_quality(struct bytes *rest)
{
    int quality = 1000;
    while (rest->size && rest->data[0] != ',') {
        if (rest->data[0] != ';') {
            *rest = bytes_from(*rest, 1);
            continue;
        }
        *rest = bytes_from(*rest, 1);
        skip_spaces(rest);
        const struct bytes name = take_token(rest);
        if (!rest->size || rest->data[0] != '=')
            continue;
        *rest = bytes_from(*rest, 1);
        const int read = quality_read(take_word(rest));
        if (bytes_is_nocase(name, "q") && read >= 0)
            quality = read;
    }
    return quality;
}

/* 3: the very type, 2: its class, 1: anything, 0: no match. */
static int media_specificity(struct bytes range, struct bytes offer)
{
    if (bytes_equal_nocase(range, offer))
        return 3;
    if (bytes_is(range, "*/*"))
        return 1;
    const ptrdiff_t slash = bytes_find(range, '/');
    if (slash < 0 || !bytes_is(bytes_from(range, (size_t)slash + 1), "*"))
        return 0;
    return bytes_equal_nocase(bytes_first(range, (size_t)slash + 1), bytes_first(offer, (size_t)slash + 1))
               ? 2
               : 0;
}

/* What the field says of one offer: its most specific range counts (RFC 9110, 12.5.1). */
struct verdict {
    int quality, specificity; /* specificity 0: no range names it */
};

static struct verdict verdict_on(struct bytes field, struct bytes offer,
                                 int (*specificity_of)(struct bytes, struct bytes))
{
    struct verdict verdict = { 0, 0 };
    while (field.size) {
        skip_spaces(&field);
        size_t size = 0;
        while (size < field.size && (is_token(field.data[size]) || field.data[size] == '/'))
            size++;
        const struct bytes range = bytes_first(field, size);
        field = bytes_from(field, size);
        const int quality = take_quality(&field);
        field = bytes_from(field, 1);
        const int specificity = specificity_of(range, offer);
        if (specificity > verdict.specificity)
            verdict = (struct verdict){ quality, specificity };
    }
    return verdict;
}

static bool is_better(struct verdict a, struct verdict b)
{
    return a.quality > b.quality ||
           (a.quality == b.quality && a.quality > 0 && a.specificity > b.specificity);
}

int accept_choose(struct bytes field, const char *const *offers, int offers_count)
{
    if (bytes_trim(field).size == 0)
        return 0;
    int best = -1;
    struct verdict best_verdict = { 0, 0 };
    for (int i = 0; i < offers_count; i++) {
        const struct verdict verdict = verdict_on(field, bytes_of(offers[i]), media_specificity);
        if (is_better(verdict, best_verdict)) {
            best_verdict = verdict;
            best = i;
        }
    }
    return best;
}

/* 2: this very coding, 1: any, 0: no match. */
static int coding_specificity(struct bytes range, struct bytes offer)
{
    return bytes_equal_nocase(range, offer) ? 2 : bytes_is(range, "*") ? 1 : 0;
}

int accept_encoding_choose(struct bytes field, const char *const *offers, int offers_count)
{
    int best = -1;
    struct verdict best_verdict = { 0, 0 };
    for (int i = 0; i < offers_count; i++) {
        const struct verdict verdict = verdict_on(field, bytes_of(offers[i]), coding_specificity);
        /* A named coding is no better than one that `*` allows: the offer's order decides. */
        if (verdict.quality > best_verdict.quality) {
            best_verdict = verdict;
            best = i;
        }
    }
    /* Not compressed at all, when the client says it would rather have that. */
    const struct verdict identity = verdict_on(field, BYTES("identity"), coding_specificity);
    return best >= 0 && identity.specificity == 2 && identity.quality > best_verdict.quality ? -1 : best;
}

bool media_type_read(struct bytes field, struct bytes *ret_type, struct bytes *ret_charset)
{
    struct bytes rest = bytes_trim(field);
    const char *start = rest.data;
    const struct bytes type = take_token(&rest);
    if (!type.size || !rest.size || rest.data[0] != '/')
        return false;
    rest = bytes_from(rest, 1);
    const struct bytes subtype = take_token(&rest);
    if (!subtype.size)
        return false;
    *ret_type = (struct bytes){ start, (size_t)(subtype.data + subtype.size - start) };
    *ret_charset = (struct bytes){ NULL, 0 };
    while (skip_spaces(&rest), rest.size) {
        if (rest.data[0] != ';')
            return false;
        rest = bytes_from(rest, 1);
        skip_spaces(&rest);
        const struct bytes name = take_token(&rest);
        if (!name.size)
            continue;
        if (!rest.size || rest.data[0] != '=')
            return false;
        rest = bytes_from(rest, 1);
        const struct bytes value = take_word(&rest);
        if (bytes_is_nocase(name, "charset"))
            *ret_charset = value;
    }
    return true;
}

/* ---- correlation ---- */

bool request_id_sound(struct bytes id)
{
    if (id.size < 8 || id.size > 128)
        return false;
    for (size_t i = 0; i < id.size; i++) {
        const char c = id.data[i];
        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '.' ||
              c == '_' || c == '-'))
            return false;
    }
    return true;
}

static bool hex_run(const char *at, size_t size, bool *ret_zero)
{
    *ret_zero = true;
    for (size_t i = 0; i < size; i++) {
        if (!((at[i] >= '0' && at[i] <= '9') || (at[i] >= 'a' && at[i] <= 'f')))
            return false;
        *ret_zero &= at[i] == '0';
    }
    return true;
}

bool traceparent_sound(struct bytes value)
{
    bool trace_zero, parent_zero, flags_zero;
    return value.size == 55 && memcmp(value.data, "00-", 3) == 0 &&
           hex_run(value.data + 3, 32, &trace_zero) && !trace_zero && value.data[35] == '-' &&
           hex_run(value.data + 36, 16, &parent_zero) && !parent_zero && value.data[52] == '-' &&
           hex_run(value.data + 53, 2, &flags_zero);
}

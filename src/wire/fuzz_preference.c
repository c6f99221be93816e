/* Every small field grammar against arbitrary bytes: no crash, and results stay inside the input. */
#include <stdlib.h>

#include "wire/preference.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size ? size : 1); /* an exact allocation: reading past it is seen */
    check(copy != NULL);
    memcpy(copy, data, size);
    const struct bytes field = { copy, size };
    struct preferences preferences;
    preferences_init(&preferences);
    preferences_read(&preferences, field);
    check(preferences.unknown.size <= size);
    struct bytes rest = field;
    struct etag tag;
    bool any;
    for (size_t steps = 0; etag_next(&rest, &tag, &any); steps++)
        check(steps <= size && (any || tag.opaque.size <= size));
    (void)etag_matches(field, BYTES("a"), true);
    const char *const offers[] = { "application/json", "application/problem+json" };
    const int chosen = accept_choose(field, offers, 2);
    check(chosen >= -1 && chosen < 2);
    const char *const codings[] = { "br", "gzip" };
    const int coding = accept_encoding_choose(field, codings, 2);
    check(coding >= -1 && coding < 2);
    struct bytes type, charset;
    if (media_type_read(field, &type, &charset))
        check(type.size <= size && charset.size <= size);
    (void)request_id_sound(field);
    (void)traceparent_sound(field);
    free(copy);
    return 0;
}

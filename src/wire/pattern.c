#include "wire/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

bool pattern_compile(struct bytes text, struct pattern **ret_pattern, struct wire_error *error)
{
    int code;
    PCRE2_SIZE offset;
    char message[128] = "";
    if (text.size > PATTERN_BYTES_MAX)
        return wire_fail(error, 0, "pattern", "the pattern is longer than %d bytes", PATTERN_BYTES_MAX);
    pcre2_code *made =
        pcre2_compile((PCRE2_SPTR)text.data, text.size,
                      PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C, &code, &offset, NULL);
    if (!made) {
        (void)pcre2_get_error_message(code, (PCRE2_UCHAR *)message, sizeof message);
        return wire_fail(error, offset, "pattern", "%s (at character %zu)", message, (size_t)offset + 1);
    }
    *ret_pattern = (struct pattern *)made;
    return true;
}

void pattern_free(struct pattern *pattern)
{
    pcre2_code_free((pcre2_code *)pattern);
}

enum pattern_verdict pattern_match(const struct pattern *pattern, struct bytes value)
{
    const pcre2_code *code = (const pcre2_code *)pattern;
    pcre2_match_context *context = pcre2_match_context_create(NULL);
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    check(context != NULL && data != NULL);
    (void)pcre2_set_match_limit(context, PATTERN_STEPS_MAX);
    (void)pcre2_set_depth_limit(context, PATTERN_STEPS_MAX);
    const int found =
        pcre2_match(code, (PCRE2_SPTR)(value.size ? value.data : ""), value.size, 0, 0, data, context);
    pcre2_match_data_free(data);
    pcre2_match_context_free(context);
    if (found >= 0)
        return PATTERN_FOUND;
    return found == PCRE2_ERROR_MATCHLIMIT || found == PCRE2_ERROR_DEPTHLIMIT ||
                   found == PCRE2_ERROR_HEAPLIMIT
               ? PATTERN_TOO_COSTLY
               : PATTERN_NOT_FOUND;
}

#include "wire/rule_text.h"

#include "base/check.h"
#include "wire/jsonschema_format.h"

/* ---- times ---- */

struct cursor {
    const char *at, *end;
};

static bool take(struct cursor *cursor, char c)
{
    if (cursor->at == cursor->end || *cursor->at != c)
        return false;
    cursor->at++;
    return true;
}

static bool take_two(struct cursor *cursor, int most, int *ret_number)
{
    if (cursor->end - cursor->at < 2)
        return false;
    const unsigned tens = (unsigned char)(cursor->at[0] - '0'), ones = (unsigned char)(cursor->at[1] - '0');
    *ret_number = (int)(tens * 10 + ones);
    cursor->at += 2;
    return tens < 10 && ones < 10 && *ret_number <= most;
}

/* Days since 1970-01-01. Source: Hinnant, "chrono-Compatible Low-Level Date Algorithms". */
static int64_t day_number(struct bytes date)
{
    const char *at = date.data;
    int year = (at[0] - '0') * 1000 + (at[1] - '0') * 100 + (at[2] - '0') * 10 + (at[3] - '0');
    const int month = (at[5] - '0') * 10 + (at[6] - '0'), day = (at[8] - '0') * 10 + (at[9] - '0');
    year -= month <= 2;
    const int era = (year >= 0 ? year : year - 399) / 400, of_era = year - era * 400;
    const int of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return (int64_t)era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static bool take_fraction(struct cursor *cursor, struct bytes *ret_fraction)
{
    const char *const start = cursor->at;
    while (cursor->at < cursor->end && (unsigned char)(*cursor->at - '0') < 10)
        cursor->at++;
    *ret_fraction = bytes_make(start, (size_t)(cursor->at - start));
    while (ret_fraction->size && start[ret_fraction->size - 1] == '0')
        ret_fraction->size--;
    return cursor->at > start;
}

/* Z, +hh, +hhmm, +hh:mm, or nothing. */
static bool take_zone(struct cursor *cursor, struct rule_time *time)
{
    int hours, minutes = 0;
    if (cursor->at == cursor->end)
        return true;
    time->zoned = true;
    if (take(cursor, 'Z') || take(cursor, 'z'))
        return true;
    const bool behind = *cursor->at == '-';
    if ((!take(cursor, '+') && !take(cursor, '-')) || !take_two(cursor, 23, &hours))
        return false;
    if ((take(cursor, ':') || cursor->at < cursor->end) && !take_two(cursor, 59, &minutes))
        return false;
    time->second += (hours * 3600 + minutes * 60) * (behind ? 1 : -1);
    return true;
}

bool rule_time_read(struct bytes text, struct rule_time *ret_time)
{
    int hour, minute, second = 0;
    if (text.size < 10 || !js_is_date(bytes_first(text, 10)))
        return false;
    *ret_time = (struct rule_time){ .second = day_number(text) * 86400, .day = text.size == 10 };
    if (ret_time->day)
        return true;
    struct cursor cursor = { text.data + 10, text.data + text.size };
    if (!take(&cursor, 'T') && !take(&cursor, 't') && !take(&cursor, ' '))
        return false;
    if (!take_two(&cursor, 24, &hour) || !take(&cursor, ':') || !take_two(&cursor, 59, &minute))
        return false;
    if (take(&cursor, ':') && (!take_two(&cursor, 60, &second) ||
                               (take(&cursor, '.') && !take_fraction(&cursor, &ret_time->fraction))))
        return false;
    ret_time->second += hour * 3600 + minute * 60 + second;
    return (hour < 24 || (minute == 0 && second == 0)) && take_zone(&cursor, ret_time) &&
           cursor.at == cursor.end;
}

int rule_time_compare(const struct rule_time *a, const struct rule_time *b)
{
    if (a->second != b->second)
        return a->second < b->second ? -1 : 1;
    return bytes_compare(a->fraction, b->fraction); /* a longer fraction with the same beginning is later */
}

/* ---- patterns ---- */

static size_t character_size(struct bytes text, size_t at)
{
    size_t size = 1;
    while (at + size < text.size && ((unsigned char)text.data[at + size] & 0xc0) == 0x80)
        size++;
    return size;
}

bool rule_like_is_sound(struct bytes pattern)
{
    for (size_t i = 0; i < pattern.size; i++)
        if (pattern.data[i] == '\\' && ++i == pattern.size)
            return false;
    return true;
}

/* Only the last % is ever come back to: what stood before it has matched as early as it can. */
bool rule_like(struct bytes text, struct bytes pattern, uint64_t *work)
{
    size_t at = 0, in = 0, again_at = 0, again_in = SIZE_MAX;
    while (at < text.size) {
        if (*work == 0)
            return false;
        *work -= 1;
        const char want = in < pattern.size ? pattern.data[in] : '\0';
        if (in < pattern.size && want == '%') {
            again_in = ++in;
            again_at = at;
            continue;
        }
        if (in < pattern.size && want == '_') {
            at += character_size(text, at);
            in++;
            continue;
        }
        const size_t escaped = in < pattern.size && want == '\\';
        if (in < pattern.size && pattern.data[in + escaped] == text.data[at]) {
            at++;
            in += 1 + escaped;
            continue;
        }
        if (again_in == SIZE_MAX)
            return false;
        in = again_in;
        again_at += character_size(text, again_at);
        at = again_at;
    }
    while (in < pattern.size && pattern.data[in] == '%')
        in++;
    return in == pattern.size;
}

uint64_t rule_characters(struct bytes text)
{
    uint64_t count = 0;
    for (size_t i = 0; i < text.size; i++)
        count += ((unsigned char)text.data[i] & 0xc0) != 0x80;
    return count;
}

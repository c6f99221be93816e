/* date-time, date, time, duration. Source: RFC 3339, section 5.6 and appendix A. */
#include "wire/jsonschema_format.h"

static bool is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

/* Exactly two digits at `at`, or -1. */
static int two(struct bytes text, size_t at)
{
    if (at + 2 > text.size || !is_digit(text.data[at]) || !is_digit(text.data[at + 1]))
        return -1;
    return (text.data[at] - '0') * 10 + text.data[at + 1] - '0';
}

bool js_is_date(struct bytes text)
{
    if (text.size != 10 || text.data[4] != '-' || text.data[7] != '-')
        return false;
    const int century = two(text, 0), year = two(text, 2), month = two(text, 5), day = two(text, 8);
    if (century < 0 || year < 0 || month < 1 || month > 12 || day < 1)
        return false;
    static const char days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    const bool leap = year % 4 == 0 && (year != 0 || century % 4 == 0);
    return day <= days[month - 1] + (month == 2 && leap);
}

/* "Z", "+01:30": *ret_minutes is how far local time is ahead. */
static bool read_offset(struct bytes text, int *ret_minutes)
{
    *ret_minutes = 0;
    if (text.size == 1)
        return (text.data[0] | 0x20) == 'z';
    if (text.size != 6 || (text.data[0] != '+' && text.data[0] != '-') || text.data[3] != ':')
        return false;
    const int hours = two(text, 1), minutes = two(text, 4);
    if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59)
        return false;
    *ret_minutes = (hours * 60 + minutes) * (text.data[0] == '-' ? -1 : 1);
    return true;
}

bool js_is_time(struct bytes text)
{
    const int hour = two(text, 0), minute = two(text, 3), second = two(text, 6);
    if (text.size < 9 || text.data[2] != ':' || text.data[5] != ':' || hour < 0 || hour > 23 || minute < 0 ||
        minute > 59 || second < 0 || second > 60)
        return false;
    size_t at = 8;
    if (text.data[at] == '.') {
        const size_t start = ++at;
        while (at < text.size && is_digit(text.data[at]))
            at++;
        if (at == start)
            return false;
    }
    int ahead;
    if (!read_offset(bytes_from(text, at), &ahead))
        return false;
    const int utc = ((hour * 60 + minute - ahead) % 1440 + 1440) % 1440;
    return second < 60 || utc == 1439;
}

bool js_is_date_time(struct bytes text)
{
    return text.size > 11 && js_is_date(bytes_first(text, 10)) && (text.data[10] | 0x20) == 't' &&
           js_is_time(bytes_from(text, 11));
}

/* Counts with a unit each, in the order of `units`, none left out between two: 1H2M, 2M3S, not 1H3S. */
static bool take_units(struct bytes *rest, const char *units, bool *ret_any)
{
    const char *unit = units;
    *ret_any = false;
    while (rest->size > 0 && is_digit(rest->data[0])) {
        size_t digits = 0;
        while (digits < rest->size && is_digit(rest->data[digits]))
            digits++;
        if (digits == rest->size)
            return false;
        const char c = rest->data[digits];
        const char *found = c ? strchr(unit, c) : NULL;
        if (!found || (*ret_any && found != unit))
            return false;
        unit = found + 1;
        *ret_any = true;
        *rest = bytes_from(*rest, digits + 1);
    }
    return true;
}

bool js_is_duration(struct bytes text)
{
    if (text.size < 3 || text.data[0] != 'P')
        return false;
    struct bytes rest = bytes_from(text, 1);
    bool date, time = false;
    if (text.data[text.size - 1] == 'W')
        return take_units(&rest, "W", &date) && date && rest.size == 0;
    if (!take_units(&rest, "YMD", &date))
        return false;
    if (rest.size > 0 && rest.data[0] == 'T') {
        rest = bytes_from(rest, 1);
        if (!take_units(&rest, "HMS", &time) || !time)
            return false;
    }
    return rest.size == 0 && (date || time);
}

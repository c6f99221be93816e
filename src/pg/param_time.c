/* Dates and times: ISO 8601 as RFC 3339 and PostgreSQL have it in common, infinity, years before Christ.
 * Words such as "now" or "tomorrow", which PostgreSQL would take, are refused: what they mean depends on when
 * they are read. Source: RFC 3339, 5.6; PostgreSQL 8.5.1. */
#include "pg/param_internal.h"

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

/* least..most digits. */
static bool take_digits(struct cursor *cursor, int least, int most, int *ret_number)
{
    int number = 0, count = 0;
    while (cursor->at < cursor->end && (unsigned char)(*cursor->at - '0') <= 9 && count < most) {
        number = number * 10 + (*cursor->at++ - '0');
        count++;
    }
    *ret_number = number;
    return count >= least;
}

struct day {
    int year, month, day;
};

static bool take_day(struct cursor *cursor, struct day *day)
{
    return take_digits(cursor, 4, 7, &day->year) && take(cursor, '-') &&
           take_digits(cursor, 2, 2, &day->month) && take(cursor, '-') &&
           take_digits(cursor, 2, 2, &day->day);
}

static bool take_before_christ(struct cursor *cursor)
{
    if (cursor->end - cursor->at != 3 || memcmp(cursor->at, " BC", 3) != 0)
        return false;
    cursor->at += 3;
    return true;
}

static bool is_leap(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static bool day_exists(const struct day *day, bool before_christ)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    const int astronomical =
        before_christ ? 1 - day->year : day->year; /* there is no year 0: before 1 comes 1 BC */
    if (day->year < 1 || day->month < 1 || day->month > 12 || day->day < 1)
        return false;
    return day->day <= days[day->month - 1] + (day->month == 2 && is_leap(astronomical));
}

static bool check_day(const struct param_at *at, const struct day *day, bool before_christ, int year_most)
{
    if (!day_exists(day, before_christ))
        return param_violation(at, "range", "must be a day that exists");
    if (before_christ ? day->year > 4714 : day->year > year_most)
        return param_violation(at, "range", "must be between the years 4713 BC and %d", year_most);
    return true;
}

static bool is_infinite(struct bytes content)
{
    return bytes_is_nocase(content, "infinity") || bytes_is_nocase(content, "-infinity");
}

bool param_date(const struct param_at *at, struct bytes content)
{
    struct cursor cursor = { content.data, content.data + content.size };
    struct day day;
    if (is_infinite(content))
        return true;
    if (!take_day(&cursor, &day))
        return param_violation(at, "format", "must be a date such as 2024-01-31");
    const bool before_christ = take_before_christ(&cursor);
    if (cursor.at != cursor.end)
        return param_violation(at, "format", "must be a date such as 2024-01-31, without a time");
    return check_day(at, &day, before_christ, 5874897);
}

/* hh:mm, hh:mm:ss or hh:mm:ss.ffffff; *ret_exists: such a time exists (24:00:00 does). */
static bool take_time(struct cursor *cursor, bool *ret_exists)
{
    int hour, minute, second = 0, ignored;
    const char *fraction = NULL;
    if (!take_digits(cursor, 2, 2, &hour) || !take(cursor, ':') || !take_digits(cursor, 2, 2, &minute))
        return false;
    if (take(cursor, ':')) {
        if (!take_digits(cursor, 2, 2, &second))
            return false;
        fraction = cursor->at;
        if (take(cursor, '.') && !take_digits(cursor, 1, 9, &ignored)) /* nanoseconds; PostgreSQL keeps six */
            return false;
    }
    bool zero = minute == 0 && second == 0;
    for (; fraction && fraction < cursor->at; fraction++)
        zero = zero && (*fraction == '.' || *fraction == '0');
    *ret_exists = minute < 60 && second <= 60 && (hour < 24 || (hour == 24 && zero));
    return true;
}

struct zone {
    bool given, zero, exists;
};

/* Z, +hh, +hhmm, +hh:mm, +hh:mm:ss, or nothing. */
static bool take_zone(struct cursor *cursor, struct zone *zone)
{
    *zone = (struct zone){ .given = true, .zero = true, .exists = true };
    if (take(cursor, 'Z') || take(cursor, 'z'))
        return true;
    if (!take(cursor, '+') && !take(cursor, '-')) {
        zone->given = false;
        return true;
    }
    int hour, minute = 0, second = 0;
    if (!take_digits(cursor, 2, 2, &hour))
        return false;
    const bool colon = take(cursor, ':');
    if ((colon || (cursor->at < cursor->end && *cursor->at != ' ')) && !take_digits(cursor, 2, 2, &minute))
        return false;
    if (colon && take(cursor, ':') && !take_digits(cursor, 2, 2, &second))
        return false;
    zone->zero = hour == 0 && minute == 0 && second == 0;
    zone->exists = hour <= 15 && minute < 60 && second < 60;
    return true;
}

/* A type without time zone drops an offset in silence: only one that changes nothing is let through. */
static bool check_zone(const struct param_at *at, const struct zone *zone, bool with_zone)
{
    if (!zone->exists)
        return param_violation(at, "range", "must have a time zone offset between -15:59 and +15:59");
    return with_zone || zone->zero ||
           param_violation(at, "format", "must have no time zone offset: it would be lost (Z is allowed)");
}

bool param_time(const struct param_at *at, struct bytes content, bool with_zone)
{
    struct cursor cursor = { content.data, content.data + content.size };
    struct zone zone;
    bool exists;
    if (!take_time(&cursor, &exists) || !take_zone(&cursor, &zone) || cursor.at != cursor.end)
        return param_violation(at, "format", "must be a time such as %s",
                               with_zone ? "12:30:00+02:00" : "12:30:00");
    if (!exists)
        return param_violation(at, "range", "must be a time that exists");
    return check_zone(at, &zone, with_zone);
}

static bool timestamp_format(const struct param_at *at, bool with_zone)
{
    return param_violation(at, "format", "must be a timestamp such as 2024-01-31T12:30:00%s%s",
                           with_zone ? "Z" : "",
                           with_zone && at->reading->as_text ? " (in a URL, + is written %2B)" : "");
}

bool param_timestamp(const struct param_at *at, struct bytes content, bool with_zone)
{
    struct cursor cursor = { content.data, content.data + content.size };
    struct zone zone = { .zero = true, .exists = true };
    struct day day;
    bool exists = true;
    if (is_infinite(content))
        return true;
    if (!take_day(&cursor, &day))
        return timestamp_format(at, with_zone);
    const bool only_day = cursor.at == cursor.end || cursor.end - cursor.at == 3; /* " BC" */
    if (!only_day) {
        if (!take(&cursor, 'T') && !take(&cursor, 't') && !take(&cursor, ' '))
            return timestamp_format(at, with_zone);
        if (!take_time(&cursor, &exists) || !take_zone(&cursor, &zone))
            return timestamp_format(at, with_zone);
    }
    const bool before_christ = take_before_christ(&cursor);
    if (cursor.at != cursor.end)
        return timestamp_format(at, with_zone);
    if (!exists)
        return param_violation(at, "range", "must be a time that exists");
    return check_day(at, &day, before_christ, 294276) && check_zone(at, &zone, with_zone);
}

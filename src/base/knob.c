#include "base/knob.h"

#include <stdio.h>

static void *field(const struct knob *knob, void *conf)
{
    return (char *)conf + knob->offset;
}

void knobs_preset(const struct knob *knobs, void *conf)
{
    for (const struct knob *knob = knobs; knob->name; knob++) {
        if (knob->kind == KNOB_TEXT)
            *(const char **)field(knob, conf) = knob->preset_text;
        else if (knob->kind == KNOB_BOOL)
            *(bool *)field(knob, conf) = knob->preset != 0;
        else
            *(int64_t *)field(knob, conf) = knob->preset;
    }
}

struct unit {
    const char *name;
    int64_t factor;
};
static const struct unit durations[] = {
    { "ns", 1 },          { "us", 1000 },         { "ms", 1000000 },      { "s", 1000000000 },
    { "m", 60000000000 }, { "h", 3600000000000 }, { "d", 86400000000000 }
};
static const struct unit sizes[] = { { "", 1 },          { "B", 1 },          { "KiB", 1024 },
                                     { "MiB", 1 << 20 }, { "GiB", 1 << 30 },  { "kB", 1000 },
                                     { "MB", 1000000 },  { "GB", 1000000000 } };

static bool parse_united(struct bytes value, const struct unit *units, size_t count, int64_t *ret)
{
    size_t digits = 0;
    while (digits < value.size && value.data[digits] >= '0' && value.data[digits] <= '9')
        digits++;
    int64_t number;
    if (!bytes_to_int64(bytes_first(value, digits), &number))
        return false;
    const struct bytes suffix = bytes_trim(bytes_from(value, digits));
    for (size_t i = 0; i < count; i++)
        if (bytes_is(suffix, units[i].name))
            return !__builtin_mul_overflow(number, units[i].factor, ret);
    return number == 0 && suffix.size == 0 ? (*ret = 0, true) : false;
}

static void print_united(int64_t value, const struct unit *units, size_t count, char *text, size_t room)
{
    const struct unit *best = &units[0];
    if (value == 0) {
        snprintf(text, room, "0");
        return;
    }
    for (size_t i = 0; i < count; i++)
        if (value % units[i].factor == 0 && units[i].factor > best->factor)
            best = &units[i];
    snprintf(text, room, "%lld%s", (long long)(value / best->factor), best->name);
}

static bool in_range(const struct knob *knob, int64_t value, char why[static 160])
{
    const bool shaped = knob->shape != KNOB_POWER_OF_TWO || (value > 0 && (value & (value - 1)) == 0);
    if (value >= knob->min && value <= knob->max && shaped)
        return true;
    char low[64], high[64];
    if (knob->kind == KNOB_DURATION) {
        print_united(knob->min, durations, array_count(durations), low, sizeof low);
        print_united(knob->max, durations, array_count(durations), high, sizeof high);
    } else if (knob->kind == KNOB_SIZE) {
        print_united(knob->min, sizes, 5, low, sizeof low);
        print_united(knob->max, sizes, 5, high, sizeof high);
    } else {
        snprintf(low, sizeof low, "%lld", (long long)knob->min);
        snprintf(high, sizeof high, "%lld", (long long)knob->max);
    }
    snprintf(why, 160, "must be %s..%s%s%s%s", low, high, knob->unit ? " " : "", knob->unit ? knob->unit : "",
             shaped ? "" : ", a power of two");
    return false;
}

static bool parse_choice(const struct knob *knob, struct bytes value, int64_t *ret, char why[static 160])
{
    size_t at = (size_t)snprintf(why, 160, "must be one of:");
    for (int i = 0; knob->choices[i]; i++) {
        if (bytes_is(value, knob->choices[i])) {
            *ret = i;
            return true;
        }
        if (at < 160)
            at += (size_t)snprintf(why + at, 160 - at, " %s", knob->choices[i]);
    }
    return false;
}

bool knob_parse(const struct knob *knob, struct bytes value, void *conf, char why[static 160])
{
    int64_t number = 0;
    bool sound = true;
    switch (knob->kind) {
    case KNOB_TEXT:
        *(const char **)field(knob, conf) = value.data;
        return true;
    case KNOB_BOOL:
        if (!bytes_is(value, "true") && !bytes_is(value, "false")) {
            snprintf(why, 160, "must be true or false");
            return false;
        }
        *(bool *)field(knob, conf) = bytes_is(value, "true");
        return true;
    case KNOB_CHOICE:
        if (!parse_choice(knob, value, &number, why))
            return false;
        *(int64_t *)field(knob, conf) = number;
        return true;
    case KNOB_DURATION:
        sound = parse_united(value, durations, array_count(durations), &number);
        if (!sound)
            snprintf(why, 160, "must be a duration such as 250ms, 5s, 2m or 1h");
        break;
    case KNOB_SIZE:
        sound = parse_united(value, sizes, array_count(sizes), &number);
        if (!sound)
            snprintf(why, 160, "must be a size such as 512, 64KiB or 1MiB");
        break;
    case KNOB_INT:
        sound = bytes_to_int64(value, &number);
        if (!sound)
            snprintf(why, 160, "must be a whole number");
        break;
    }
    if (!sound || !in_range(knob, number, why))
        return false;
    *(int64_t *)field(knob, conf) = number;
    return true;
}

void knob_print(const struct knob *knob, const void *conf, char text[static 128])
{
    const char *at = (const char *)conf + knob->offset;
    if (knob->secret)
        snprintf(text, 128, "(secret)");
    else if (knob->kind == KNOB_TEXT)
        snprintf(text, 128, "%s",
                 *(const char *const *)(const void *)at ? *(const char *const *)(const void *)at : "");
    else if (knob->kind == KNOB_BOOL)
        snprintf(text, 128, "%s", *(const bool *)at ? "true" : "false");
    else if (knob->kind == KNOB_CHOICE)
        snprintf(text, 128, "%s", knob->choices[*(const int64_t *)(const void *)at]);
    else if (knob->kind == KNOB_DURATION)
        print_united(*(const int64_t *)(const void *)at, durations, array_count(durations), text, 128);
    else if (knob->kind == KNOB_SIZE)
        print_united(*(const int64_t *)(const void *)at, sizes, 5, text, 128);
    else
        snprintf(text, 128, "%lld", (long long)*(const int64_t *)(const void *)at);
}

const struct knob *knob_find(const struct knob *knobs, struct bytes name)
{
    for (const struct knob *knob = knobs; knob && knob->name; knob++)
        if (bytes_is(name, knob->name))
            return knob;
    return NULL;
}

#pragma once
/* knob.h - a setting, declared once: its place in a conf struct, range, preset, unit and prose. Parsing,
 * range checks,
 * --help, reference docs and reload are all printed from the table. A table ends with { 0 }. */
#include "base/bytes.h"
#include "base/check.h"

enum knob_kind {
    KNOB_INT,      /* int64_t */
    KNOB_DURATION, /* int64_t ns; written 250ms, 5s, 2m, 1h */
    KNOB_SIZE,     /* int64_t bytes; written 512, 64KiB, 1MiB */
    KNOB_BOOL,     /* bool; true | false */
    KNOB_TEXT,     /* const char *, owned by whoever owns the conf */
    KNOB_CHOICE,   /* int64_t index into `choices` */
};

enum knob_shape { KNOB_ANY, KNOB_POWER_OF_TWO };

struct knob {
    const char *name; /* as in lintel.yaml, under the module's section */
    const char *unit, *doc;
    enum knob_kind kind;
    enum knob_shape shape;
    size_t offset;
    int64_t min, max, preset;   /* in the field's own unit; ignored for text */
    const char *preset_text;    /* KNOB_TEXT */
    const char *const *choices; /* KNOB_CHOICE, NULL-terminated */
    bool list;                  /* KNOB_TEXT: several may be given, joined by line breaks */
    bool secret;                /* never printed; may come from ${ENV} or file: */
};

#define KNOB(conf, field, ...)                                                                               \
    {                                                                                                        \
        .name = #field, .offset = offsetof(struct conf, field), __VA_ARGS__                                  \
    }

/* Writes every preset into conf. */
void knobs_preset(const struct knob *knobs, void *conf);

/* Parses one value as it was written and stores it. Errors: false with `why` filled (what is wrong and what
 * would be right, e.g. "must be 1..64 (cores)"); conf untouched. KNOB_TEXT keeps the pointer `value.data`,
 * which must be NUL-terminated and outlive conf. */
bool knob_parse(const struct knob *knob, struct bytes value, void *conf, char why[static 160]);

/* The current value as one would write it; "(secret)" for secrets. */
void knob_print(const struct knob *knob, const void *conf, char text[static 128]);

/* The knob with that name, or NULL. */
const struct knob *knob_find(const struct knob *knobs, struct bytes name);

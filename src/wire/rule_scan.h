#pragma once
/* rule_scan.h - the words of a rule. Private to rule_*.c. */
#include "base/arena.h"
#include "wire/wire_error.h"

enum rule_token_kind {
    TOKEN_END,
    TOKEN_NUMBER,
    TOKEN_TEXT,   /* '…' */
    TOKEN_WORD,   /* a name, or a word of the language in any case */
    TOKEN_QUOTED, /* "…": a name for certain */
    TOKEN_SIGN,
};
struct rule_token {
    enum rule_token_kind kind;
    size_t offset;
    struct bytes text; /* TEXT, QUOTED: what is meant; else as written */
};
struct rule_scan {
    struct arena *arena;
    struct bytes text;
    size_t at;
};

/* Errors: false, code rule.syntax. */
bool rule_scan_next(struct rule_scan *scan, struct rule_token *ret_token, struct wire_error *error);

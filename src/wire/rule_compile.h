#pragma once
/* rule_compile.h - what the readers of a rule share: operators in rule_compile.c, names and calls in
 * rule_call.c. Private to rule_*.c. */
#include "wire/rule_ops.h"
#include "wire/rule_scan.h"

struct rule_compiling {
    struct arena *arena;
    const struct rule_fields *known;
    struct rule_program *program;
    struct wire_error *error;
    struct rule_scan scan;
    struct rule_token token; /* the next */
    struct rule_loop *loop;  /* that is being read, or NULL */
    int depth, stack;
};

/* What was read last, and is on top of the stack. */
struct rule_operand {
    enum rule_kind kind;
    size_t offset;
    int constant; /* its index, or -1 */
    int path;     /* that it is and nothing else, or -1 */
    bool is_null;
};

bool rule_refuse(struct rule_compiling *compiling, size_t offset, const char *code, const char *format, ...)
    PRINTF_LIKE(4, 5);
bool rule_advance(struct rule_compiling *compiling);
/* Takes the sign or word if it is next; *ret_taken says so. Errors: false. */
bool rule_accept_sign(struct rule_compiling *compiling, const char *sign, bool *ret_taken);
bool rule_accept_word(struct rule_compiling *compiling, const char *word, bool *ret_taken);
bool rule_expect_sign(struct rule_compiling *compiling, const char *sign);
bool rule_is_word(const struct rule_token *token, const char *word);

/* grows: by how much the stack is larger behind it. */
bool rule_emit(struct rule_compiling *compiling, struct rule_op op, int grows);
/* Room for one more in an array of the program that has `count`. NULL: the error is said. */
void *rule_grown(struct rule_compiling *compiling, void *items, uint16_t count, size_t size);

bool rule_read_expression(struct rule_compiling *compiling, struct rule_operand *ret_operand);
/* ---- rule_kind.c ---- */
/* A kind of value where another has no meaning. what: "the sum", for messages. */
bool rule_want(struct rule_compiling *compiling, const struct rule_operand *operand, enum rule_kind kind,
               const char *what);
bool rule_comparable(struct rule_compiling *compiling, const struct rule_operand *a,
                     const struct rule_operand *b, bool ordered);
/* What is known of two texts that are compared: RULE_TIMED, RULE_PLAIN or 0. */
uint8_t rule_texts(const struct rule_operand *a, const struct rule_operand *b);

/* ---- rule_call.c ---- */
/* A name that stands where a value does: a call or a path. */
bool rule_read_name(struct rule_compiling *compiling, struct rule_operand *ret_operand);

#pragma once
/* rule_ops.h - a compiled rule, as the files of rule_*.c share it. Private to them.
 *
 * A program is a row of operations over a stack of values, in the order of evaluation. Jumps lead forward,
 * but for the one that closes a loop over elements. */
#include "wire/rule.h"
#include "wire/rule_number.h"

enum rule_code {
    OP_CONSTANT, /* operand: index of a constant */
    OP_PATH,     /* of a path */
    OP_ADD,
    OP_SUBTRACT,
    OP_MULTIPLY,
    OP_DIVIDE,
    OP_NEGATE,
    OP_EQUAL, /* … to OP_AT_LEAST: flag: what is known of texts, RULE_TIMED or RULE_PLAIN */
    OP_UNEQUAL,
    OP_LESS,
    OP_AT_MOST,
    OP_GREATER,
    OP_AT_LEAST,
    OP_BETWEEN,  /* flag: the same */
    OP_IS_NULL,  /* flag: not */
    OP_IS_TRUE,  /* flag: not */
    OP_IS_FALSE, /* flag: not */
    OP_NOT,
    OP_AND,
    OP_OR,
    OP_SKIP_FALSE, /* operand: where to go on when the top is false */
    OP_SKIP_TRUE,
    OP_IN_BEGIN, /* pushes what was found so far */
    OP_IN_STEP,  /* flag: as above */
    OP_IN_END,
    OP_LIKE,    /* operand: a constant */
    OP_MATCHES, /* operand: a pattern */
    OP_LENGTH,
    OP_COUNT,    /* of a list that is there as a whole */
    OP_NEXT,     /* operand: where to go on unless the top is null; null is dropped */
    OP_COALESCE, /* where they meet; flag: how many */
    OP_EACH,     /* operand: a loop */
    OP_FOLD,     /* operand: the loop */
};
#define RULE_TIMED 1 /* one side is a time */
#define RULE_PLAIN 2 /* one side is a text for certain, and none a time */
struct rule_op {
    uint8_t code;
    uint8_t flag;
    uint16_t operand;
};

enum rule_value_kind {
    VALUE_UNSENT,
    VALUE_NULL,
    VALUE_TRUTH,
    VALUE_NUMBER,
    VALUE_HUGE,
    VALUE_TEXT,
    VALUE_LIST,
    VALUE_OBJECT
};
#define RULE_NO_PATH UINT16_MAX
struct rule_value {
    uint8_t kind;
    bool truth;
    uint16_t path; /* that it came by; RULE_NO_PATH: it was made */
    union {
        struct rule_number number;
        struct bytes text; /* HUGE: a number, as it was written */
        const struct json_node *node;
    };
};

enum rule_step_kind { STEP_NAME, STEP_INDEX, STEP_STAR };
struct rule_step {
    enum rule_step_kind kind;
    uint32_t index;
    struct bytes name;
};
struct rule_path {
    int field;
    struct bytes name; /* of the field */
    uint16_t first;    /* its steps */
    uint16_t count;
    uint8_t stars;
    uint16_t behind; /* of its steps, the one behind the last star */
    enum rule_kind kind;
};

enum rule_fold { FOLD_COUNT, FOLD_SUM, FOLD_MIN, FOLD_MAX, FOLD_ALL, FOLD_ANY };
struct rule_loop {
    enum rule_fold fold;
    uint16_t path;                  /* with the most stars: what is gone over */
    uint16_t stars[RULE_STARS_MAX]; /* of its steps */
    uint8_t levels;
    uint16_t begin, end; /* of its body; end: behind OP_FOLD */
    uint16_t first_path; /* of its body, to point at */
    bool tells;          /* it is the whole rule, all(…): each element that breaks it is told */
};

struct js_regex;
struct rule_program {
    struct rule_op *ops;
    struct rule_value *constants;
    struct rule_path *paths;
    struct rule_step *steps;
    struct rule_loop *loops;
    struct js_regex **patterns;
    struct bytes *sources; /* of patterns */
    int *fields;
    int fields_count;
    uint16_t ops_count, constants_count, paths_count, steps_count, loops_count, patterns_count;
    const char *pointer;
};

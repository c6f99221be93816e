/* The operators of a rule, from the loosest to the tightest, each one function.
 *
 *   or < and < not < (= <> < <= > >= between in like matches is) < + - < * / < - */
#include "wire/rule_compile.h"

#include <stdarg.h>

#include "wire/jsonschema_program.h"
#include "wire/rule_text.h"

/* ---- words ---- */

bool rule_refuse(struct rule_compiling *compiling, size_t offset, const char *code, const char *format, ...)
{
    char message[WIRE_ERROR_MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return wire_fail(compiling->error, offset, code, "%s", message);
}

bool rule_advance(struct rule_compiling *compiling)
{
    return rule_scan_next(&compiling->scan, &compiling->token, compiling->error);
}

bool rule_is_word(const struct rule_token *token, const char *word)
{
    return token->kind == TOKEN_WORD && bytes_is_nocase(token->text, word);
}

static bool is_sign(const struct rule_token *token, const char *sign)
{
    return token->kind == TOKEN_SIGN && bytes_is(token->text, sign);
}

bool rule_accept_sign(struct rule_compiling *compiling, const char *sign, bool *ret_taken)
{
    *ret_taken = is_sign(&compiling->token, sign);
    return !*ret_taken || rule_advance(compiling);
}

bool rule_accept_word(struct rule_compiling *compiling, const char *word, bool *ret_taken)
{
    *ret_taken = rule_is_word(&compiling->token, word);
    return !*ret_taken || rule_advance(compiling);
}

static bool unexpected(struct rule_compiling *compiling, const char *wanted)
{
    const struct rule_token *token = &compiling->token;
    if (token->kind == TOKEN_END)
        return rule_refuse(compiling, token->offset, RULE_ERROR_SYNTAX, "the rule ends where %s is expected",
                           wanted);
    return rule_refuse(compiling, token->offset, RULE_ERROR_SYNTAX, "'%.*s' stands where %s is expected",
                       BYTES_ARG(wire_excerpt(token->text)), wanted);
}

bool rule_expect_sign(struct rule_compiling *compiling, const char *sign)
{
    bool taken;
    return rule_accept_sign(compiling, sign, &taken) && (taken || unexpected(compiling, sign));
}

/* ---- writing ---- */

void *rule_grown(struct rule_compiling *compiling, void *items, uint16_t count, size_t size)
{
    if (count >= 8 && (count & (count - 1)))
        return items;
    if (count && count < 8)
        return items;
    const size_t room = count ? 2 * (size_t)count : 8;
    void *grown = arena_grow(compiling->arena, items, count * size, room * size);
    if (!grown)
        (void)wire_fail_memory(compiling->error);
    return grown;
}

bool rule_emit(struct rule_compiling *compiling, struct rule_op op, int grows)
{
    struct rule_program *program = compiling->program;
    if (program->ops_count == RULE_OPS_MAX)
        return rule_refuse(compiling, compiling->token.offset, RULE_ERROR_LIMIT,
                           "the rule has more than %d operations; make several of it", RULE_OPS_MAX);
    struct rule_op *ops = rule_grown(compiling, program->ops, program->ops_count, sizeof *ops);
    if (!ops)
        return false;
    program->ops = ops;
    ops[program->ops_count++] = op;
    compiling->stack += grows;
    if (compiling->stack > RULE_STACK_MAX)
        return rule_refuse(compiling, compiling->token.offset, RULE_ERROR_LIMIT,
                           "the rule needs more than %d values at once; make several of it", RULE_STACK_MAX);
    return true;
}

static bool emit(struct rule_compiling *compiling, enum rule_code code, int grows)
{
    return rule_emit(compiling, (struct rule_op){ .code = (uint8_t)code }, grows);
}

static bool constant_add(struct rule_compiling *compiling, struct rule_value value,
                         struct rule_operand *operand)
{
    struct rule_program *program = compiling->program;
    struct rule_value *constants =
        rule_grown(compiling, program->constants, program->constants_count, sizeof *constants);
    if (!constants)
        return false;
    program->constants = constants;
    value.path = RULE_NO_PATH;
    operand->constant = program->constants_count;
    constants[program->constants_count++] = value;
    return rule_emit(compiling, (struct rule_op){ OP_CONSTANT, 0, (uint16_t)operand->constant }, 1);
}

/* ---- values ---- */

static bool enter(struct rule_compiling *compiling)
{
    if (compiling->depth++ < RULE_DEPTH_MAX)
        return true;
    return rule_refuse(compiling, compiling->token.offset, RULE_ERROR_LIMIT,
                       "more than %d levels inside each other", RULE_DEPTH_MAX);
}

static bool literal(struct rule_compiling *compiling, struct rule_operand *operand)
{
    const struct rule_token token = compiling->token;
    struct rule_value value = { .kind = VALUE_NULL };
    if (token.kind == TOKEN_NUMBER) {
        operand->kind = RULE_NUMBER;
        value.kind = VALUE_NUMBER;
        if (!rule_number_read(token.text, &value.number))
            return rule_refuse(compiling, token.offset, RULE_ERROR_LIMIT,
                               "a number has at most %d digits, and an exponent of at most %d",
                               RULE_DIGITS_MAX, RULE_EXPONENT_MAX);
    } else if (token.kind == TOKEN_TEXT) {
        operand->kind = RULE_TEXT;
        value.kind = VALUE_TEXT;
        value.text = bytes_make(arena_copy(compiling->arena, token.text), token.text.size);
    } else if (rule_is_word(&token, "null")) {
        operand->is_null = true;
    } else {
        operand->kind = RULE_BOOLEAN;
        value.kind = VALUE_TRUTH;
        value.truth = rule_is_word(&token, "true");
    }
    return constant_add(compiling, value, operand) && rule_advance(compiling);
}

static bool is_reserved(const struct rule_token *token)
{
    static const char *const words[] = { "and", "or", "not", "in", "is", "like", "matches", "between" };
    for (size_t i = 0; i < array_count(words); i++)
        if (rule_is_word(token, words[i]))
            return true;
    return false;
}

static bool primary(struct rule_compiling *compiling, struct rule_operand *operand)
{
    const struct rule_token *token = &compiling->token;
    bool opened;
    *operand = (struct rule_operand){ .offset = token->offset, .constant = -1, .path = -1 };
    if (!rule_accept_sign(compiling, "(", &opened))
        return false;
    if (opened)
        return rule_read_expression(compiling, operand) && rule_expect_sign(compiling, ")");
    if (token->kind == TOKEN_NUMBER || token->kind == TOKEN_TEXT || rule_is_word(token, "null") ||
        rule_is_word(token, "true") || rule_is_word(token, "false"))
        return literal(compiling, operand);
    if ((token->kind == TOKEN_WORD && !is_reserved(token)) || token->kind == TOKEN_QUOTED)
        return rule_read_name(compiling, operand);
    return unexpected(compiling, "a value");
}

static bool unary(struct rule_compiling *compiling, struct rule_operand *operand)
{
    bool minus;
    const size_t offset = compiling->token.offset;
    if (!rule_accept_sign(compiling, "-", &minus))
        return false;
    if (!minus)
        return primary(compiling, operand);
    if (!primary(compiling, operand) || !rule_want(compiling, operand, RULE_NUMBER, "-"))
        return false;
    *operand = (struct rule_operand){ RULE_NUMBER, offset, -1, -1, false };
    return emit(compiling, OP_NEGATE, 0);
}

/* ---- + - * / ---- */

struct arithmetic {
    const char *sign;
    enum rule_code code;
};

static bool arithmetic_read(struct rule_compiling *compiling, const struct arithmetic *signs,
                            bool (*inner)(struct rule_compiling *, struct rule_operand *),
                            struct rule_operand *operand)
{
    if (!inner(compiling, operand))
        return false;
    for (;;) {
        bool taken = false;
        int which = 0;
        for (int i = 0; i < 2 && !taken; which = i++)
            if (!rule_accept_sign(compiling, signs[i].sign, &taken))
                return false;
        if (!taken)
            return true;
        struct rule_operand right;
        if (!rule_want(compiling, operand, RULE_NUMBER, signs[which].sign) || !inner(compiling, &right) ||
            !rule_want(compiling, &right, RULE_NUMBER, signs[which].sign) ||
            !emit(compiling, signs[which].code, -1))
            return false;
        *operand = (struct rule_operand){ RULE_NUMBER, operand->offset, -1, -1, false };
    }
}

static bool product(struct rule_compiling *compiling, struct rule_operand *operand)
{
    static const struct arithmetic signs[] = { { "*", OP_MULTIPLY }, { "/", OP_DIVIDE } };
    return arithmetic_read(compiling, signs, unary, operand);
}

static bool sum(struct rule_compiling *compiling, struct rule_operand *operand)
{
    static const struct arithmetic signs[] = { { "+", OP_ADD }, { "-", OP_SUBTRACT } };
    return arithmetic_read(compiling, signs, product, operand);
}

/* ---- comparisons ---- */

static bool compare(struct rule_compiling *compiling, enum rule_code code, const struct rule_operand *left)
{
    struct rule_operand right;
    return sum(compiling, &right) && rule_comparable(compiling, left, &right, code >= OP_LESS) &&
           rule_emit(compiling, (struct rule_op){ (uint8_t)code, rule_texts(left, &right), 0 }, -1);
}

static bool between(struct rule_compiling *compiling, const struct rule_operand *value)
{
    struct rule_operand least, most;
    bool taken;
    if (!sum(compiling, &least) || !rule_accept_word(compiling, "and", &taken))
        return false;
    if (!taken)
        return unexpected(compiling, "`and`");
    return sum(compiling, &most) && rule_comparable(compiling, value, &least, true) &&
           rule_comparable(compiling, value, &most, true) &&
           rule_emit(compiling,
                     (struct rule_op){ OP_BETWEEN,
                                       (uint8_t)(rule_texts(value, &least) | rule_texts(value, &most)), 0 },
                     -2);
}

static bool in_list(struct rule_compiling *compiling, const struct rule_operand *value)
{
    bool more;
    if (!rule_expect_sign(compiling, "(") || !emit(compiling, OP_IN_BEGIN, 1))
        return false;
    do {
        struct rule_operand item;
        if (!sum(compiling, &item) || !rule_comparable(compiling, value, &item, false) ||
            !rule_emit(compiling, (struct rule_op){ OP_IN_STEP, rule_texts(value, &item), 0 }, -1) ||
            !rule_accept_sign(compiling, ",", &more))
            return false;
    } while (more);
    return rule_expect_sign(compiling, ")") && emit(compiling, OP_IN_END, -1);
}

static bool pattern_add(struct rule_compiling *compiling, struct bytes source)
{
    struct rule_program *program = compiling->program;
    const char *why;
    struct js_regex **patterns =
        rule_grown(compiling, program->patterns, program->patterns_count, sizeof *patterns);
    struct bytes *sources = rule_grown(compiling, program->sources, program->patterns_count, sizeof *sources);
    if (!patterns || !sources)
        return false;
    program->patterns = patterns;
    program->sources = sources;
    source.data = arena_copy(compiling->arena, source);
    patterns[program->patterns_count] =
        source.data ? js_regex_compile(compiling->arena, source, JSONSCHEMA_PATTERN_MATCHES_PRESET, &why)
                    : NULL;
    if (!patterns[program->patterns_count])
        return rule_refuse(compiling, compiling->token.offset, RULE_ERROR_PATTERN, "this is no pattern: %s",
                           source.data ? why : "out of memory");
    sources[program->patterns_count] = source;
    const struct rule_op op = { OP_MATCHES, 0, program->patterns_count++ };
    return rule_emit(compiling, op, 0);
}

static bool pattern(struct rule_compiling *compiling, const struct rule_operand *value, bool like)
{
    const struct rule_token token = compiling->token;
    struct rule_operand constant = { 0 };
    if (!rule_want(compiling, value, RULE_TEXT, like ? "like" : "matches"))
        return false;
    if (token.kind != TOKEN_TEXT)
        return unexpected(compiling, like ? "a text such as 'AB%'" : "a text such as '^[A-Z]{2}'");
    if (!like)
        return pattern_add(compiling, token.text) && rule_advance(compiling);
    if (!rule_like_is_sound(token.text))
        return rule_refuse(compiling, token.offset, RULE_ERROR_PATTERN,
                           "a backslash stands at the end of the pattern; double it");
    return literal(compiling, &constant) &&
           rule_emit(compiling, (struct rule_op){ OP_LIKE, 0, (uint16_t)constant.constant }, -1);
}

static bool is(struct rule_compiling *compiling)
{
    static const struct {
        const char *word;
        enum rule_code code;
    } states[] = { { "null", OP_IS_NULL }, { "true", OP_IS_TRUE }, { "false", OP_IS_FALSE } };
    bool negated, taken;
    if (!rule_accept_word(compiling, "not", &negated))
        return false;
    for (size_t i = 0; i < array_count(states); i++) {
        if (!rule_accept_word(compiling, states[i].word, &taken))
            return false;
        if (taken)
            return rule_emit(compiling, (struct rule_op){ (uint8_t)states[i].code, negated, 0 }, 0);
    }
    return unexpected(compiling, "null, true or false");
}

/* between, in, like, matches; *ret_taken: one of them stood there. */
static bool worded(struct rule_compiling *compiling, const struct rule_operand *value, bool *ret_taken)
{
    static const char *const words[] = { "between", "in", "like", "matches" };
    for (int i = 0; i < 4; i++) {
        if (!rule_accept_word(compiling, words[i], ret_taken))
            return false;
        if (*ret_taken)
            return i == 0   ? between(compiling, value)
                   : i == 1 ? in_list(compiling, value)
                            : pattern(compiling, value, i == 2);
    }
    return true;
}

static bool compared(struct rule_compiling *compiling, const struct rule_operand *value, bool *ret_taken)
{
    static const struct arithmetic signs[] = { { "=", OP_EQUAL },    { "<>", OP_UNEQUAL },
                                               { "!=", OP_UNEQUAL }, { "<", OP_LESS },
                                               { "<=", OP_AT_MOST }, { ">", OP_GREATER },
                                               { ">=", OP_AT_LEAST } };
    for (size_t i = 0; i < array_count(signs); i++) {
        if (!rule_accept_sign(compiling, signs[i].sign, ret_taken))
            return false;
        if (*ret_taken)
            return compare(compiling, signs[i].code, value);
    }
    if (!rule_accept_word(compiling, "is", ret_taken))
        return false;
    return !*ret_taken || is(compiling);
}

static bool predicate(struct rule_compiling *compiling, struct rule_operand *operand)
{
    bool taken, negated;
    if (!sum(compiling, operand) || !compared(compiling, operand, &taken))
        return false;
    if (!taken) {
        if (!rule_accept_word(compiling, "not", &negated) || !worded(compiling, operand, &taken))
            return false;
        if (negated && !taken)
            return unexpected(compiling, "between, in, like or matches");
        if (negated && !emit(compiling, OP_NOT, 0))
            return false;
    }
    if (taken)
        *operand = (struct rule_operand){ RULE_BOOLEAN, operand->offset, -1, -1, false };
    return true;
}

/* ---- not, and, or ---- */

static bool negation(struct rule_compiling *compiling, struct rule_operand *operand)
{
    bool taken;
    const size_t offset = compiling->token.offset;
    if (!rule_accept_word(compiling, "not", &taken))
        return false;
    if (!taken)
        return predicate(compiling, operand);
    if (!enter(compiling) || !negation(compiling, operand) ||
        !rule_want(compiling, operand, RULE_BOOLEAN, "not"))
        return false;
    compiling->depth--;
    *operand = (struct rule_operand){ RULE_BOOLEAN, offset, -1, -1, false };
    return emit(compiling, OP_NOT, 0);
}

struct junction {
    const char *word;
    enum rule_code code, skip;
    bool (*inner)(struct rule_compiling *, struct rule_operand *);
};

static bool junction_read(struct rule_compiling *compiling, const struct junction *junction,
                          struct rule_operand *operand)
{
    bool more;
    if (!junction->inner(compiling, operand))
        return false;
    for (;;) {
        struct rule_operand right;
        if (!rule_accept_word(compiling, junction->word, &more))
            return false;
        if (!more)
            return true;
        const uint16_t skip = compiling->program->ops_count;
        if (!rule_want(compiling, operand, RULE_BOOLEAN, junction->word) ||
            !emit(compiling, junction->skip, 0) || !junction->inner(compiling, &right) ||
            !rule_want(compiling, &right, RULE_BOOLEAN, junction->word) ||
            !emit(compiling, junction->code, -1))
            return false;
        compiling->program->ops[skip].operand = compiling->program->ops_count;
        *operand = (struct rule_operand){ RULE_BOOLEAN, operand->offset, -1, -1, false };
    }
}

static bool conjunction(struct rule_compiling *compiling, struct rule_operand *operand)
{
    static const struct junction both = { "and", OP_AND, OP_SKIP_FALSE, negation };
    return junction_read(compiling, &both, operand);
}

bool rule_read_expression(struct rule_compiling *compiling, struct rule_operand *ret_operand)
{
    static const struct junction either = { "or", OP_OR, OP_SKIP_TRUE, conjunction };
    if (!enter(compiling) || !junction_read(compiling, &either, ret_operand))
        return false;
    compiling->depth--;
    return true;
}

/* ---- a rule ---- */

/* The first path up to where it leaves for every element. */
static const char *pointer_make(struct arena *arena, const struct rule_program *program)
{
    struct text pointer;
    if (!program->paths_count)
        return "";
    const struct rule_path *path = &program->paths[0];
    text_init(&pointer, arena, 64);
    json_pointer_append(&pointer, path->name);
    for (int i = 0; i < path->count && program->steps[path->first + i].kind != STEP_STAR; i++) {
        const struct rule_step *step = &program->steps[path->first + i];
        if (step->kind == STEP_NAME)
            json_pointer_append(&pointer, step->name);
        else
            json_pointer_append_index(&pointer, step->index);
    }
    return text_z(&pointer);
}

static bool whole(struct rule_compiling *compiling)
{
    struct rule_program *program = compiling->program;
    struct rule_operand operand;
    if (!rule_advance(compiling) || !rule_read_expression(compiling, &operand))
        return false;
    if (compiling->token.kind != TOKEN_END)
        return unexpected(compiling, "`and`, `or` or the end");
    if (!rule_want(compiling, &operand, RULE_BOOLEAN, "a rule"))
        return false;
    if (!program->fields_count)
        return rule_refuse(compiling, 0, RULE_ERROR_FIELD, "the rule names no field");
    if (program->loops_count == 1 && program->loops[0].begin == 1 &&
        program->loops[0].end == program->ops_count && program->loops[0].fold == FOLD_ALL)
        program->loops[0].tells = true;
    program->pointer = pointer_make(compiling->arena, program);
    return program->pointer || wire_fail_memory(compiling->error);
}

bool rule_compile(struct arena *arena, struct bytes text, const struct rule_fields *fields,
                  struct rule_program **ret_program, struct wire_error *ret_error)
{
    struct rule_program *program = ARENA_NEW(arena, struct rule_program);
    struct rule_compiling compiling = { .arena = arena,
                                        .known = fields,
                                        .program = program,
                                        .error = ret_error,
                                        .scan = { .arena = arena, .text = text } };
    if (!program)
        return wire_fail_memory(ret_error);
    if (text.size > RULE_BYTES_MAX)
        return rule_refuse(&compiling, RULE_BYTES_MAX, RULE_ERROR_LIMIT, "a rule has at most %d bytes",
                           RULE_BYTES_MAX);
    if (!bytes_is_utf8(text))
        return rule_refuse(&compiling, 0, RULE_ERROR_SYNTAX, "the rule is no UTF-8");
    if (!whole(&compiling)) {
        rule_free(program);
        return false;
    }
    *ret_program = program;
    return true;
}

void rule_free(struct rule_program *program)
{
    for (int i = 0; program && i < program->patterns_count; i++)
        if (program->patterns[i])
            js_regex_free(program->patterns[i]);
}

const int *rule_names(const struct rule_program *program, int *ret_count)
{
    *ret_count = program->fields_count;
    return program->fields;
}

const char *rule_pointer(const struct rule_program *program)
{
    return program->pointer;
}

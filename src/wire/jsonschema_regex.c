/* Regular expressions, run by PCRE2 within limits. What a match needs beside the pattern is kept by each
 * thread, so that matching allocates nothing. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "wire/jsonschema_ecma.h"
#include "wire/jsonschema_program.h"
#include "wire/jsonschema_simple.h"

#define HEAP_KIB_MAX        2048         /* of the interpreter, where there is no JIT */
#define JIT_STACK_BYTES     (32 * 1024)  /* to begin with: fibers have none to lend */
#define JIT_STACK_BYTES_MAX (256 * 1024) /* beyond it: the limit is met */
#define NESTING_MAX         100

struct js_regex {
    const struct js_simple *simple; /* NULL: PCRE2 runs it */
    pcre2_code *code;
    uint32_t matches_max;
};

/* Begun by the first match on a thread, ended by jsonschema_thread_done(). */
static _Thread_local struct {
    pcre2_match_data *data;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
    pcre2_code *label; /* of js_is_idn_label() */
} own;

static bool own_begin(void)
{
    own.data = pcre2_match_data_create(1, NULL);
    own.context = pcre2_match_context_create(NULL);
    own.stack = pcre2_jit_stack_create(JIT_STACK_BYTES, JIT_STACK_BYTES_MAX, NULL);
    if (!own.data || !own.context) {
        jsonschema_thread_done();
        return false;
    }
    pcre2_set_heap_limit(own.context, HEAP_KIB_MAX);
    if (own.stack)
        pcre2_jit_stack_assign(own.context, NULL, own.stack);
    return true;
}

void jsonschema_thread_done(void)
{
    pcre2_match_data_free(own.data);
    pcre2_match_context_free(own.context);
    pcre2_jit_stack_free(own.stack);
    pcre2_code_free(own.label);
    own.label = NULL;
    own.data = NULL;
    own.context = NULL;
    own.stack = NULL;
}

/* PCRE2's own view: what the translation lets through, it may still not run (a look-behind of no fixed
 * length, an unknown property, a program too large). */
static pcre2_code *compile(struct arena *arena, struct bytes pattern, const char **ret_why)
{
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    if (!context)
        return NULL;
    int error;
    PCRE2_SIZE offset;
    pcre2_set_parens_nest_limit(context, NESTING_MAX);
    pcre2_code *code =
        pcre2_compile((PCRE2_SPTR)pattern.data, pattern.size,
                      PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_MATCH_UNSET_BACKREF | PCRE2_NEVER_BACKSLASH_C,
                      &error, &offset, context);
    pcre2_compile_context_free(context);
    if (!code) {
        char message[160];
        pcre2_get_error_message(error, (PCRE2_UCHAR *)message, sizeof message);
        *ret_why = arena_printf(arena, "%s", message);
        return NULL;
    }
    (void)pcre2_jit_compile(code, PCRE2_JIT_COMPLETE); /* without it, matches are interpreted */
    return code;
}

struct js_regex *js_regex_compile(struct arena *arena, struct bytes source, uint32_t matches_max,
                                  const char **ret_why)
{
    struct text translated;
    text_init(&translated, arena, source.size * 2 + 16);
    *ret_why = "out of memory";
    if (!js_ecma_translate(source, &translated, ret_why))
        return NULL;
    struct js_regex *regex = ARENA_NEW(arena, struct js_regex);
    *ret_why = "the pattern becomes too long";
    if (!regex || !text_z(&translated))
        return NULL;
    regex->matches_max = matches_max;
    regex->simple = js_simple_compile(arena, source);
    if (!regex->simple)
        regex->code = compile(arena, text_bytes(&translated), ret_why);
    return regex->simple || regex->code ? regex : NULL;
}

void js_regex_free(struct js_regex *regex)
{
    pcre2_code_free(regex->code);
}

enum js_match js_regex_match(const struct js_regex *regex, struct bytes subject)
{
    if (regex->simple)
        return js_simple_match(regex->simple, subject) ? JS_MATCH_YES : JS_MATCH_NO;
    if (unlikely(!own.data) && !own_begin())
        return JS_MATCH_LIMIT;
    pcre2_set_match_limit(own.context, regex->matches_max);
    const int found = pcre2_match(regex->code, (PCRE2_SPTR)subject.data, subject.size, 0,
                                  PCRE2_NO_UTF_CHECK | (own.stack ? 0 : PCRE2_NO_JIT), own.data, own.context);
    if (found == PCRE2_ERROR_NOMATCH)
        return JS_MATCH_NO;
    return found >= 0 ? JS_MATCH_YES : JS_MATCH_LIMIT;
}

/* What must not be: it matches a label that is wrong. The characters with combining class 9 are spelt out,
 * since patterns can't ask for them. */
#define VIRAMA                                                                                               \
    "\\x{94d}\\x{9cd}\\x{a4d}\\x{acd}\\x{b4d}\\x{bcd}\\x{c4d}\\x{ccd}\\x{d3b}\\x{d3c}\\x{d4d}\\x{dca}\\x{"   \
    "e3a}"                                                                                                   \
    "\\x{eba}\\x{f84}\\x{1039}\\x{103a}\\x{1714}\\x{1715}\\x{1734}\\x{17d2}\\x{1a60}\\x{1b44}\\x{1baa}\\x{"  \
    "1bab}"                                                                                                  \
    "\\x{1bf2}\\x{1bf3}\\x{2d7f}\\x{a806}\\x{a82c}\\x{a8c4}\\x{a953}\\x{a9c0}\\x{aaf6}\\x{abed}\\x{10a3f}"   \
    "\\x{11046}\\x{1107f}\\x{110b9}\\x{11133}\\x{11134}\\x{111c0}\\x{11235}\\x{1134d}\\x{11442}\\x{114c2}"   \
    "\\x{115bf}\\x{1163f}\\x{116b6}\\x{1172b}\\x{11839}\\x{1193d}\\x{119e0}\\x{11a34}\\x{11a47}\\x{11a99}"   \
    "\\x{11c3f}\\x{11d44}\\x{11d45}\\x{11d97}"
static const char wrong_label[] =
    "^\\p{M}|^..--|[\\x{640}\\x{7fa}\\x{302e}\\x{302f}\\x{3031}-\\x{3035}\\x{303b}]"
    "|(?<!l)\\x{b7}|\\x{b7}(?!l)|\\x{375}(?!\\p{sc:Greek})|(?<!\\p{sc:Hebrew})[\\x{5f3}\\x{5f4}]"
    "|^(?=.*\\x{30fb})(?!.*[\\p{sc:Hiragana}\\p{sc:Katakana}\\p{sc:Han}])"
    "|[\\x{660}-\\x{669}].*[\\x{6f0}-\\x{6f9}]|[\\x{6f0}-\\x{6f9}].*[\\x{660}-\\x{669}]"
    "|(?<![" VIRAMA "])\\x{200d}|(?<![" VIRAMA "\\p{Arabic}\\p{Syriac}\\p{Nko}\\p{Mongolian}])\\x{200c}";

bool js_is_idn_label(struct bytes label)
{
    int error;
    PCRE2_SIZE offset;
    if (unlikely(!own.data) && !own_begin())
        return false;
    if (!own.label) {
        own.label =
            pcre2_compile((PCRE2_SPTR)wrong_label, sizeof wrong_label - 1, PCRE2_UTF, &error, &offset, NULL);
        check(own.label != NULL);
    }
    pcre2_set_match_limit(own.context, JSONSCHEMA_PATTERN_MATCHES_PRESET);
    return pcre2_match(own.label, (PCRE2_SPTR)label.data, label.size, 0, PCRE2_NO_UTF_CHECK, own.data,
                       own.context) == PCRE2_ERROR_NOMATCH;
}

#include "features/observe/profile.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/symbol.h"
#include "base/table.h"
#include "base/text.h"
#include "fiber/sight.h"
#include "wire/json.h"
#include "wire/json_write.h"

#define PROFILE_HZ          199 /* no multiple of what timers like */
#define PROFILE_SECONDS_MAX 100

/* ---- samples to folded stacks: "GET /v1/items;http_serve;rest_list;row_write 12" ---- */

struct stack {
    struct text text; /* the key */
    uint64_t count;
};

struct fold {
    struct table counts; /* of struct stack */
    int64_t samples;
    uint64_t lost;
};

static void fold_sample(void *arg, int core, const struct profile_sample *sample)
{
    struct fold *fold = arg;
    struct text stack;
    (void)core;
    text_init_heap(&stack, 16384);
    text_add_z(&stack, sample->route[0] ? sample->route : "(loop)");
    for (int i = sample->frames_count - 1; i >= 0; i--) {
        char name[SYMBOL_TEXT_BYTES];
        symbol_write(sample->frames[i], i > 0, false, name);
        text_byte(&stack, ';');
        text_add_z(&stack, name);
    }
    struct stack *seen = table_get(&fold->counts, text_bytes(&stack));
    fold->samples++;
    if (!seen) {
        seen = calloc(1, sizeof *seen);
        check(seen != NULL && text_ok(&stack));
        seen->text = stack; /* owns it from here */
        (void)table_put(&fold->counts, text_bytes(&seen->text), seen);
    } else {
        text_done(&stack);
    }
    seen->count++;
}

/* On a helper thread: naming thousands of addresses takes a while. */
static void collect(void *arg)
{
    struct fold *fold = arg;
    fold->lost = profile_stop(fold_sample, fold);
}

static void fold_write(struct fold *fold, struct text *folded)
{
    const struct table_slot *slot;
    for (size_t at = 0; (slot = table_next(&fold->counts, &at)) != NULL;) {
        struct stack *stack = slot->value;
        text_printf(folded, "%.*s %llu\n", BYTES_ARG(slot->key), (unsigned long long)stack->count);
        text_done(&stack->text);
        free(stack);
    }
    table_done(&fold->counts);
}

/* ---- the verb ---- */

static bool seconds_of(int argc, const char *const *argv, int64_t *ret_seconds)
{
    const char *given = argc == 1 ? "5" : argc == 3 && strcmp(argv[1], "--seconds") == 0 ? argv[2] : "";
    return bytes_to_int64(bytes_of(given), ret_seconds) && *ret_seconds >= 1 &&
           *ret_seconds <= PROFILE_SECONDS_MAX;
}

WAITS static bool profile_run(void *room, int argc, const char *const *argv, struct text *answer)
{
    struct fold fold = { 0 };
    int64_t seconds;
    (void)room;
    if (!seconds_of(argc, argv, &seconds))
        return fail(&PROBLEM_CONFIG, "usage: profile [--seconds N], N from 1 to %d", PROFILE_SECONDS_MAX);
    if (!profile_start(PROFILE_HZ))
        return false;
    const bool slept = fiber_sleep(seconds * NS_PER_S);
    if (!offload(collect, &fold)) {
        (void)profile_stop(NULL, NULL);
        return false;
    }
    struct text folded;
    text_init_heap(&folded, 0);
    fold_write(&fold, &folded);
    text_printf(answer,
                "{\"seconds\":%lld,\"hz\":%d,\"samples\":%lld,\"lost\":%llu,\"folded\":", (long long)seconds,
                PROFILE_HZ, (long long)fold.samples, (unsigned long long)fold.lost);
    json_write_string(answer, text_bytes(&folded));
    text_byte(answer, '}');
    text_done(&folded);
    return slept;
}

static void profile_show(struct bytes answer, FILE *file)
{
    struct arena arena;
    struct json_doc doc;
    struct json_error error;
    arena_init(&arena, 64 << 20);
    if (json_parse(answer, NULL, &arena, &doc, &error)) {
        const struct json_node *folded = json_get(&doc, json_root(&doc), BYTES("folded"));
        if (folded && json_type(folded) == JSON_STRING)
            fprintf(file, "%.*s", BYTES_ARG(json_string(&doc, folded, &arena)));
    }
    arena_done(&arena);
}

const struct ctl_verb profile_verbs[] = {
    { .name = "profile",
      .usage = "profile [--seconds N]",
      .summary = "Samples the CPU for N seconds (5), by route: folded stacks for a flame graph.",
      .run = profile_run,
      .show = profile_show },
    { 0 },
};

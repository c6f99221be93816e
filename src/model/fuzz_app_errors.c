/* Any errors.yaml is diagnosed or a list of codes; what was written as errors.lock reads back as itself, and
 * breaks no promise. */
#include "model/app_errors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libfyaml.so"; /* see wire/fuzz_yaml.c */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct diagnostics diagnostics;
    struct app_errors first, again;
    struct text lock;
    arena_init(&arena, 256 << 20);
    diagnostics_init(&diagnostics, &arena, 0);
    app_errors_read(&first, &arena, "errors.yaml", (struct bytes){ (const char *)data, size }, &diagnostics);
    if (!diagnostics.errors_total) {
        text_init(&lock, &arena, 0);
        app_errors_lock_write(&lock, &first, &first);
        app_errors_read(&again, &arena, "errors.lock", text_bytes(&lock), &diagnostics);
        app_errors_compare(&again, &first, &diagnostics);
        app_errors_compare(&first, &again, &diagnostics);
        check(!text_ok(&lock) || (diagnostics.errors_total == 0 && first.count == again.count));
        app_errors_done(&again);
    }
    app_errors_done(&first);
    arena_done(&arena);
    return 0;
}

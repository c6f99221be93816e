/* A file of queries/ of arbitrary bytes: no crash, and what comes out stays inside its bounds. */
#include <stdlib.h>

#include "wire/sqltemplate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size ? size : 1);
    check(copy != NULL);
    memcpy(copy, data, size);
    struct arena arena;
    struct sqltemplate template;
    struct wire_error error = { 0 };
    arena_init(&arena, 16 << 20);
    if (sqltemplate_parse(&arena, (struct bytes){ copy, size }, &template, &error)) {
        check(template.statements_count > 0 && template.head.size <= size);
        for (int i = 0; i < template.statements_count; i++) {
            const struct sqltemplate_statement *statement = &template.statements[i];
            check(statement->sql.size > 0 && statement->offset < size);
            for (int k = 0; k < statement->params_count; k++)
                check(statement->params[k] >= 0 && statement->params[k] < template.params_count);
        }
        for (int i = 0; i < template.params_count; i++)
            check(template.params[i].size > 0 && template.params[i].size < size);
    } else {
        check(error.code != NULL && error.offset <= size);
    }
    arena_done(&arena);
    free(copy);
    return 0;
}

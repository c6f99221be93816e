/* Statements of arbitrary bytes: no crash, no endless loop, and what was found lies in order inside of them.
 */
#include <stdlib.h>

#include "wire/sqlcte.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sqlcte ctes[SQLCTE_MAX];
    char *copy = malloc(size ? size : 1);
    check(copy != NULL);
    memcpy(copy, data, size);
    const struct bytes sql = { copy, size };
    const int count = sqlcte_find(sql, ctes);
    check(count >= 0 && count <= SQLCTE_MAX);
    for (int i = 0; i < count; i++) {
        check(ctes[i].from < ctes[i].hint_from && ctes[i].hint_from <= ctes[i].hint_to);
        check(ctes[i].hint_to < ctes[i].body_from && ctes[i].body_from <= ctes[i].body_to);
        check(ctes[i].body_to <= ctes[i].to && ctes[i].to <= size);
        check(ctes[i].name.size > 0 && ctes[i].written.size >= ctes[i].name.size);
    }
    for (size_t at = 0; at < size;) {
        const size_t before = at;
        const struct bytes token = sqlcte_token(sql, &at);
        check(at > before && at <= size && token.size <= at - before);
    }
    free(copy);
    return 0;
}

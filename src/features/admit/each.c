/* each.c - asking every core. The collection lies on the heap and is counted, since the asker may give up
 * while a core is still about to answer. */
#include <stdatomic.h>
#include <stdlib.h>

#include "base/text.h"
#include "features/admit/admit.h"
#include "fiber/fiber.h"

struct collection {
    _Atomic int users;
    void (*write)(struct text *text);
    struct core *asker;
    struct text text; /* of the core that is asked now */
    struct signal told;
    bool given_up; /* the asker's core alone */
};

static void unref(struct collection *collection)
{
    if (atomic_fetch_sub(&collection->users, 1) != 1)
        return;
    text_done(&collection->text);
    free(collection);
}

static void on_told(void *arg)
{
    struct collection *collection = arg;
    if (!collection->given_up)
        signal_set(&collection->told);
    unref(collection);
}

static void on_asked(void *arg)
{
    struct collection *collection = arg;
    collection->write(&collection->text);
    if (!core_post(collection->asker, on_told, collection))
        unref(collection);
}

bool admit_each_core(const struct kit *kit, void (*write)(struct text *text), struct text *answer)
{
    struct collection *collection = calloc(1, sizeof *collection);
    check(collection != NULL);
    atomic_store(&collection->users, 1);
    collection->write = write;
    collection->asker = core_here();
    text_init_heap(&collection->text, (size_t)8 << 20);
    bool told = true, first = true;
    for (int i = 0; i < kit->cores_count && told; i++) {
        text_clear(&collection->text);
        signal_reset(&collection->told);
        atomic_fetch_add(&collection->users, 1);
        if (!core_post(kit->cores[i], on_asked, collection)) {
            unref(collection); /* it is closing */
            continue;
        }
        told = signal_wait(&collection->told, "admit.cores", 0);
        if (!told || !text_bytes(&collection->text).size)
            continue;
        if (!first)
            text_byte(answer, ',');
        first = false;
        text_add(answer, text_bytes(&collection->text));
    }
    collection->given_up = true;
    unref(collection);
    return told;
}

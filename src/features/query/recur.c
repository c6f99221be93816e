/* recur.c - the counts, and who is watched. */
#include "features/query/recur.h"

#include <stdlib.h>

/* One writer a cell: a plain load and store would do; relaxed keeps the reader sound. */
static inline void bump(_Atomic uint64_t *count)
{
    atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + 1, memory_order_relaxed);
}

void recur_pass(struct recur_cell *cell, const struct recur_call *call)
{
    bump(&cell->calls);
    atomic_store_explicit(&cell->took_ns,
                          atomic_load_explicit(&cell->took_ns, memory_order_relaxed) + call->took_ns,
                          memory_order_relaxed);
    if (atomic_load_explicit(&cell->last_ns, memory_order_relaxed) == 0)
        atomic_store_explicit(&cell->first_ns, call->now_ns, memory_order_relaxed);
    atomic_store_explicit(&cell->last_ns, call->now_ns, memory_order_relaxed);
}

/* The data changed after seen_ns and by now. A change already counted in that time may be the same one:
 * ends come in order, so that taking each as late as possible needs the fewest. */
static void changed(struct recur_cell *cell, int64_t seen_ns, int64_t now_ns)
{
    bump(&cell->changed);
    if (cell->moment_ns > seen_ns)
        return;
    cell->moment_ns = now_ns;
    bump(&cell->moments);
}

void recur_see(struct recur_cell *cell, const struct recur_call *call)
{
    struct recur_slot *slot = &cell->slots[call->key % RECUR_SLOTS];
    recur_pass(cell, call);
    if (slot->votes == 0 || (slot->key != call->key && slot->votes == 1)) {
        *slot = (struct recur_slot){ call->key, call->result, call->now_ns, 1 };
        return;
    }
    if (slot->key != call->key) {
        slot->votes--; /* whoever comes oftenest stays */
        return;
    }
    bump(&cell->compared);
    if (slot->result != call->result)
        changed(cell, slot->at_ns, call->now_ns);
    slot->result = call->result;
    slot->at_ns = call->now_ns;
    slot->votes += slot->votes < RECUR_VOTES_MAX;
}

/* ---- the list ---- */

void recur_list_open(struct recur_list *list)
{
    *list = (struct recur_list){ 0 };
    pthread_mutex_init(&list->lock, NULL);
}

static void watch_free(struct recur_watch *watch)
{
    free(watch->cells);
    free(watch);
}

void recur_list_close(struct recur_list *list)
{
    while (list->first) { /* of a snapshot that a broken request has kept */
        struct recur_watch *watch = list->first;
        list->first = watch->next;
        watch_free(watch);
    }
    pthread_mutex_destroy(&list->lock);
}

static uint64_t mix(uint64_t hash, struct bytes more)
{
    return (hash ^ bytes_hash(more)) * 0x100000001b3ULL;
}

static uint64_t subject_hash(const struct recur_subject *subject)
{
    uint64_t hash = subject->paged;
    hash = mix(mix(mix(hash, subject->route), subject->file), subject->sql);
    for (int i = 0; i < subject->params_count; i++) {
        const struct recur_param *param = &subject->params[i];
        hash = mix(hash, param->name) ^ (uint64_t)param->constant ^ (uint64_t)param->own;
    }
    return hash;
}

static struct bytes put(char **at, struct bytes text)
{
    const struct bytes copy = { *at, text.size };
    if (text.size)
        memcpy(*at, text.data, text.size);
    *at += text.size;
    return copy;
}

/* The watch, its parameters, and then its texts. */
static struct recur_watch *watch_new(const struct recur_subject *subject, int cells)
{
    const size_t params_bytes = sizeof *subject->params * (size_t)subject->params_count;
    size_t size = sizeof(struct recur_watch) + params_bytes + subject->route.size + subject->file.size +
                  subject->sql.size;
    for (int i = 0; i < subject->params_count; i++)
        size += subject->params[i].name.size;
    struct recur_watch *watch = calloc(1, size);
    check(watch != NULL);
    struct recur_param *params = (struct recur_param *)(void *)(watch + 1);
    char *texts = (char *)(watch + 1) + params_bytes;
    watch->subject = *subject;
    watch->subject.params = params;
    watch->subject.route = put(&texts, subject->route);
    watch->subject.file = put(&texts, subject->file);
    watch->subject.sql = put(&texts, subject->sql);
    for (int i = 0; i < subject->params_count; i++) {
        params[i] = subject->params[i];
        params[i].name = put(&texts, subject->params[i].name);
    }
    watch->cells_count = cells;
    watch->cells = aligned_alloc(_Alignof(struct recur_cell), sizeof *watch->cells * (size_t)cells);
    check(watch->cells != NULL);
    memset(watch->cells, 0, sizeof *watch->cells * (size_t)cells);
    return watch;
}

struct recur_watch *recur_watch_of(struct recur_list *list, const struct recur_subject *subject, int cells)
{
    const uint64_t hash = subject_hash(subject);
    pthread_mutex_lock(&list->lock);
    struct recur_watch *watch = list->first;
    while (watch && (watch->hash != hash || watch->cells_count != cells ||
                     !bytes_equal(watch->subject.sql, subject->sql)))
        watch = watch->next;
    if (!watch && list->count < RECUR_WATCHES_MAX) {
        watch = watch_new(subject, cells);
        watch->hash = hash;
        watch->next = list->first;
        list->first = watch;
        list->count++;
    }
    if (watch)
        watch->references++;
    else
        list->left_out++;
    pthread_mutex_unlock(&list->lock);
    return watch;
}

void recur_unref(struct recur_list *list, struct recur_watch *watch)
{
    if (!watch)
        return;
    pthread_mutex_lock(&list->lock);
    const bool last = --watch->references == 0;
    struct recur_watch **at = &list->first;
    while (last && *at != watch)
        at = &(*at)->next;
    if (last) {
        *at = watch->next;
        list->count--;
    }
    pthread_mutex_unlock(&list->lock);
    if (last)
        watch_free(watch);
}

int recur_all(struct recur_list *list, struct recur_watch **ret_watches)
{
    int count = 0;
    pthread_mutex_lock(&list->lock);
    for (struct recur_watch *watch = list->first; watch; watch = watch->next) {
        watch->references++;
        ret_watches[count++] = watch;
    }
    pthread_mutex_unlock(&list->lock);
    return count;
}

static uint64_t count_of(const _Atomic uint64_t *count)
{
    return atomic_load_explicit(count, memory_order_relaxed);
}

/* All cores see the same data: the moments of the one that saw most are enough. */
void recur_sum(const struct recur_watch *watch, struct recur_sums *ret_sums)
{
    struct recur_sums sums = { 0 };
    int64_t first_ns = INT64_MAX, last_ns = 0;
    for (int i = 0; i < watch->cells_count; i++) {
        const struct recur_cell *cell = &watch->cells[i];
        const int64_t until_ns = atomic_load_explicit(&cell->last_ns, memory_order_relaxed);
        const int64_t from_ns = atomic_load_explicit(&cell->first_ns, memory_order_relaxed);
        const uint64_t moments = count_of(&cell->moments);
        if (until_ns == 0)
            continue;
        sums.calls += count_of(&cell->calls);
        sums.compared += count_of(&cell->compared);
        sums.changed += count_of(&cell->changed);
        sums.moments = moments > sums.moments ? moments : sums.moments;
        sums.took_ns += atomic_load_explicit(&cell->took_ns, memory_order_relaxed);
        first_ns = from_ns < first_ns ? from_ns : first_ns;
        last_ns = until_ns > last_ns ? until_ns : last_ns;
    }
    sums.watched_ns = last_ns > first_ns ? last_ns - first_ns : 0;
    *ret_sums = sums;
}

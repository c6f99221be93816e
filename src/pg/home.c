/* home.c - the address of the database and the connection budget, shared by the pools of all cores.
 *
 * Each core is entitled to a few connections; what lies beyond comes from one common counter. A core that is
 * refused says so to the others by message, and whoever gives a connection back wakes one that is hungry. */
#include "pg/pg_internal.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "base/inject.h"

static bool is_name(const char *host, size_t size)
{
    char one[256];
    unsigned char address[16];
    if (size == 0 || size >= sizeof one || host[0] == '/' || host[0] == '@')
        return false;
    memcpy(one, host, size);
    one[size] = '\0';
    return inet_pton(AF_INET, one, address) != 1 && inet_pton(AF_INET6, one, address) != 1 &&
           !strchr(one, '%');
}

static const char *option(const struct pg_home *home, const char *keyword, const char *otherwise)
{
    for (int i = 0; i < home->options_count; i++)
        if (strcmp(home->keywords[i], keyword) == 0 && home->values[i] && home->values[i][0])
            return home->values[i];
    return otherwise;
}

static int option_put(struct pg_home *home, const char *keyword, const char *value)
{
    int at = 0;
    while (at < home->options_count && strcmp(home->keywords[at], keyword) != 0)
        at++;
    if (at == home->options_count) {
        home->keywords[at] = strdup(keyword);
        check(home->keywords[at] != NULL);
        home->options_count++;
    }
    char *copy = value ? strdup(value) : NULL; /* first: `value` may be what stands there */
    check(!value || copy);
    free((char *)(uintptr_t)home->values[at]);
    home->values[at] = copy;
    return at;
}

/* Environment and service file first (as psql does), then the URL, then what this room insists on. */
static bool read_options(struct pg_home *home, const char *url)
{
    char *why = NULL;
    PQconninfoOption *given = PQconninfoParse(url, &why);
    if (!given) {
        /* libpq's words may repeat parts of the URL, and those may be the password. */
        const bool harmless = why && (strncmp(why, "invalid URI query parameter", 27) == 0 ||
                                      strncmp(why, "invalid connection option", 25) == 0);
        (void)fail(&PROBLEM_CONFIG,
                   "the database URL cannot be parsed (%.*s); it looks like "
                   "postgresql://user@host:5432/database or host=… dbname=…",
                   harmless ? (int)strcspn(why, "\n") : 18, harmless ? why : "unexpected pieces");
        PQfreemem(why);
        return false;
    }
    PQconninfoOption *usual = PQconndefaults();
    size_t count = 8;
    for (const PQconninfoOption *at = given; at->keyword; at++)
        count++;
    home->keywords = calloc(count, sizeof *home->keywords);
    home->values = calloc(count, sizeof *home->values);
    check(home->keywords && home->values);
    for (const PQconninfoOption *at = usual; at && at->keyword; at++)
        if (at->val)
            (void)option_put(home, at->keyword, at->val);
    for (const PQconninfoOption *at = given; at->keyword; at++)
        if (at->val)
            (void)option_put(home, at->keyword, at->val);
    PQconninfoFree(usual);
    PQconninfoFree(given);
    return true;
}

static void settle_options(struct pg_home *home)
{
    if (!option(home, "application_name", NULL))
        (void)option_put(home, "application_name", "lintel");
    if (!option(home, "gssencmode", NULL) || strcmp(option(home, "gssencmode", ""), "prefer") == 0)
        (void)option_put(home, "gssencmode", "disable"); /* looking for a ticket may block */
    (void)option_put(home, "client_encoding", "UTF8");
    const bool addressed = option(home, "hostaddr", NULL) != NULL;
    home->host_at = option_put(home, "host", option(home, "host", NULL));
    home->hostaddr_at = option_put(home, "hostaddr", option(home, "hostaddr", NULL));
    home->port_at = option_put(home, "port", option(home, "port", "5432"));
    struct bytes hosts = bytes_of(home->values[home->host_at]);
    while (hosts.data && !addressed) {
        const struct bytes host = bytes_cut(&hosts, ',');
        home->resolves |= is_name(host.data, host.size);
    }
    char label[512];
    snprintf(label, sizeof label, "%s:%s/%s as %s",
             option(home, "host", option(home, "hostaddr", "local socket")), option(home, "port", "5432"),
             option(home, "dbname", option(home, "user", "")), option(home, "user", ""));
    home->label = strdup(label);
    check(home->label != NULL);
}

bool pg_home_open(const char *url, const struct pg_conf *conf, int cores, struct pg_home **ret_home)
{
    check(cores >= 1 && cores <= METRIC_CORES_MAX);
    if (conf->max < (int64_t)ENTITLED * cores)
        return fail(&PROBLEM_CONFIG, "pools.max is %lld, but %d cores need at least %d connections",
                    (long long)conf->max, cores, ENTITLED * cores);
    struct pg_home *home = calloc(1, sizeof *home);
    check(home != NULL);
    home->conf = *conf;
    home->cores = cores;
    pthread_mutex_init(&home->lock, NULL);
    atomic_store(&home->references, 1);
    atomic_store(&home->budget, conf->max);
    atomic_store(&home->shares, 1);
    atomic_store(&home->entitled, ENTITLED);
    for (int i = 0; i < METRIC_CORES_MAX; i++) {
        home->slots[i].home = home;
        home->slots[i].index = i;
    }
    if (!read_options(home, url)) {
        pg_home_close(home);
        return false;
    }
    settle_options(home);
    *ret_home = home;
    return true;
}

static void home_unref(struct pg_home *home)
{
    if (atomic_fetch_sub(&home->references, 1) != 1)
        return;
    for (int i = 0; i < home->options_count; i++) {
        free((char *)(uintptr_t)home->keywords[i]);
        free((char *)(uintptr_t)home->values[i]);
    }
    free(home->keywords);
    free(home->values);
    free(home->label);
    pthread_mutex_destroy(&home->lock);
    free(home);
}

void pg_home_close(struct pg_home *home)
{
    if (home)
        home_unref(home);
}

const char *pg_home_label(const struct pg_home *home)
{
    return home->label;
}

bool pg_home_attach(struct pg_home *home, struct pg_pool *pool)
{
    struct home_slot *slot = &home->slots[core_index(pool->core)];
    pthread_mutex_lock(&home->lock);
    check(slot->pool == NULL);
    slot->pool = pool;
    slot->core = pool->core;
    pthread_mutex_unlock(&home->lock);
    atomic_fetch_add(&home->references, 1);
    return true;
}

void pg_home_detach(struct pg_pool *pool)
{
    struct pg_home *home = pool->home;
    struct home_slot *slot = &home->slots[core_index(pool->core)];
    pthread_mutex_lock(&home->lock);
    slot->pool = NULL;
    slot->core = NULL;
    pthread_mutex_unlock(&home->lock);
    atomic_store(&slot->hungry, false);
    home_unref(home);
}

/* ---- the budget ---- */

static int64_t extras_max(struct pg_home *home)
{
    return pg_home_budget(home) - atomic_load(&home->entitled) * home->cores;
}

bool pg_home_take(struct pg_pool *pool)
{
    struct pg_home *home = pool->home;
    const int64_t beyond = pool->open + 1 - atomic_load(&home->entitled);
    if (inject("pg.budget"))
        return false;
    if (beyond > pool->extras) {
        if (!atomic_load(&home->measured))
            return false; /* until the server has told its limit, each core keeps to its own */
        int64_t seen = atomic_load(&home->extras);
        do {
            if (seen >= extras_max(home))
                return false;
        } while (!atomic_compare_exchange_weak(&home->extras, &seen, seen + 1));
        pool->extras++;
    }
    pool->open++;
    return true;
}

/* Runs on the core of a slot: somebody else needs (arg: or has spared) a connection. */
static void on_asked(void *arg)
{
    struct home_slot *slot = arg;
    if (slot->pool) /* ours: only this thread changes it */
        pg_pool_asked(slot->pool);
    home_unref(slot->home);
}

static void on_spared(void *arg)
{
    struct home_slot *slot = arg;
    if (slot->pool)
        pg_pool_touch(slot->pool);
    home_unref(slot->home);
}

static void tell(struct home_slot *slot, void (*fn)(void *arg))
{
    struct pg_home *home = slot->home;
    pthread_mutex_lock(&home->lock);
    if (slot->pool) {
        atomic_fetch_add(&home->references, 1);
        if (!core_post(slot->core, fn, slot))
            atomic_fetch_sub(&home->references, 1); /* the pool still holds one */
    }
    pthread_mutex_unlock(&home->lock);
}

void pg_home_tell_all(struct pg_home *home, void (*fn)(void *arg))
{
    for (int i = 0; i < METRIC_CORES_MAX; i++)
        tell(&home->slots[i], fn);
}

void pg_home_spare_cancel(struct pg_home *home)
{
    if (atomic_exchange(&home->cancels_waiting, false))
        pg_home_tell_all(home, on_spared);
}

void pg_home_share(struct pg_home *home, int shares)
{
    check(shares >= 1);
    atomic_store(&home->shares, shares);
    for (int i = 0; i < METRIC_CORES_MAX; i++)
        if (atomic_exchange(&home->slots[i].hungry, false))
            tell(&home->slots[i], on_spared);
}

void pg_home_give(struct pg_pool *pool)
{
    struct pg_home *home = pool->home;
    pool->open--;
    check(pool->open >= 0);
    const int64_t beyond = pool->open - atomic_load(&home->entitled);
    bool spared = false;
    for (; pool->extras > (beyond > 0 ? beyond : 0); pool->extras--, spared = true)
        atomic_fetch_sub(&home->extras, 1);
    if (!spared)
        return;
    const int here = core_index(pool->core);
    for (int i = 1; i <= METRIC_CORES_MAX; i++) { /* the next hungry one after us: all get their turn */
        struct home_slot *slot = &home->slots[(here + i) % METRIC_CORES_MAX];
        if (atomic_exchange(&slot->hungry, false)) {
            tell(slot, on_spared);
            return;
        }
    }
}

#define ASK_EVERY_NS (5 * NS_PER_MS)
void pg_home_ask(struct pg_pool *pool)
{
    struct pg_home *home = pool->home;
    const int here = core_index(pool->core);
    atomic_store(&home->slots[here].hungry, true);
    const int64_t now_ns = clock_now_ns();
    if (home->cores == 1 || now_ns < pool->asked_ns + ASK_EVERY_NS)
        return;
    pool->asked_ns = now_ns;
    for (int i = 0; i < METRIC_CORES_MAX; i++)
        if (i != here)
            tell(&home->slots[i], on_asked);
}

/* The first connection has asked the server for its limit. */
void pg_home_measured(struct pg_home *home, int64_t server_connections)
{
    if (atomic_exchange(&home->measured, true))
        return;
    pg_home_fit(home, server_connections);
    for (int i = 0; i < METRIC_CORES_MAX; i++)
        if (atomic_exchange(&home->slots[i].hungry, false))
            tell(&home->slots[i], on_spared);
}

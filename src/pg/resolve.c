/* resolve.c - the addresses of the database's hosts: each host of the URL, one after the other, all their
 * addresses.
 *
 * The name service is asked off the loop, and its answer kept: fresh for dns_ttl; after that it is asked
 * again, but when it fails, or thinks for longer than DNS_PATIENCE_NS, the old answer serves (dns_stale). A
 * name service that is gone must not take a database along that is well. */
#include "pg/pg_internal.h"

#include <stdlib.h>

#include "base/inject.h"
#include "base/log.h"

#define ADDRESSES_TEXT_BYTES 4096
#define DNS_PATIENCE_NS      NS_PER_S

struct resolve {
    uv_getaddrinfo_t request;
    struct pg_home *home;
    struct conn *conn; /* NULL: it went away, or on, meanwhile */
    bool asking;       /* the request is under way: it frees us */
    struct timer patience;
    struct bytes hosts_left, ports_left, port;
    char host[256];
    char hosts[ADDRESSES_TEXT_BYTES], addresses[ADDRESSES_TEXT_BYTES], ports[ADDRESSES_TEXT_BYTES];
};

static void resolve_next(struct resolve *resolve);

/* ---- what is known ---- */

static struct known_host *known_find(struct pg_home *home, const char *name)
{
    for (int i = 0; i < home->known_count; i++)
        if (strcmp(home->known[i].name, name) == 0)
            return &home->known[i];
    return NULL;
}

static void known_put(struct pg_home *home, const struct known_host *found)
{
    pthread_mutex_lock(&home->lock);
    struct known_host *known = known_find(home, found->name);
    if (!known && home->known_count < HOSTS_KNOWN_MAX)
        known = &home->known[home->known_count++];
    if (known)
        *known = *found;
    pthread_mutex_unlock(&home->lock);
}

static bool known_get(struct pg_home *home, const char *name, int64_t age_max_ns,
                      struct known_host *ret_known)
{
    pthread_mutex_lock(&home->lock);
    const struct known_host *known = known_find(home, name);
    const bool young = known && clock_now_ns() - known->asked_ns < age_max_ns;
    if (young)
        *ret_known = *known;
    pthread_mutex_unlock(&home->lock);
    return young;
}

void pg_resolve_doubt(struct pg_home *home)
{
    pthread_mutex_lock(&home->lock);
    for (int i = 0; i < home->known_count; i++)
        home->known[i].doubted = true;
    pthread_mutex_unlock(&home->lock);
}

/* ---- the lists for libpq ---- */

static void append(char *list, bool first, struct bytes more)
{
    const size_t size = strlen(list);
    snprintf(list + size, ADDRESSES_TEXT_BYTES - size, "%s%.*s", first ? "" : ",", BYTES_ARG(more));
}

static void resolve_add(struct resolve *resolve, const char *address)
{
    const bool first = !resolve->hosts[0];
    if (strlen(resolve->hosts) + strlen(resolve->host) + 64 > ADDRESSES_TEXT_BYTES)
        return; /* enough to try */
    append(resolve->hosts, first, bytes_of(resolve->host));
    append(resolve->addresses, first, bytes_of(address));
    append(resolve->ports, first, resolve->port);
}

static void add_known(struct resolve *resolve, const struct known_host *known)
{
    for (int i = 0; i < known->count; i++)
        resolve_add(resolve, known->addresses[i]);
}

/* What was known before, however old. False: nothing is. */
static bool add_stale(struct resolve *resolve)
{
    struct known_host known;
    if (!known_get(resolve->home, resolve->host, resolve->home->conf.dns_stale_ns, &known))
        return false;
    metric_add(&pg_stale_addresses, 1);
    log_debug("dns_stale", "\"host\":\"%s\"", log_string_z(resolve->host));
    add_known(resolve, &known);
    return true;
}

/* ---- asking ---- */

static bool read_answer(const struct resolve *resolve, const struct addrinfo *found,
                        struct known_host *ret_known)
{
    *ret_known = (struct known_host){ .asked_ns = clock_now_ns() };
    memcpy(ret_known->name, resolve->host, sizeof ret_known->name);
    for (const struct addrinfo *at = found; at && ret_known->count < ADDRESSES_KNOWN_MAX; at = at->ai_next) {
        char *address = ret_known->addresses[ret_known->count];
        if (at->ai_family == AF_INET)
            uv_ip4_name((const struct sockaddr_in *)(const void *)at->ai_addr, address, 64);
        else if (at->ai_family == AF_INET6)
            uv_ip6_name((const struct sockaddr_in6 *)(const void *)at->ai_addr, address, 64);
        ret_known->count += address[0] != '\0';
    }
    return ret_known->count > 0;
}

static void home_release(struct pg_home *home)
{
    pg_home_close(home);
}

static void resolve_free(struct resolve *resolve)
{
    timer_stop(&resolve->patience);
    home_release(resolve->home);
    free(resolve);
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *found)
{
    struct resolve *resolve = container_of(request, struct resolve, request);
    struct known_host known;
    const bool answered = status == 0 && !inject("pg.resolve") && read_answer(resolve, found, &known);
    uv_freeaddrinfo(found);
    resolve->asking = false;
    timer_stop(&resolve->patience);
    if (answered)
        known_put(resolve->home, &known); /* also when nobody waits for it any more */
    if (!resolve->conn) {
        resolve_free(resolve);
        return;
    }
    if (answered)
        add_known(resolve, &known);
    else
        (void)add_stale(resolve);
    resolve_next(resolve);
}

static bool ask(struct resolve *resolve)
{
    static const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
    resolve->asking = uv_getaddrinfo(core_loop(resolve->conn->pool->core), &resolve->request, on_resolved,
                                     resolve->host, NULL, &hints) == 0;
    if (resolve->asking)
        timer_start(&resolve->patience, core_now_ns() + DNS_PATIENCE_NS);
    return resolve->asking;
}

/* ---- going on ---- */

static void resolve_end(struct resolve *resolve)
{
    struct conn *conn = resolve->conn;
    const struct pg_home *home = resolve->home;
    conn->resolve = NULL;
    resolve->conn = NULL;
    if (!resolve->hosts[0]) {
        char why[320];
        snprintf(why, sizeof why, "no address is known for the host %s", resolve->host);
        if (!resolve->asking)
            resolve_free(resolve);
        pg_conn_failed(conn, why);
        return;
    }
    const char *values[64];
    check(home->options_count < (int)array_count(values));
    memcpy(values, home->values, sizeof *values * (size_t)home->options_count);
    values[home->options_count] = NULL;
    values[home->host_at] = resolve->hosts;
    values[home->hostaddr_at] = resolve->addresses;
    values[home->port_at] = resolve->ports;
    pg_conn_start(conn, values);
    if (!resolve->asking)
        resolve_free(resolve);
}

/* The answer is late: where an older one is known we go on with it; this one is kept when it comes. Several
 * hosts want one request each, and ours is busy: then it is waited for. */
static void on_patience(struct timer *timer)
{
    struct resolve *resolve = container_of(timer, struct resolve, patience);
    if (resolve->conn && !resolve->hosts_left.data && add_stale(resolve))
        resolve_end(resolve);
}

static void resolve_next(struct resolve *resolve)
{
    while (resolve->hosts_left.data) {
        struct known_host known;
        const struct bytes host = bytes_cut(&resolve->hosts_left, ',');
        if (resolve->ports_left.data) /* one port for all, or one each */
            resolve->port = bytes_cut(&resolve->ports_left, ',');
        memset(resolve->host, 0, sizeof resolve->host);
        snprintf(resolve->host, sizeof resolve->host, "%.*s", BYTES_ARG(host));
        if (host.size == 0 || host.data[0] == '/' || host.data[0] == '@')
            resolve_add(resolve, ""); /* a socket: libpq takes it from the host itself */
        else if (known_get(resolve->home, resolve->host, resolve->home->conf.dns_ttl_ns, &known) &&
                 !known.doubted)
            add_known(resolve, &known);
        else if (ask(resolve))
            return;
        else
            (void)add_stale(resolve);
    }
    resolve_end(resolve);
}

void pg_resolve_start(struct conn *conn)
{
    struct pg_home *home = conn->pool->home;
    struct resolve *resolve = calloc(1, sizeof *resolve);
    check(resolve != NULL);
    atomic_fetch_add(&home->references, 1);
    resolve->home = home;
    resolve->conn = conn;
    resolve->patience.fire = on_patience;
    resolve->hosts_left = bytes_of(home->values[home->host_at]);
    resolve->ports_left = bytes_of(home->values[home->port_at]);
    conn->resolve = resolve;
    conn->state = CONN_RESOLVING;
    resolve_next(resolve);
}

void pg_resolve_forget(struct conn *conn)
{
    struct resolve *resolve = conn->resolve;
    if (!resolve)
        return;
    conn->resolve = NULL;
    resolve->conn = NULL;
    timer_stop(&resolve->patience);
    if (resolve->asking)
        (void)uv_cancel((uv_req_t *)&resolve->request); /* its callback comes in any case, and frees */
    else
        resolve_free(resolve);
}

/* link.c - the wires to the server: what the kernel knows of them, and how many there may be. */
#include "pg/link.h"

#include "pg/pg_internal.h"

void pg_pool_links(const struct pg_pool *pool, struct pg_links *ret_links)
{
    *ret_links = (struct pg_links){ .connections_max = atomic_load(&pool->home->budget) };
    for (int role = 0; role < ROLES; role++)
        for (const struct conn *conn = pool->roles[role]; conn; conn = conn->next)
            pg_link_add(PQsocket(conn->pg), ret_links);
}

bool pg_pool_host(const struct pg_pool *pool, char *ret_name, size_t room)
{
    const struct pg_home *home = pool->home;
    if (!home->resolves || !home->values[home->host_at])
        return false;
    const char *hosts = home->values[home->host_at];
    snprintf(ret_name, room, "%.*s", (int)strcspn(hosts, ","), hosts);
    return true;
}

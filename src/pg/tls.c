/* tls.c - what OpenSSL has read from the socket and libpq has not asked for yet. The socket then looks idle,
 * and a loop that trusts it would wait for ever for bytes that are already here: libpq reads as much as its
 * buffer has room for, 8 KiB at least; PostgreSQL 15 sends records of 8 KiB at most, later ones and proxies
 * of 16. One function of OpenSSL, declared here: its headers belong to net. */
#include "pg/pg_internal.h"

struct ssl_st;
int SSL_pending(const struct ssl_st *ssl);

bool pg_conn_has_pending(const struct conn *conn)
{
    if (likely(!PQsslInUse(conn->pg)))
        return false;
    const struct ssl_st *ssl = PQsslStruct(conn->pg, "OpenSSL");
    return ssl && SSL_pending(ssl) > 0;
}

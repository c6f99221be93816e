#pragma once
/* tls_internal.h - what the TLS files share. tls.c: the process's; tls_identity.c: certificates;
 * tls_ticket.c: resumption; tls_session.c: a connection's; tls_buffers.c: the memory of those that rest. */
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "fiber/fiber.h"
#include "net/tls.h"

/* ---- certificates ---- */

struct tls_identity {
    SSL_CTX *context; /* holds the certificate */
    unsigned char *ocsp;
    size_t ocsp_size;
    int64_t expires_ns;
    char name[128];
};

/* Immutable once in force. */
struct tls_identities {
    _Atomic int users;
    int count;
    struct tls_identity items[TLS_CERTIFICATES_MAX];
};

/* Errors: false with PROBLEM_CONFIG. */
bool tls_identities_load(struct tls *tls, struct tls_identities **ret_identities);
void tls_identities_unref(struct tls_identities *identities); /* NULL is harmless */

/* ---- tickets ---- */

#define TLS_TICKET_KEYS_MAX 4 /* the first seals, all open */
struct tls_ticket_key {
    unsigned char name[16], cipher[32], mac[32];
};
struct tls_tickets {
    pthread_mutex_t lock; /* held for the copy of a key, once a handshake */
    int count;
    int64_t made_ns, rotation_ns; /* monotonic: when keys[0] came into force */
    bool from_file;
    struct tls_ticket_key keys[TLS_TICKET_KEYS_MAX];
};
/* A key of its own, until one is read. */
void tls_tickets_open(struct tls_tickets *tickets, int64_t rotation_ns);
/* Lines of 160 hexadecimal digits, the first one seals. Errors: false with PROBLEM_CONFIG; the old ones stay.
 */
bool tls_tickets_parse(struct tls_tickets *tickets, struct bytes text) MUST_CHECK;
/* Makes a new key once the first is old; the one before it still opens. */
void tls_tickets_rotate(struct tls_tickets *tickets, int64_t now_ns);
/* SSL_CTX_set_tlsext_ticket_key_evp_cb() */
int tls_tickets_seal_or_open(SSL *ssl, unsigned char name[16], unsigned char *iv, EVP_CIPHER_CTX *cipher,
                             EVP_MAC_CTX *mac, int sealing);

/* ---- the process's ---- */

struct tls {
    const struct tls_conf *conf;
    const char *folder;
    bool h2;
    pthread_mutex_t lock; /* `current` and `stamp`; held for a reference, once a handshake */
    struct tls_identities *current;
    uint64_t stamp; /* of the files as last read */
    struct tls_tickets tickets;
};

struct tls_session {
    SSL *ssl;
    struct tls_identities *identities; /* while the handshake runs */
    struct tls *tls;
    struct conn *conn;
    struct turn_task rouse;
    struct tls_session *next, **prev; /* among those that may hold buffers; prev NULL: not there */
    int64_t used_ns;                  /* when it last read or wrote */
    char *client;
    int fd;
    int key_updates;  /* in a row, without data between */
    bool dry, at_end; /* the socket had nothing, or took nothing, at the last try; or ended */
    bool waits;       /* read bytes may wait inside */
    bool is_h2, dead; /* dead: after a fatal error nothing may be said any more */
};

/* ---- record buffers ---- */

/* Short: who handshakes, asks once and stays leaves holes in the heap for all that came meanwhile. */
#define TLS_BUFFERS_REST_NS (200 * NS_PER_MS)
/* The session reads or writes, on the core that it stays on: its buffers are let go once it has rested. */
void tls_buffers_hold(struct tls_session *session);
/* The session ends. On that core's thread; the core may be gone. */
void tls_buffers_drop(struct tls_session *session);

/* ---- files ---- */

/* The file's name under the folder, where it is relative. Errors: false with PROBLEM_CONFIG when too long. */
#define TLS_PATH_MAX 4096
bool tls_path(const struct tls *tls, struct bytes name, char path[static TLS_PATH_MAX]);
/* Whole, ended by a NUL. Errors: false with PROBLEM_CONFIG. Owner: free() it. */
bool tls_file_read(const char *path, size_t size_max, char **ret_data, size_t *ret_size);
/* The oldest error of this thread's, for people. */
const char *tls_error(void);

/* tls_session.c - one connection's session: the handshake, then bytes in and out as conn.h's transport.
 *
 * OpenSSL reads and writes the socket itself, through a BIO of ours that tells "nothing there" from
 * "something came, but no data". What it has read beyond the bytes asked for waits inside it: `waits`. */
#include "net/tls_internal.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/inject.h"
#include "base/problem.h"

#define RECORD_BYTES    16384 /* the most that one record carries (RFC 8446, 5.1) */
#define KEY_UPDATES_MAX 32    /* in a row, without data */

struct metric tls_handshakes = COUNTER("handshakes", "handshakes", "Handshakes that succeeded.");
struct metric tls_resumptions = COUNTER("resumptions", "handshakes", "Handshakes that resumed a session.");

/* ---- the socket, as OpenSSL sees it ---- */

static int bio_result(BIO *bio, struct tls_session *session, ssize_t moved)
{
    BIO_clear_retry_flags(bio);
    if (moved >= 0)
        return (int)moved;
    session->dry = errno == EAGAIN || errno == EINTR;
    return -1;
}

static int bio_read(BIO *bio, char *buffer, int size)
{
    struct tls_session *session = BIO_get_data(bio);
    const int got = bio_result(bio, session, recv(session->fd, buffer, (size_t)size, 0));
    if (got < 0 && session->dry)
        BIO_set_retry_read(bio);
    session->at_end = got == 0;
    return got;
}

static int bio_write(BIO *bio, const char *bytes, int size)
{
    struct tls_session *session = BIO_get_data(bio);
    const int put = bio_result(bio, session, send(session->fd, bytes, (size_t)size, MSG_NOSIGNAL));
    if (put < 0 && session->dry)
        BIO_set_retry_write(bio);
    return put;
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
    const struct tls_session *session = BIO_get_data(bio);
    (void)number, (void)pointer;
    return command == BIO_CTRL_EOF ? session->at_end : command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *bio_method;
static pthread_once_t bio_once = PTHREAD_ONCE_INIT;

static void bio_make(void)
{
    bio_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "lintel socket");
    check(bio_method != NULL);
    BIO_meth_set_read(bio_method, bio_read);
    BIO_meth_set_write(bio_method, bio_write);
    BIO_meth_set_ctrl(bio_method, bio_control);
}

/* A client may change its keys as often as it likes, at our cost. */
static void see_message(int written, int version, int type, const void *message, size_t size, SSL *ssl,
                        void *arg)
{
    struct tls_session *session = arg;
    (void)version, (void)ssl;
    if (!written && type == SSL3_RT_HANDSHAKE && size &&
        *(const unsigned char *)message == SSL3_MT_KEY_UPDATE)
        session->key_updates++;
}

/* SSL_get_error() looks at the queue, which is empty nearly always; clearing it costs 16 slots' worth. */
static void clear_errors(void)
{
    if (unlikely(ERR_peek_error() != 0))
        ERR_clear_error();
}

/* ---- life ---- */

static void rouse_task(struct turn_task *task);

struct tls_session *tls_session_open(struct tls *tls, int fd)
{
    struct tls_session *session = inject("tls.session") ? NULL : calloc(1, sizeof *session);
    if (!session)
        return NULL;
    pthread_once(&bio_once, bio_make);
    *session = (struct tls_session){ .tls = tls, .fd = fd, .rouse.run = rouse_task };
    pthread_mutex_lock(&tls->lock);
    session->identities = tls->current;
    atomic_fetch_add_explicit(&session->identities->users, 1, memory_order_relaxed);
    pthread_mutex_unlock(&tls->lock);
    BIO *bio = BIO_new(bio_method);
    session->ssl = SSL_new(session->identities->items[0].context);
    if (!bio || !session->ssl) {
        BIO_free(bio);
        tls_session_close(session);
        return NULL;
    }
    BIO_set_data(bio, session);
    BIO_set_init(bio, 1);
    SSL_set_bio(session->ssl, bio, bio);
    SSL_set_app_data(session->ssl, session);
    SSL_set_msg_callback(session->ssl, see_message);
    SSL_set_msg_callback_arg(session->ssl, session);
    SSL_set_accept_state(session->ssl);
    return session;
}

void tls_session_close(struct tls_session *session)
{
    ERR_clear_error();
    tls_buffers_drop(session);
    SSL_free(session->ssl);
    tls_identities_unref(session->identities);
    free(session->client);
    free(session);
}

bool tls_session_is_h2(const struct tls_session *session)
{
    return session->is_h2;
}

const char *tls_session_client(const struct tls_session *session)
{
    return session->client;
}

/* ---- the handshake ---- */

static enum tls_failure failure_of(const struct tls_session *session)
{
    const unsigned long error = ERR_peek_error();
    const int reason = ERR_GET_REASON(error);
    if (!error || session->at_end)
        return TLS_FAILURE_CUT;
    if (ERR_GET_LIB(error) == ERR_LIB_SSL && reason >= SSL_AD_REASON_OFFSET)
        return TLS_FAILURE_REFUSED; /* an alert of the client's: it does not trust us, most times */
    switch (reason) {
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_INAPPROPRIATE_FALLBACK:
        return TLS_FAILURE_VERSION;
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_SUITABLE_KEY_SHARE:
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
    case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS:
        return TLS_FAILURE_CIPHER;
    case SSL_R_NO_APPLICATION_PROTOCOL:
        return TLS_FAILURE_PROTOCOL;
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
        return TLS_FAILURE_CLIENT_CERTIFICATE;
    default:
        return TLS_FAILURE_MALFORMED;
    }
}

static void keep_client(struct tls_session *session)
{
    X509 *certificate = SSL_get0_peer_certificate(session->ssl);
    BIO *text = certificate ? BIO_new(BIO_s_mem()) : NULL;
    char *data;
    if (!text)
        return;
    X509_NAME_print_ex(text, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
    const long size = BIO_get_mem_data(text, &data);
    session->client = strndup(data, size > 0 ? (size_t)size : 0);
    BIO_free(text);
}

static void finish(struct tls_session *session)
{
    metric_add(SSL_session_reused(session->ssl) ? &tls_resumptions : &tls_handshakes, 1);
    keep_client(session);
    tls_identities_unref(session->identities); /* OpenSSL holds the context in use itself */
    session->identities = NULL;
    session->waits =
        SSL_has_pending(session->ssl);    /* the first request came with the last of the handshake */
    (void)SSL_free_buffers(session->ssl); /* not so then; tls_session_carry() sees to those */
}

enum tls_step tls_session_step(struct tls_session *session)
{
    if (inject("tls.handshake")) {
        session->dead = true;
        tls_count_failure(TLS_FAILURE_MALFORMED);
        return TLS_STEP_FAILED;
    }
    ERR_clear_error();
    const int done = SSL_accept(session->ssl);
    if (done == 1) {
        finish(session);
        return TLS_STEP_DONE;
    }
    const int error = SSL_get_error(session->ssl, done);
    if (error == SSL_ERROR_WANT_READ)
        return TLS_STEP_READ;
    if (error == SSL_ERROR_WANT_WRITE)
        return TLS_STEP_WRITE;
    tls_count_failure(failure_of(session));
    session->dead = true;
    ERR_clear_error();
    return TLS_STEP_FAILED;
}

/* ---- the transport ---- */

static ssize_t broken(struct conn *conn)
{
    struct tls_session *session = conn->transport_state;
    session->dead = true;
    session->waits = false;
    ERR_clear_error();
    conn_break(conn); /* may close it: the session is gone then */
    return CONN_BROKEN;
}

/* SSL_read() or SSL_peek(), past records that carry no data. */
static ssize_t take(struct conn *conn, int (*how)(SSL *ssl, void *buffer, int size), void *buffer,
                    size_t size)
{
    struct tls_session *session = conn->transport_state;
    tls_buffers_hold(session);
    for (;;) {
        session->dry = false;
        clear_errors();
        const int got = how(session->ssl, buffer, size > INT32_MAX ? INT32_MAX : (int)size);
        if (session->key_updates > KEY_UPDATES_MAX)
            return broken(conn);
        if (got > 0) {
            session->key_updates = 0;
            return got;
        }
        const int error = SSL_get_error(session->ssl, got);
        if (error == SSL_ERROR_ZERO_RETURN) {
            session->waits = false;
            return 0;
        }
        /* WANT_WRITE: it wants key updates answered and does not read the answers. */
        if (error != SSL_ERROR_WANT_READ)
            return broken(conn);
        if (session->dry) {
            session->waits = false;
            return CONN_AGAIN;
        }
    }
}

static ssize_t tls_read(struct conn *conn, void *buffer, size_t size)
{
    struct tls_session *session = conn->transport_state;
    const ssize_t got = take(conn, SSL_read, buffer, size);
    if (got > 0)
        session->waits = SSL_has_pending(session->ssl);
    return got;
}

/* What goes into the next record: a part, or as many as it takes, joined. After CONN_AGAIN the same bytes are
 * offered again, as OpenSSL wants it. */
static struct bytes next_record(const struct iovec *parts, int count, size_t skip,
                                char scratch[static RECORD_BYTES])
{
    size_t filled = 0;
    while (count && skip >= parts->iov_len) {
        skip -= parts->iov_len;
        parts++;
        count--;
    }
    if (count == 1 || (count && parts->iov_len - skip >= RECORD_BYTES)) {
        const size_t size = parts->iov_len - skip;
        return (struct bytes){ (const char *)parts->iov_base + skip,
                               size < RECORD_BYTES ? size : RECORD_BYTES };
    }
    for (; count && filled < RECORD_BYTES; parts++, count--, skip = 0) {
        size_t size = parts->iov_len - skip;
        if (size > RECORD_BYTES - filled)
            size = RECORD_BYTES - filled;
        memcpy(scratch + filled, (const char *)parts->iov_base + skip, size);
        filled += size;
    }
    return (struct bytes){ scratch, filled };
}

static ssize_t tls_write(struct conn *conn, const struct iovec *parts, int count)
{
    static _Thread_local char scratch[RECORD_BYTES]; /* not on a fiber's stack */
    struct tls_session *session = conn->transport_state;
    size_t written = 0;
    tls_buffers_hold(session);
    for (;;) {
        const struct bytes record = next_record(parts, count, written, scratch);
        if (!record.size)
            return (ssize_t)written;
        clear_errors();
        const int put = SSL_write(session->ssl, record.data, (int)record.size);
        if (put > 0) {
            written += (size_t)put;
            continue;
        }
        if (SSL_get_error(session->ssl, put) != SSL_ERROR_WANT_WRITE)
            return broken(conn);
        return written ? (ssize_t)written : CONN_AGAIN;
    }
}

static bool tls_waits(const struct conn *conn)
{
    return ((const struct tls_session *)conn->transport_state)->waits;
}

static void rouse_task(struct turn_task *task)
{
    conn_ready(container_of(task, struct tls_session, rouse)->conn);
}

static void tls_rouse(struct conn *conn)
{
    core_at_turn_end(&((struct tls_session *)conn->transport_state)->rouse);
}

static bool tls_peer_ended(struct conn *conn)
{
    struct tls_session *session = conn->transport_state;
    char next;
    const ssize_t got = take(conn, SSL_peek, &next, 1);
    if (got > 0)
        session->waits = true;
    else if (got == CONN_AGAIN)
        conn_watch(conn, CONN_READ); /* only the protocol's own came: the end may come still */
    return got == 0;
}

static void tls_end(struct conn *conn)
{
    struct tls_session *session = conn->transport_state;
    if (session->dead)
        return;
    ERR_clear_error();
    if (SSL_shutdown(session->ssl) < 0)
        ERR_clear_error(); /* the socket takes nothing now: the peer sees the stream cut */
}

static void tls_free(struct conn *conn)
{
    struct tls_session *session = conn->transport_state;
    if (core_here())
        core_turn_task_cancel(&session->rouse);
    tls_session_close(session);
}

static const struct conn_transport tls_transport = { .read = tls_read,
                                                     .write = tls_write,
                                                     .waits = tls_waits,
                                                     .rouse = tls_rouse,
                                                     .peer_ended = tls_peer_ended,
                                                     .end = tls_end,
                                                     .free = tls_free };

void tls_session_carry(struct tls_session *session, struct conn *conn)
{
    session->conn = conn;
    conn->transport = &tls_transport;
    conn->transport_state = session;
    tls_buffers_hold(session);
    conn_watch(conn, CONN_READ); /* and what waits inside already */
}

const struct tls_session *tls_session_of(const struct conn *conn)
{
    return conn->transport == &tls_transport ? conn->transport_state : NULL;
}

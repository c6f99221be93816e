#pragma once
/* tls.h - HTTPS: certificates and ticket keys of the process, and one session a connection.
 *
 *   tls_open ──▶ struct tls ── current ──▶ identities (a certificate each, immutable, counted)
 *                    │  tls_refresh() puts a new set in force whole; a broken one leaves the old
 *                    └─ tls_session_open(fd) ──handshake──▶ tls_session_carry(conn): conn.h's transport
 *
 * TLS 1.2 and 1.3 with forward secrecy only; sessions resume by tickets alone, so no core keeps any; nothing
 * is renegotiated, compressed or sent early (0-RTT could be replayed). Source: RFC 8446, RFC 9325. */
#include "base/knob.h"
#include "base/metric.h"
#include "net/conn.h"

#define TLS_CERTIFICATES_MAX 16
#define TLS_WARN_NS          (14 * 86400 * 1000000000LL) /* what ends sooner is worth a warning */

struct tls_conf {
    const char *certificate, *key, *ocsp; /* files, one a line, the nth of each together */
    const char *ticket_keys, *client_ca;
    const char *redirect; /* a second listener that only says where HTTPS is */
    int64_t min_version;  /* enum tls_version */
    int64_t ticket_rotation_ns, reload_ns, hsts_ns, redirect_port;
    bool hsts_subdomains;
};
enum tls_version { TLS_VERSION_1_2, TLS_VERSION_1_3 };
extern const struct knob tls_knobs[]; /* section "tls" */
extern struct metric *const tls_metrics[];

static inline bool tls_wanted(const struct tls_conf *conf)
{
    return conf->certificate && conf->certificate[0];
}

struct tls;

/* Reads every file. folder: what relative names stand in; borrowed with conf for the life of *ret_tls.
 * Errors: false with PROBLEM_CONFIG: which file, what is wrong, what to do. Owner: end with tls_close(). */
bool tls_open(const struct tls_conf *conf, const char *folder, struct tls **ret_tls) MUST_CHECK;
/* After every session has ended. NULL is harmless. */
void tls_close(struct tls *tls);

/* Offers h2 before http/1.1 to clients. Before any session. */
void tls_offer_h2(struct tls *tls);

/* Reads the files again if they changed, or always with `force`, and puts them in force for handshakes to
 * come. Any thread; reads files. Errors: false; what was in force stays, and the same files are not tried
 * again. ret_changed: whether a new set is in force. */
bool tls_refresh(struct tls *tls, bool force, bool *ret_changed) MUST_CHECK;

/* The nth certificate now in force, for people. False past the last. */
struct tls_certificate {
    char name[128];     /* the first that it is for */
    int64_t expires_ns; /* wall clock */
};
bool tls_certificate(struct tls *tls, int index, struct tls_certificate *ret_certificate);

/* ---- sessions: on their core ---- */

struct tls_session;

/* The server's side of a session on an accepted socket, which stays the caller's.
 * Errors: NULL when there is no memory. Owner: tls_session_close(), or a conn through tls_session_carry(). */
struct tls_session *tls_session_open(struct tls *tls, int fd);
/* Frees it, without a word. */
void tls_session_close(struct tls_session *session);

enum tls_step { TLS_STEP_DONE, TLS_STEP_READ, TLS_STEP_WRITE, TLS_STEP_FAILED };
/* Goes on with the handshake as far as the socket lets it. FAILED: counted, and the client was told why. */
enum tls_step tls_session_step(struct tls_session *session);

/* ALPN chose HTTP/2. After the handshake. */
bool tls_session_is_h2(const struct tls_session *session);
/* The subject of the client's verified certificate (RFC 2253), or NULL. Lives as long as the session. */
const char *tls_session_client(const struct tls_session *session);

/* From here on the connection's bytes travel through the session, which ends with it. After conn_open(). */
void tls_session_carry(struct tls_session *session, struct conn *conn);
/* What carries it: NULL for a bare one. */
const struct tls_session *tls_session_of(const struct conn *conn);

/* Why handshakes fail, as the metric's label says it. */
enum tls_failure {
    TLS_FAILURE_PLAINTEXT,
    TLS_FAILURE_TIMEOUT,
    TLS_FAILURE_CUT,
    TLS_FAILURE_VERSION,
    TLS_FAILURE_CIPHER,
    TLS_FAILURE_PROTOCOL,
    TLS_FAILURE_REFUSED,
    TLS_FAILURE_CLIENT_CERTIFICATE,
    TLS_FAILURE_MALFORMED,
    TLS_FAILURES
};
void tls_count_failure(enum tls_failure failure);

/* h2.c - an HTTP/2 connection's life: reading, the one write a turn, times, leaving. */
#include "http/h2.h"

#include <stdlib.h>
#include <unistd.h>

static void readable(struct conn *conn);
static void writable(struct conn *conn);
static void broken(struct conn *conn);
static void closed(struct conn *conn);
static void pinged(void *owner);

static const struct conn_events conn_events = {
    .readable = readable, .writable = writable, .broken = broken, .closed = closed
};
static const struct http2_events session_events = {
    .open = h2_stream_open,
    .head = h2_stream_head,
    .data = h2_stream_data,
    .end = h2_stream_end,
    .taken = h2_stream_taken,
    .answered = h2_stream_answered,
    .closed = h2_stream_closed,
    .pinged = pinged,
};

/* ---- blocks ---- */

struct h2_block {
    struct h2_block *next;
};

static char *block_borrow(struct http_core *core)
{
    struct h2_block *block = core->h2_blocks;
    if (block) {
        core->h2_blocks = block->next;
        core->h2_blocks_count--;
        return (char *)block;
    }
    return account_malloc(&http_memory, H2_BLOCK_BYTES);
}

static void block_return(struct h2 *h2)
{
    struct http_core *core = h2->core;
    struct h2_block *block = (struct h2_block *)(void *)h2->out;
    h2->out = NULL;
    h2->out_at = h2->out_size = 0;
    if (!block)
        return;
    if (core->h2_blocks_count >= H2_BLOCKS_KEPT) {
        account_free(&http_memory, block, H2_BLOCK_BYTES);
        return;
    }
    block->next = core->h2_blocks;
    core->h2_blocks = block;
    core->h2_blocks_count++;
}

/* ---- ending ---- */

static void release(struct h2 *h2)
{
    struct http_core *core = h2->core;
    h2->next = core->h2_free;
    core->h2_free = h2;
}

void h2_settle(struct h2 *h2)
{
    struct http_core *core = h2->core;
    if (h2->state != H2_CLOSING || h2->streams_count)
        return;
    if (h2->prev) {
        *h2->prev = h2->next;
        if (h2->next)
            h2->next->prev = h2->prev;
        h2->prev = NULL;
        core_count(core->open, -1);
        atomic_fetch_sub_explicit(&core->h2_open, 1, memory_order_relaxed);
        if (core->leaving && atomic_load_explicit(&core->open, memory_order_relaxed) == 0)
            http_core_is_empty(core);
    }
    if (h2->conn_closed)
        release(h2);
}

static void closed(struct conn *conn)
{
    struct h2 *h2 = container_of(conn, struct h2, conn);
    h2->conn_closed = true;
    h2_settle(h2);
}

/* Never from inside one of the session's events. */
static void h2_close(struct h2 *h2)
{
    if (h2->state == H2_CLOSING)
        return;
    h2->state = H2_CLOSING;
    if (h2->streams)
        metric_add(&http_broken, 1);
    timer_stop(&h2->timer);
    core_turn_task_cancel(&h2->flush);
    block_return(h2);
    conn_close(&h2->conn);
    for (struct h2_stream *stream = h2->streams, *next; stream; stream = next) {
        next = stream->next;
        h2_stream_lose(stream);
    }
    http2_free(h2->session);
    h2->session = NULL;
    h2_settle(h2);
}

static void broken(struct conn *conn)
{
    struct h2 *h2 = container_of(conn, struct h2, conn);
    h2->lost = true;
    if (h2->state != H2_CLOSING)
        core_at_turn_end(&h2->flush); /* a read or a write of ours may stand below us */
}

/* All is said: what still comes is thrown away for a while, so that no reset destroys what the client has yet
 * to read. */
static void linger(struct h2 *h2)
{
    if (h2->state != H2_OPEN)
        return;
    h2->state = H2_LINGER;
    h2->linger_since_ns = core_now_ns();
    h2->linger_left = H2_LINGER_MAX;
    block_return(h2);
    conn_shutdown(&h2->conn);
    conn_watch(&h2->conn, CONN_READ);
    h2_arm(h2);
}

static void read_away(struct h2 *h2)
{
    for (int i = 0; i < 16; i++) {
        const ssize_t got = conn_discard(&h2->conn);
        if (got == CONN_AGAIN)
            return;
        h2->linger_left -= got;
        if (got <= 0 || h2->linger_left < 0) {
            h2_close(h2);
            return;
        }
    }
}

void h2_retire(struct h2 *h2)
{
    if (h2->leaving || h2->state != H2_OPEN)
        return;
    h2->leaving = true;
    h2->leaving_since_ns = core_now_ns();
    http2_leave(h2->session);
    h2_touch(h2);
    h2_arm(h2);
}

static void retire_finally(struct h2 *h2)
{
    if (!h2->leaving || h2->final || h2->state != H2_OPEN)
        return;
    h2->final = true;
    http2_leave_finally(h2->session);
    h2_touch(h2);
}

/* The client has seen the first GOAWAY: whatever it had begun before that is here by now. */
static void pinged(void *owner)
{
    retire_finally(owner);
}

/* ---- writing ---- */

/* The unsent rest of the block; true when all of it went. */
static bool write_block(struct h2 *h2)
{
    const struct iovec part = { h2->out + h2->out_at, h2->out_size - h2->out_at };
    const ssize_t written = conn_write(&h2->conn, &part, 1);
    if (written == CONN_BROKEN) {
        h2_close(h2);
        return false;
    }
    if (written > 0) {
        h2->out_at += (size_t)written;
        core_count(h2->core->bytes_out_total, (uint64_t)written);
    }
    if (h2->out_at == h2->out_size) {
        h2->stuck_since_ns = 0;
        return true;
    }
    if (!h2->stuck_since_ns) {
        h2->stuck_since_ns = core_now_ns();
        h2_arm(h2);
    }
    conn_watch(&h2->conn, CONN_WRITE); /* who does not read is not read from */
    return false;
}

static void flush(struct h2 *h2)
{
    if (h2->lost) {
        h2_close(h2);
        return;
    }
    if (h2->state != H2_OPEN)
        return;
    for (int blocks = 0; blocks < H2_BLOCKS_A_TURN; blocks++) {
        if (h2->out_at == h2->out_size) {
            if (!h2->out)
                h2->out = block_borrow(h2->core);
            h2->out_at = 0;
            h2->out_size = http2_fill(h2->session, h2->out, H2_BLOCK_BYTES);
            if (!h2->out_size)
                break;
        }
        if (!write_block(h2))
            return;
    }
    if (http2_wants_fill(h2->session)) {
        conn_watch(&h2->conn, CONN_READ | CONN_WRITE);
        return;
    }
    block_return(h2);
    conn_watch(&h2->conn, CONN_READ);
    if (http2_is_over(h2->session))
        linger(h2);
}

static void flush_task(struct turn_task *task)
{
    flush(container_of(task, struct h2, flush));
}

void h2_touch(struct h2 *h2)
{
    if (h2->state == H2_OPEN && !h2->stuck_since_ns)
        core_at_turn_end(&h2->flush);
}

static void writable(struct conn *conn)
{
    flush(container_of(conn, struct h2, conn));
}

/* ---- reading ---- */

static void feed(struct h2 *h2, struct bytes received)
{
    core_count(h2->core->bytes_in_total, received.size);
    if (!http2_receive(h2->session, received)) {
        const char *why = http2_calmed(h2->session);
        if (why) {
            metric_add(&http_h2_calmed, 1);
            log_event(LOG_INFO, "h2_calmed", "\"peer\":\"%s\",\"message\":\"too many %s\"", h2->peer, why);
        }
    }
    metric_add(&http_malformed, http2_malformed(h2->session));
    if (!http2_inside_head(h2->session)) {
        h2->head_since_ns = 0;
    } else if (!h2->head_since_ns) {
        h2->head_since_ns = core_now_ns();
        h2_arm(h2);
    }
    h2_touch(h2);
}

static char *scratch_of(struct http_core *core)
{
    if (!core->h2_scratch)
        core->h2_scratch = account_malloc(&http_memory, H2_BLOCK_BYTES);
    return core->h2_scratch;
}

static void readable(struct conn *conn)
{
    struct h2 *h2 = container_of(conn, struct h2, conn);
    if (h2->state == H2_LINGER) {
        read_away(h2);
        return;
    }
    if (h2->state != H2_OPEN) {
        conn_watch(conn, 0);
        return;
    }
    char *scratch = scratch_of(h2->core);
    const ssize_t got = conn_read(&h2->conn, scratch, H2_BLOCK_BYTES);
    if (got == CONN_AGAIN)
        return;
    if (got <= 0) {
        h2_close(h2);
        return;
    }
    feed(h2, (struct bytes){ scratch, (size_t)got });
    core_run_ready();
}

/* ---- times ---- */

static void earliest(int64_t *at_ns, int64_t since_ns, int64_t wait_ns)
{
    if (since_ns && (!*at_ns || since_ns + wait_ns < *at_ns))
        *at_ns = since_ns + wait_ns;
}

void h2_arm(struct h2 *h2)
{
    const struct http_conf *conf = &h2->core->server->conf;
    int64_t at_ns = 0;
    if (h2->state == H2_OPEN) {
        earliest(&at_ns, h2->stuck_since_ns, conf->write_timeout_ns);
        earliest(&at_ns, h2->head_since_ns, conf->header_timeout_ns);
        earliest(&at_ns, h2->final ? 0 : h2->leaving_since_ns, H2_NOTICE_NS);
        earliest(&at_ns, h2->streams_count || h2->leaving ? 0 : h2->idle_since_ns, conf->idle_timeout_ns);
    } else {
        earliest(&at_ns, h2->linger_since_ns, H2_LINGER_NS);
    }
    if (at_ns && (!h2->timer.prev || at_ns < h2->timer.at_ns))
        timer_start(&h2->timer, at_ns);
}

static bool is_late(int64_t since_ns, int64_t wait_ns)
{
    return since_ns && since_ns + wait_ns <= core_now_ns();
}

static void look_at_times(struct timer *timer)
{
    struct h2 *h2 = container_of(timer, struct h2, timer);
    const struct http_conf *conf = &h2->core->server->conf;
    if (h2->state == H2_LINGER) {
        if (is_late(h2->linger_since_ns, H2_LINGER_NS))
            h2_close(h2);
        else
            h2_arm(h2);
        return;
    }
    if (is_late(h2->stuck_since_ns, conf->write_timeout_ns)) {
        metric_add(&http_timeouts, 1);
        conn_abort(&h2->conn);
        h2_close(h2);
        return;
    }
    if (is_late(h2->head_since_ns, conf->header_timeout_ns)) {
        h2->head_since_ns = 0;
        metric_add(&http_timeouts, 1);
        http2_end(h2->session, HTTP2_PROTOCOL_ERROR);
        h2_touch(h2);
    }
    if (!h2->final && is_late(h2->leaving_since_ns, H2_NOTICE_NS))
        retire_finally(h2);
    if (!h2->streams_count && is_late(h2->idle_since_ns, conf->idle_timeout_ns))
        h2_retire(h2);
    h2_arm(h2);
}

/* ---- from the core ---- */

static struct h2 *open_here(struct http_core *core, const struct h2_opening *opening)
{
    const struct http_conf *conf = &core->server->conf;
    const struct http2_limits limits = {
        .head_bytes_max = conf->header_bytes_max,
        .fields_max = conf->headers_max,
        .target_bytes_max = conf->target_bytes_max,
        .streams_max = conf->h2_streams_max,
        .window_bytes = conf->h2_stream_window,
        .connection_window_bytes = conf->h2_connection_window,
        .control_burst = conf->h2_control_burst,
        .reset_burst = conf->h2_reset_burst,
    };
    struct h2 *h2 = core->h2_free;
    if (h2)
        core->h2_free = h2->next;
    else
        h2 = account_malloc(&http_memory, sizeof *h2);
    *h2 = (struct h2){ .core = core,
                       .admin = opening->admin,
                       .idle_since_ns = core_now_ns(),
                       .timer.fire = look_at_times,
                       .flush.run = flush_task };
    snprintf(h2->peer, sizeof h2->peer, "%s", opening->peer);
    h2->session = http2_new(&session_events, h2, &limits);
    if (!h2->session || !conn_open(&h2->conn, opening->fd, &conn_events)) {
        http2_free(h2->session);
        release(h2);
        return NULL;
    }
    if (opening->session)
        tls_session_carry(opening->session, &h2->conn);
    h2->next = core->h2_first;
    h2->prev = &core->h2_first;
    if (h2->next)
        h2->next->prev = &h2->next;
    core->h2_first = h2;
    return h2;
}

/* The count of open ones was raised by whoever chose this core. */
static void begin(struct http_core *core, const struct h2_opening *opening)
{
    struct h2 *h2 = open_here(core, opening);
    if (!h2) {
        if (opening->session)
            tls_session_close(opening->session);
        close(opening->fd);
        atomic_fetch_sub_explicit(&core->h2_open, 1, memory_order_relaxed);
        return;
    }
    core_count(core->open, 1);
    metric_add(&http_h2_connections, 1);
    h2_arm(h2);
    if (opening->received.size)
        feed(h2, opening->received);
    h2_touch(h2); /* our SETTINGS */
    if (core->leaving)
        h2_retire(h2);
}

struct moving {
    struct http_core *core;
    struct h2_opening opening;
    char peer[PEER_ADDRESS_MAX];
    char received[];
};

static void arrived(void *arg)
{
    struct moving *moving = arg;
    struct http_core *core = moving->core;
    begin(core, &moving->opening);
    atomic_fetch_sub_explicit(&core->coming, 1, memory_order_relaxed);
    if (core->leaving && atomic_load_explicit(&core->open, memory_order_relaxed) == 0)
        http_core_is_empty(core);
    free(moving);
}

static bool move_to(struct http_core *core, const struct h2_opening *opening)
{
    struct moving *moving = malloc(sizeof *moving + opening->received.size);
    check(moving != NULL);
    *moving = (struct moving){ .core = core, .opening = *opening };
    snprintf(moving->peer, sizeof moving->peer, "%s", opening->peer);
    memcpy(moving->received, opening->received.data, opening->received.size);
    moving->opening.peer = moving->peer;
    moving->opening.received.data = moving->received;
    atomic_fetch_add_explicit(&core->coming, 1, memory_order_relaxed);
    if (http_core_post(core, arrived, moving))
        return true;
    atomic_fetch_sub_explicit(&core->coming, 1, memory_order_relaxed);
    free(moving);
    return false;
}

/* The core with the fewest HTTP/2 connections, then the fewest busy requests: a few such connections carry a
 * whole load, so that here a difference of one is worth a message. */
static struct http_core *least_loaded(struct http_core *mine)
{
    struct http_core *best = mine;
    int64_t best_open = atomic_load_explicit(&mine->h2_open, memory_order_relaxed);
    for (int i = 0; i < METRIC_CORES_MAX; i++) {
        struct http_core *core = atomic_load_explicit(&mine->server->cores[i], memory_order_acquire);
        if (!core || core == mine || !atomic_load_explicit(&core->listening, memory_order_relaxed))
            continue;
        const int64_t open = atomic_load_explicit(&core->h2_open, memory_order_relaxed);
        if (open >= best_open)
            continue;
        best = core;
        best_open = open;
    }
    return best;
}

void h2_accept(struct http_core *core, const struct h2_opening *opening)
{
    struct http_core *best = opening->session ? core : least_loaded(core);
    atomic_fetch_add_explicit(&best->h2_open, 1, memory_order_relaxed);
    if (best == core || !move_to(best, opening)) {
        if (best != core) {
            atomic_fetch_sub_explicit(&best->h2_open, 1, memory_order_relaxed);
            atomic_fetch_add_explicit(&core->h2_open, 1, memory_order_relaxed);
        }
        begin(core, opening);
    }
}

void h2_accept_arrival(struct http_core *core, const struct arrival *arrival)
{
    char peer[PEER_ADDRESS_MAX];
    listen_peer_address(&arrival->peer, peer);
    const struct h2_opening opening = {
        .fd = arrival->fd, .peer = peer, .admin = arrival->door->admin, .session = arrival->session
    };
    h2_accept(core, &opening);
}

void h2_leave(struct http_core *core)
{
    for (struct h2 *h2 = core->h2_first; h2; h2 = h2->next)
        h2_retire(h2);
}

void h2_cut(struct http_core *core)
{
    for (struct h2 *h2 = core->h2_first, *next; h2; h2 = next) {
        next = h2->next;
        bool running = false;
        for (struct h2_stream *stream = h2->streams; stream; stream = stream->next)
            if (stream->fiber) {
                running = true;
                fiber_cancel(stream->fiber, &PROBLEM_CANCELLED); /* answered 503, if it can be */
            }
        if (!running)
            h2_close(h2);
    }
}

void h2_free_all(struct http_core *core)
{
    for (struct h2 *h2 = core->h2_first, *next; h2; h2 = next) {
        next = h2->next;
        for (struct h2_stream *stream = h2->streams, *other; stream; stream = other) {
            other = stream->next;
            h2_stream_forget(stream);
        }
        http2_free(h2->session);
        account_free(&http_memory, h2->out, H2_BLOCK_BYTES);
        conn_forget(&h2->conn);
        account_free(&http_memory, h2, sizeof *h2);
    }
    while (core->h2_free) {
        struct h2 *h2 = core->h2_free;
        core->h2_free = h2->next;
        account_free(&http_memory, h2, sizeof *h2);
    }
    while (core->h2_stream_free) {
        struct h2_stream *stream = core->h2_stream_free;
        core->h2_stream_free = stream->next;
        account_free(&http_memory, stream, sizeof *stream);
    }
    while (core->h2_blocks) {
        struct h2_block *block = core->h2_blocks;
        core->h2_blocks = block->next;
        account_free(&http_memory, block, H2_BLOCK_BYTES);
    }
    account_free(&http_memory, core->h2_scratch, H2_BLOCK_BYTES);
}

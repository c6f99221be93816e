/* spill.c - what a slow client has not fetched yet, in a file without a name. */
#include "http/spill.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/inject.h"
#include "http/exchange.h"

#define QUICK_NS    (5 * NS_PER_MS) /* a wait below it is no full socket: 64 KiB so are 13 MB/s */
#define AGAIN_NS    (10 * NS_PER_S) /* a request that could not spill tries no sooner again */
#define TELL_NS     (60 * NS_PER_S) /* between two lines of the log about that */
#define PIECE_BYTES 65536           /* read at once, at least */

struct spill { /* in the request's arena; used again when the same answer spills again */
    struct exchange *exchange;
    struct fiber *handler, *sender; /* sender: NULL once it ended */
    const struct log_context *who;
    int fd;                /* -1: none */
    int64_t written, sent; /* of the file */
    struct text piece;     /* holds the rest at first, then what was read; takes turns with exchange->text */
    struct iovec rest[SPILL_REST_MAX];
    int rest_count;
    bool idle;    /* the sender has nothing to send */
    bool last;    /* nothing is added any more */
    bool stopped; /* nothing is to be sent any more */
    struct signal more, ended;
};

enum cause { CAUSE_ANSWER_MAX, CAUSE_TOTAL_MAX, CAUSE_FOLDER, CAUSE_DISK, CAUSE_MEMORY, CAUSE_BUSY, CAUSES };
static const char *const cause_names[CAUSES] = {
    [CAUSE_ANSWER_MAX] = "answer_max", [CAUSE_TOTAL_MAX] = "total_max",
    [CAUSE_FOLDER] = "folder",         [CAUSE_DISK] = "disk",
    [CAUSE_MEMORY] = "memory",         [CAUSE_BUSY] = "busy",
};
static struct metric_series *refused_series[CAUSES];

void http_spill_metrics_open(void)
{
    for (int i = 0; i < CAUSES; i++) {
        char labels[64];
        snprintf(labels, sizeof labels, "cause=\"%s\"", cause_names[i]);
        refused_series[i] = metric_series_of(&http_spill_refused, labels);
    }
}

/* /tmp may be memory; /var/tmp is where what is large belongs (file-hierarchy(7)). */
const char *http_spill_folder(const char *wished)
{
    const char *usual = getenv("TMPDIR");
    return wished && *wished ? wished : usual && *usual ? usual : "/var/tmp";
}

/* ---- the file ---- */

struct file_work { /* of a helper thread */
    int fd;
    const char *folder;
    char *data;
    size_t size;
    int64_t at;
    int error; /* 0: done */
};

/* Where the file system has no files without names: one whose name is gone at once. */
static int open_named(const char *folder)
{
    char path[PATH_MAX];
    if ((size_t)snprintf(path, sizeof path, "%s/lintel-XXXXXX", folder) >= sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    const int fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        (void)unlink(path);
    return fd;
}

static void open_run(void *arg)
{
    struct file_work *work = arg;
    errno = EACCES;
    work->fd = inject("spill.open") ? -1 : open(work->folder, O_TMPFILE | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    if (work->fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR))
        work->fd = open_named(work->folder);
    work->error = work->fd < 0 ? errno : 0;
}

static void write_run(void *arg)
{
    struct file_work *work = arg;
    work->error = inject("spill.write") ? ENOSPC : 0;
    while (work->size && !work->error) {
        const ssize_t written = pwrite(work->fd, work->data, work->size, work->at);
        if (written <= 0) {
            work->error = written < 0 ? errno : ENOSPC;
            if (work->error == EINTR)
                work->error = 0;
            continue;
        }
        work->data += written;
        work->at += written;
        work->size -= (size_t)written;
    }
}

static void read_run(void *arg)
{
    struct file_work *work = arg;
    work->error = inject("spill.read") ? EIO : 0;
    while (work->size && !work->error) {
        const ssize_t got = pread(work->fd, work->data, work->size, work->at);
        if (got <= 0) {
            work->error = got < 0 ? errno : EIO; /* there is more: we wrote it */
            if (work->error == EINTR)
                work->error = 0;
            continue;
        }
        work->data += got;
        work->at += got;
        work->size -= (size_t)got;
    }
}

static void close_run(void *arg)
{
    const struct file_work *work = arg;
    close(work->fd); /* frees the blocks of a file that has no name, which may take a while */
}

/* On a helper thread, or here where none takes it: a write to the page cache is short. */
static void work_off(void (*run)(void *arg), struct file_work *work)
{
    if (offload(run, work))
        return;
    failure_clear();
    run(work);
}

static void held_add(struct http_core *core, int64_t bytes)
{
    atomic_fetch_add_explicit(&core->server->spill_held, bytes, memory_order_relaxed);
    core->spill_held += bytes;
    metric_set(&http_spill_held, core->spill_held);
}

static void spills_add(struct http_core *core, int more)
{
    core->spills += more;
    metric_set(&http_spills, core->spills);
}

/* By the handler's fiber, once the sender ended: no thread has the descriptor any more. */
static void file_close(struct spill *spill)
{
    struct http_core *core = spill->exchange->core;
    struct file_work work = { .fd = spill->fd };
    work_off(close_run, &work);
    spill->fd = -1;
    held_add(core, -spill->written);
    spills_add(core, -1);
}

/* ---- refusing ---- */

/* Counts it, and says so once in a while. error: an errno, or 0. */
static bool refuse(struct exchange *exchange, enum cause cause, int error)
{
    struct http_server *server = exchange->core->server;
    const int64_t now_ns = core_now_ns();
    exchange->spill_again_ns = now_ns + AGAIN_NS;
    if (refused_series[cause])
        metric_series_add(refused_series[cause], 1);
    int64_t next_ns = atomic_load_explicit(&server->spill_told_ns, memory_order_relaxed);
    if (now_ns >= next_ns &&
        atomic_compare_exchange_strong_explicit(&server->spill_told_ns, &next_ns, now_ns + TELL_NS,
                                                memory_order_relaxed, memory_order_relaxed))
        log_event(LOG_WARN, "spill_refused", "\"cause\":\"%s\",\"folder\":\"%s\",\"message\":\"%s\"",
                  cause_names[cause], log_string_z(server->conf.spill_folder),
                  error ? log_string_z(strerror(error)) : "a limit is reached");
    return false;
}

/* ---- the sender ---- */

static bool read_piece(struct spill *spill, struct bytes *ret_piece)
{
    const int64_t left = spill->written - spill->sent;
    const int64_t flush = spill->exchange->core->server->conf.stream_flush;
    size_t size = spill->piece.room;
    if ((int64_t)size > left)
        size = (size_t)left;
    if ((int64_t)size > flush)
        size = (size_t)flush;
    struct file_work work = { .fd = spill->fd, .data = spill->piece.data, .size = size, .at = spill->sent };
    work_off(read_run, &work);
    if (work.error) {
        log_event(LOG_ERROR, "spill_lost", "\"message\":\"%s\"", log_string_z(strerror(work.error)));
        return false;
    }
    spill->sent += (int64_t)size;
    *ret_piece = (struct bytes){ spill->piece.data, size };
    return true;
}

/* Streams that flush a little at a time have small buffers. */
static void enlarge_piece(struct spill *spill)
{
    struct arena *arena = &spill->exchange->req.arena;
    char *data = spill->piece.room >= PIECE_BYTES ? NULL : arena_alloc(arena, PIECE_BYTES);
    if (data) {
        spill->piece.data = data;
        spill->piece.room = PIECE_BYTES;
    } else if (spill->piece.room < PIECE_BYTES) {
        arena->exhausted = false; /* small reads, then */
    }
}

static bool send_all(struct spill *spill)
{
    struct exchange *exchange = spill->exchange;
    if (!exchange->wire->resume(exchange, spill->rest, spill->rest_count))
        return false;
    enlarge_piece(spill);
    for (;;) {
        struct bytes piece;
        if (spill->sent < spill->written) {
            if (!read_piece(spill, &piece) || !exchange->wire->deliver(exchange, piece))
                return false;
            continue;
        }
        if (spill->last)
            return true;
        spill->idle = true;
        signal_reset(&spill->more);
        const bool woken = signal_wait(&spill->more, "client.spill", 0);
        spill->idle = false;
        if (!woken)
            return false;
    }
}

/* The sender's fiber. What it cannot send ends the handler's work too. */
static void run(void *arg)
{
    struct spill *spill = arg;
    struct exchange *exchange = spill->exchange;
    *fiber_log_context() = *spill->who;
    if (!send_all(spill) && !spill->stopped) {
        exchange->cut = true;
        fiber_cancel(spill->handler, &PROBLEM_CANCELLED);
    }
    *fiber_log_context() = (struct log_context){ 0 }; /* its texts end with the request */
    spill->sender = NULL;
    signal_set(&spill->ended);
}

/* ---- the handler's side ---- */

int64_t http_spill_at(struct exchange *exchange, int64_t now_ns)
{
    const int64_t after_ns = exchange->core->server->conf.spill_after_ns;
    if (!after_ns)
        return 0;
    if (!exchange->full_since_ns)
        exchange->full_since_ns = now_ns;
    const int64_t at_ns = exchange->full_since_ns + after_ns;
    return at_ns > exchange->spill_again_ns ? at_ns : exchange->spill_again_ns;
}

void http_spill_waited(struct exchange *exchange, int64_t began_ns)
{
    if (core_now_ns() - began_ns < QUICK_NS)
        exchange->full_since_ns = 0;
}

/* A second buffer as large as the first, so that the handler can go on while the first is sent. */
static bool take_buffer(struct spill *spill)
{
    struct exchange *exchange = spill->exchange;
    const size_t room = exchange->text.room > PIECE_BYTES ? exchange->text.room : PIECE_BYTES;
    if (spill->piece.data)
        return true;
    char *data = arena_alloc(&exchange->req.arena, room);
    if (!data) {
        exchange->req.arena.exhausted = false; /* the answer goes on as it was */
        return false;
    }
    spill->piece = (struct text){ .data = data, .room = room, .arena = &exchange->req.arena };
    return true;
}

static bool file_open(struct spill *spill)
{
    struct exchange *exchange = spill->exchange;
    struct file_work work = { .folder = exchange->core->server->conf.spill_folder };
    if (!offload(open_run, &work)) {
        failure_clear();
        return refuse(exchange, CAUSE_BUSY, 0);
    }
    if (work.error)
        return refuse(exchange, CAUSE_FOLDER, work.error);
    spill->fd = work.fd;
    spill->written = spill->sent = 0;
    spills_add(exchange->core, 1);
    return true;
}

static bool sender_start(struct spill *spill)
{
    spill->handler = fiber_here();
    spill->who = fiber_log_context();
    spill->idle = spill->last = spill->stopped = false;
    spill->more = spill->ended = (struct signal){ 0 };
    spill->sender = fiber_start(&(struct fiber_plan){ .name = "spill", .run = run, .arg = spill });
    if (spill->sender)
        return true;
    failure_clear();
    return refuse(spill->exchange, CAUSE_BUSY, 0);
}

bool http_spill_start(struct exchange *exchange, const struct iovec *rest, int rest_count)
{
    struct http_server *server = exchange->core->server;
    if (!exchange->spill)
        exchange->spill = ARENA_NEW(&exchange->req.arena, struct spill);
    struct spill *spill = exchange->spill;
    if (!spill) {
        exchange->req.arena.exhausted = false;
        return refuse(exchange, CAUSE_MEMORY, 0);
    }
    check(!spill->sender && rest_count <= SPILL_REST_MAX);
    spill->exchange = exchange;
    if (atomic_load_explicit(&server->spill_held, memory_order_relaxed) >= server->conf.spill_total_max)
        return refuse(exchange, CAUSE_TOTAL_MAX, 0);
    if (!take_buffer(spill))
        return refuse(exchange, CAUSE_MEMORY, 0);
    if (!file_open(spill))
        return false;
    /* Meanwhile the client may have left. */
    if (exchange->gone || fiber_cancelled() || !sender_start(spill)) {
        file_close(spill);
        return false;
    }
    const struct text begun = exchange->text;
    exchange->text = spill->piece;
    spill->piece = begun;
    text_clear(&exchange->text);
    spill->rest_count = rest_count;
    if (rest_count)
        memcpy(spill->rest, rest, sizeof *rest * (size_t)rest_count);
    exchange->spilled = true;
    metric_add(&http_spill_answers, 1);
    return true;
}

/* The sender ends, if it has not yet, and the file with it. */
static void end(struct exchange *exchange)
{
    struct spill *spill = exchange->spill;
    if (!spill->ended.set) {
        spill->stopped = true;
        fiber_cancel(spill->sender, &PROBLEM_CANCELLED);
        fiber_shield(true); /* all that it waits for now is a thread */
        while (!spill->ended.set)
            (void)!signal_wait(&spill->ended, "client.spill", 0);
        fiber_shield(false);
    }
    file_close(spill);
    exchange->spilled = false;
    exchange->full_since_ns = 0;
}

/* Until the client has all that was spilled: then the wire is the handler's again. */
static bool leave(struct exchange *exchange)
{
    struct spill *spill = exchange->spill;
    spill->last = true;
    signal_set(&spill->more);
    const bool waited = signal_wait(&spill->ended, "client.spill", 0);
    end(exchange);
    if (!waited)
        return false;
    return exchange->gone || exchange->cut ? fail(&PROBLEM_CANCELLED, "the connection is gone") : true;
}

/* Appends to the file. False: it cannot. */
static bool add(struct spill *spill, struct bytes data)
{
    struct exchange *exchange = spill->exchange;
    struct http_server *server = exchange->core->server;
    const int64_t size = (int64_t)data.size;
    if (spill->written + size > server->conf.spill_answer_max)
        return refuse(exchange, CAUSE_ANSWER_MAX, 0);
    held_add(exchange->core, size); /* before it is asked: other cores spill too */
    if (atomic_load_explicit(&server->spill_held, memory_order_relaxed) > server->conf.spill_total_max) {
        held_add(exchange->core, -size);
        return refuse(exchange, CAUSE_TOTAL_MAX, 0);
    }
    struct file_work work = {
        .fd = spill->fd, .data = (char *)data.data, .size = data.size, .at = spill->written
    };
    work_off(write_run, &work);
    if (work.error) {
        held_add(exchange->core, -size);
        return refuse(exchange, CAUSE_DISK, work.error);
    }
    spill->written += size;
    metric_add(&http_spilled, size);
    signal_set(&spill->more);
    return true;
}

bool http_spill_flush(struct exchange *exchange)
{
    struct spill *spill = exchange->spill;
    struct text *text = &exchange->text;
    if (exchange->gone || exchange->cut)
        return fail(&PROBLEM_CANCELLED, "the connection is gone");
    if (!text->size)
        return true;
    if (spill->idle || spill->ended.set || !add(spill, text_bytes(text)))
        return leave(exchange) && exchange->wire->flush(exchange);
    exchange->stream_sent += (int64_t)text->size;
    text_clear(text);
    return true;
}

void http_spill_finish(struct exchange *exchange)
{
    if (exchange->cut || exchange->gone) {
        end(exchange);
        return;
    }
    answer_coder_end(exchange);
    fiber_deadline_set(0);
    if (!leave(exchange))
        exchange->cut = true;
}

#include "app/ctl.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/modules.h"
#include "app/supervised.h"
#include "base/clock.h"
#include "base/inject.h"
#include "kit/ctl.h"
#include "net/conn.h"
#include "net/listen.h"
#include "wire/json.h"
#include "wire/json_write.h"

#define CTL_ASKERS_MAX  16 /* at once; further ones are hung up on */
#define CTL_READ_NS     (5 * NS_PER_S)
#define CTL_QUESTION_NS (120 * NS_PER_S)
#define CTL_ARENA_BYTES (64 << 20)

struct ctl {
    struct house *house;
    struct listen_socket socket;
    struct acceptor acceptor;
    int askers;
};

struct asker {
    struct conn conn;
    struct ctl *ctl;
    bool done;
};

/* ---- a question ---- */

static void see_nothing(struct conn *conn)
{
    conn_watch(conn, 0);
}
static void see_broken(struct conn *conn)
{
    (void)conn; /* the fiber finds out */
}
static void asker_closed(struct conn *conn)
{
    struct asker *asker = container_of(conn, struct asker, conn);
    asker->ctl->askers--;
    free(asker);
}
static const struct conn_events asker_events = { .readable = see_nothing,
                                                 .broken = see_broken,
                                                 .closed = asker_closed };

static bool read_question(struct asker *asker, struct text *line)
{
    const int64_t late_ns = core_now_ns() + CTL_READ_NS;
    for (;;) {
        if (!text_room(line, 1024))
            return fail(&PROBLEM_TOO_LARGE, "a question has at most %d bytes", CTL_QUESTION_BYTES_MAX);
        const ssize_t got = conn_read(&asker->conn, line->data + line->size, line->room - line->size);
        if (got == CONN_AGAIN) {
            if (!conn_wait(&asker->conn, CONN_READ, "ctl.question", late_ns))
                return false;
            continue;
        }
        if (got <= 0)
            return fail(&PROBLEM_CANCELLED, "the asker is gone");
        line->size += (size_t)got;
        if (line->data[line->size - 1] == '\n') {
            line->size--;
            return true;
        }
    }
}

static bool read_words(struct bytes line, struct arena *arena, const char **words, int *ret_count)
{
    struct json_doc doc;
    struct json_error error;
    if (!json_parse(line, NULL, arena, &doc, &error))
        return fail(&PROBLEM_CONFIG, "the question is no JSON: %s", error.message);
    const struct json_node *argv = json_get(&doc, json_root(&doc), BYTES("argv"));
    if (!argv || json_type(argv) != JSON_ARRAY || json_count(argv) < 1 || json_count(argv) > CTL_WORDS_MAX)
        return fail(&PROBLEM_CONFIG, "a question is {\"argv\":[…]} with 1 to %d words", CTL_WORDS_MAX);
    int count = 0;
    for (const struct json_node *word = json_first(argv); word; word = json_next(word)) {
        if (json_type(word) != JSON_STRING || json_has_nul(word))
            return fail(&PROBLEM_CONFIG, "a question's words are texts");
        words[count++] = arena_copy(arena, json_string(&doc, word, arena));
    }
    *ret_count = count;
    return true;
}

static const struct ctl_verb *verb_in(const struct ctl_verb *verbs, const char *name)
{
    for (; verbs && verbs->name; verbs++)
        if (strcmp(verbs->name, name) == 0)
            return verbs;
    return NULL;
}

static const struct ctl_verb *verb_find(struct house *house, const char *name, void **ret_room)
{
    *ret_room = house;
    const struct ctl_verb *found = verb_in(house_verbs, name);
    for (int i = 0; modules[i] && !found; i++) {
        found = verb_in(modules[i]->ctl, name);
        *ret_room = house->rooms[i];
    }
    return found;
}

static bool answer(struct asker *asker, struct arena *arena, struct text *out)
{
    struct text line;
    text_init(&line, arena, 1024);
    line.ceiling_bytes = CTL_QUESTION_BYTES_MAX;
    const char *words[CTL_WORDS_MAX + 1] = { 0 };
    int count = 0;
    void *room = NULL;
    if (!read_question(asker, &line) || !read_words(text_bytes(&line), arena, words, &count))
        return false;
    const struct ctl_verb *verb = verb_find(asker->ctl->house, words[0], &room);
    if (!verb)
        return fail(&PROBLEM_CONFIG, "there is no verb `%s`; `lintel ctl --help` lists them", words[0]);
    log_event(LOG_INFO, "ctl", "\"verb\":\"%s\"", log_string_z(verb->name));
    text_lit(out, "{\"data\":");
    if (!verb->run(room, count, words, out))
        return false;
    text_lit(out, "}\n");
    return text_ok(out) ||
           fail(&PROBLEM_TOO_LARGE, "the answer is larger than %d MiB", CTL_ANSWER_BYTES_MAX >> 20);
}

static void asker_run(void *arg)
{
    struct asker *asker = arg;
    struct arena arena;
    arena_init(&arena, CTL_ARENA_BYTES);
    struct text out;
    text_init(&out, &arena, 4096);
    out.ceiling_bytes = CTL_ANSWER_BYTES_MAX;
    if (!answer(asker, &arena, &out)) {
        const struct failure *failure = failure_here;
        text_clear(&out);
        text_lit(&out, "{\"error_code\":");
        json_write_string(&out, bytes_of(failure->problem ? failure->problem->code : "internal"));
        text_lit(&out, ",\"message\":");
        json_write_string(&out, bytes_of(failure->message));
        text_lit(&out, "}\n");
        failure_clear();
    }
    struct iovec part = { out.data, out.size };
    if (text_ok(&out) && !conn_write_all(&asker->conn, &part, 1, core_now_ns() + CTL_READ_NS))
        failure_clear();
    conn_close(&asker->conn);
    arena_done(&arena);
}

/* ---- asking ---- */

/* Root and the server's own user may ask; the socket's mode keeps others out already. */
static bool may_ask(int fd)
{
    struct ucred peer = { 0 };
    socklen_t size = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
           (peer.uid == 0 || peer.uid == geteuid());
}

static void accepted(void *owner, int fd, const struct sockaddr_storage *peer)
{
    struct ctl *ctl = owner;
    (void)peer;
    inject_spared = true; /* points are armed through this door */
    struct asker *asker = ctl->askers < CTL_ASKERS_MAX && may_ask(fd) ? calloc(1, sizeof *asker) : NULL;
    if (!asker || !conn_open(&asker->conn, fd, &asker_events)) {
        free(asker);
        close(fd);
        inject_spared = false;
        return;
    }
    asker->ctl = ctl;
    ctl->askers++;
    conn_watch(&asker->conn, 0);
    const struct fiber_plan plan = { .name = "ctl",
                                     .run = asker_run,
                                     .arg = asker,
                                     .deadline_ns = core_now_ns() + CTL_QUESTION_NS,
                                     .spared = true };
    if (!fiber_start(&plan)) {
        failure_clear();
        conn_close(&asker->conn);
    }
    inject_spared = false;
}

/* The socket's folder: ours, and closed to others where it lies in a place for all. */
static bool folder_make(const char *path)
{
    char folder[CTL_PATH_BYTES];
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (!slash || slash == folder)
        return true;
    *slash = '\0';
    if (mkdir(folder, 0700) != 0 && errno != EEXIST)
        return false;
    struct stat info;
    return lstat(folder, &info) == 0 && S_ISDIR(info.st_mode) && access(folder, W_OK | X_OK) == 0 &&
           (strncmp(path, "/tmp/", 5) != 0 || (info.st_uid == geteuid() && (info.st_mode & 077) == 0));
}

static bool open_at(const char *path, struct listen_socket *socket)
{
    char address[CTL_PATH_BYTES + 8];
    snprintf(address, sizeof address, "unix:%s", path);
    if (!folder_make(path)) /* before the mask, which would leave a folder that only root can enter */
        return false;
    const mode_t before = umask(0177);
    const bool opened = listen_open(address, socket);
    (void)umask(before);
    return opened;
}

bool ctl_socket_open(const char *folder, struct listen_socket *ret_socket)
{
    char paths[CTL_PATHS][CTL_PATH_BYTES];
    const int count = ctl_paths(folder, (unsigned)geteuid(), paths);
    for (int i = 0; i < count; i++)
        if (open_at(paths[i], ret_socket)) {
            failure_clear();
            log_event(LOG_INFO, "ctl_open", "\"socket\":\"%s\"", log_string_z(paths[i]));
            return true;
        }
    log_event(LOG_WARN, "ctl_closed", "\"message\":\"%s\"",
              log_string_z(failure_here && failure_here->message[0] ? failure_here->message
                                                                    : "no place for its socket"));
    failure_clear();
    return false;
}

struct ctl *ctl_open(struct house *house)
{
    struct ctl *ctl = calloc(1, sizeof *ctl);
    check(ctl != NULL);
    ctl->house = house;
    const struct doors *doors = &supervised_inheritance()->doors;
    const int held = doors_fd(doors, DOORS_CTL);
    const bool opened = held           ? listen_adopt(held, "unix:ctl", &ctl->socket)
                        : doors->count ? false /* there was no place when they were opened */
                                       : ctl_socket_open(house->conf->folder, &ctl->socket);
    if (opened && acceptor_open(&ctl->acceptor, &ctl->socket, accepted, ctl))
        return ctl;
    if (opened)
        listen_close(&ctl->socket);
    failure_clear();
    free(ctl);
    return NULL;
}

void ctl_close(struct ctl *ctl)
{
    if (!ctl)
        return;
    acceptor_close(&ctl->acceptor);
    listen_close(&ctl->socket);
}

void ctl_free(struct ctl *ctl)
{
    free(ctl);
}

void ctl_each(void (*see)(const struct ctl_verb *verb, void *arg), void *arg)
{
    for (const struct ctl_verb *verb = house_verbs; verb->name; verb++)
        see(verb, arg);
    for (int i = 0; modules[i]; i++)
        for (const struct ctl_verb *verb = modules[i]->ctl; verb && verb->name; verb++)
            see(verb, arg);
}

#include "kit/ctl.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/problem.h"
#include "base/text.h"
#include "wire/json.h"
#include "wire/json_write.h"

int ctl_paths(const char *folder, unsigned uid, char ret_paths[static CTL_PATHS][CTL_PATH_BYTES])
{
    const char *named = getenv("LINTEL_CTL");
    if (named && *named) {
        snprintf(ret_paths[0], CTL_PATH_BYTES, "%s", named);
        return strlen(named) < CTL_PATH_BYTES ? 1 : 0;
    }
    const unsigned long hash = (unsigned long)bytes_hash(bytes_of(folder));
    int count = 0;
    if (strlen(folder) + strlen("/.lintel/ctl.sock") < CTL_PATH_BYTES)
        snprintf(ret_paths[count++], CTL_PATH_BYTES, "%s/.lintel/ctl.sock", folder);
    snprintf(ret_paths[count++], CTL_PATH_BYTES, "/run/lintel/%016lx.sock", hash);
    snprintf(ret_paths[count++], CTL_PATH_BYTES, "/tmp/lintel-%u-%016lx/ctl.sock", uid, hash);
    return count;
}

/* ---- the asking side ---- */

/* Whoever answers must be root, we, or the folder's owner: anybody can make a socket in /tmp. */
static bool is_trusted(int fd, unsigned owner)
{
    struct ucred peer = { 0 };
    socklen_t size = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
           (peer.uid == 0 || peer.uid == geteuid() || peer.uid == owner);
}

static int connect_to(const char *path, unsigned owner)
{
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    snprintf(name.sun_path, sizeof name.sun_path, "%s", path);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&name, sizeof name) == 0 && is_trusted(fd, owner))
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static int connect_any(const char *folder)
{
    struct stat info = { 0 };
    if (stat(folder, &info) != 0)
        return -1;
    const unsigned uids[] = { (unsigned)geteuid(), (unsigned)info.st_uid, 0 };
    for (size_t i = 0; i < sizeof uids / sizeof *uids; i++) {
        char paths[CTL_PATHS][CTL_PATH_BYTES];
        const int count = ctl_paths(folder, uids[i], paths);
        for (int k = 0; k < count; k++) {
            const int fd = connect_to(paths[k], (unsigned)info.st_uid);
            if (fd >= 0)
                return fd;
        }
    }
    return -1;
}

static bool write_question(int fd, int argc, const char *const *argv)
{
    struct text text;
    text_init_heap(&text, CTL_QUESTION_BYTES_MAX);
    text_lit(&text, "{\"argv\":[");
    for (int i = 0; i < argc; i++) {
        if (i)
            text_byte(&text, ',');
        json_write_string(&text, bytes_of(argv[i]));
    }
    text_lit(&text, "]}\n");
    bool sent = text_ok(&text);
    for (size_t at = 0; sent && at < text.size;) {
        const ssize_t put = send(fd, text.data + at, text.size - at, MSG_NOSIGNAL);
        if (put > 0)
            at += (size_t)put;
        else
            sent = put < 0 && errno == EINTR;
    }
    text_done(&text);
    return sent || fail(&PROBLEM_ENVIRONMENT, "the question could not be sent to the server");
}

/* Up to the line break, which stays away. */
static bool read_line(int fd, int64_t late_ns, struct text *line)
{
    for (;;) {
        struct pollfd waiting = { .fd = fd, .events = POLLIN };
        const int64_t left_ms = (late_ns - clock_now_ns()) / NS_PER_MS;
        if (left_ms <= 0)
            return fail(&PROBLEM_ENVIRONMENT, "the server did not answer in time");
        if (poll(&waiting, 1, left_ms > 1000 ? 1000 : (int)left_ms) <= 0)
            continue;
        if (!text_room(line, 4096))
            return fail(&PROBLEM_ENVIRONMENT, "the server's answer is larger than %d MiB",
                        CTL_ANSWER_BYTES_MAX >> 20);
        const ssize_t got = recv(fd, line->data + line->size, line->room - line->size, 0);
        if (got < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (got <= 0)
            return fail(&PROBLEM_ENVIRONMENT, "the server hung up without an answer");
        line->size += (size_t)got;
        if (line->data[line->size - 1] == '\n') {
            line->size--;
            return true;
        }
    }
}

static bool take_answer(struct bytes line, struct arena *arena, struct bytes *ret_answer)
{
    struct json_doc doc;
    struct json_error error;
    const struct json_limits limits = { .bytes_max = CTL_ANSWER_BYTES_MAX };
    if (!json_parse(line, &limits, arena, &doc, &error))
        return fail(&PROBLEM_ENVIRONMENT, "the server's answer cannot be read: %s", error.message);
    const struct json_node *data = json_get(&doc, json_root(&doc), BYTES("data"));
    if (data) {
        *ret_answer = json_raw(&doc, data);
        return true;
    }
    const struct json_node *message = json_get(&doc, json_root(&doc), BYTES("message"));
    if (!message || json_type(message) != JSON_STRING)
        return fail(&PROBLEM_ENVIRONMENT, "the server's answer has no data");
    return fail(&PROBLEM_CONFIG, "%.*s", BYTES_ARG(json_string(&doc, message, arena)));
}

bool ctl_ask(const char *folder, int argc, const char *const *argv, int64_t timeout_ns, struct arena *arena,
             struct bytes *ret_answer)
{
    char whole[4096];
    if (argc < 1 || argc > CTL_WORDS_MAX)
        return fail(&PROBLEM_CONFIG, "a question has 1 to %d words", CTL_WORDS_MAX);
    if (!realpath(folder, whole))
        return fail(&PROBLEM_ENVIRONMENT, "%s: no such folder", folder);
    const int fd = connect_any(whole);
    if (fd < 0)
        return fail(&PROBLEM_ENVIRONMENT,
                    "no server of %s answers here: start one with `lintel serve %s` (its socket is named in "
                    "the log line `ctl_open`; LINTEL_CTL names another)",
                    folder, folder);
    struct text line;
    text_init(&line, arena, 4096);
    line.ceiling_bytes = CTL_ANSWER_BYTES_MAX;
    const bool asked = write_question(fd, argc, argv) && read_line(fd, clock_now_ns() + timeout_ns, &line);
    close(fd);
    return asked && take_answer(text_bytes(&line), arena, ret_answer);
}

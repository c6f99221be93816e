#pragma once
/* ctl.h - speaking to the running server of an app folder, over a unix socket with peer credentials.
 *
 *   {"argv":["pool","set","max","20"]}\n  ──▶  server  ──▶  {"data":…}\n  or
 * {"error_code":"…","message":"…"}\n
 *
 * A unix socket and not loopback HTTP: no browser can be tricked into speaking to it (DNS rebinding), and the
 * kernel says who asks. One question a connection. The answer of a verb is one JSON value. */
#include "base/arena.h"
#include "base/bytes.h"
#include "base/check.h"

#define CTL_QUESTION_BYTES_MAX 65536
#define CTL_ANSWER_BYTES_MAX   (16 << 20)
#define CTL_WORDS_MAX          32
#define CTL_PATHS              3
#define CTL_PATH_BYTES         108 /* sockaddr_un */

/* Where the socket may lie, best first: LINTEL_CTL alone if that is set; else FOLDER/.lintel/ctl.sock,
 * /run/lintel/HASH.sock, /tmp/lintel-UID-HASH/ctl.sock. uid: the server's. Returns how many. */
int ctl_paths(const char *folder, unsigned uid, char ret_paths[static CTL_PATHS][CTL_PATH_BYTES]);

/* Asks the server of that folder and waits, at most timeout_ns. Blocks: for commands, never in the server.
 * Errors: false; PROBLEM_ENVIRONMENT when no server answers there, else the server's own refusal with its
 * message (PROBLEM_CONFIG). Owner: *ret_answer, the JSON value of `data`, lies in the arena. */
bool ctl_ask(const char *folder, int argc, const char *const *argv, int64_t timeout_ns, struct arena *arena,
             struct bytes *ret_answer) MUST_CHECK;

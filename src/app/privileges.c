#include "app/privileges.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "app/process.h"
#include "base/log.h"

#define FOLDER_DEPTH_MAX 8

void privileges_raise_limits(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == files.rlim_max)
        return;
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files);
}

/* ---- may that user read the app? asked with its effective ids, so it can be taken back ---- */

/* Writes the first path that cannot be read. The cursor key and .lintel are read, or made, before. */
static bool readable(const char *path, const char *read_before, int depth, char unreadable[static PATH_MAX])
{
    struct stat info;
    const bool known = stat(path, &info) == 0;
    const bool folder = known && S_ISDIR(info.st_mode);
    if (!known || faccessat(AT_FDCWD, path, folder ? R_OK | X_OK : R_OK, AT_EACCESS) != 0) {
        snprintf(unreadable, PATH_MAX, "%s", path);
        return false;
    }
    if (!folder || depth == FOLDER_DEPTH_MAX)
        return true;
    DIR *dir = opendir(path);
    bool all = dir != NULL;
    for (const struct dirent *entry; all && (entry = readdir(dir)) != NULL;) {
        char below[PATH_MAX];
        if (entry->d_name[0] == '.' || strcmp(entry->d_name, read_before) == 0)
            continue;
        snprintf(below, sizeof below, "%s/%s", path, entry->d_name);
        all = readable(below, read_before, depth + 1, unreadable);
    }
    if (dir)
        closedir(dir);
    return all;
}

static bool user_can_read(const struct passwd *user, const struct app_conf *conf,
                          char unreadable[static PATH_MAX])
{
    gid_t groups[256];
    const int count = getgroups((int)array_count(groups), groups);
    if (initgroups(user->pw_name, user->pw_gid) != 0 || setegid(user->pw_gid) != 0 ||
        seteuid(user->pw_uid) != 0)
        return false;
    const bool can = readable(conf->folder, conf->secrets, 0, unreadable);
    check(seteuid(0) == 0 && setegid(0) == 0 && setgroups(count < 0 ? 0 : (size_t)count, groups) == 0);
    return can;
}

/* ---- giving up ---- */

static bool become(const struct passwd *user)
{
    if (initgroups(user->pw_name, user->pw_gid) != 0 ||
        setresgid(user->pw_gid, user->pw_gid, user->pw_gid) != 0 ||
        setresuid(user->pw_uid, user->pw_uid, user->pw_uid) != 0)
        return fail(&PROBLEM_ENVIRONMENT, "cannot become the user %s: %s", user->pw_name, strerror(errno));
    if (user->pw_uid != 0 && (setuid(0) == 0 || seteuid(0) == 0))
        return fail(&PROBLEM_ENVIRONMENT, "root could be had back after becoming %s", user->pw_name);
    return true;
}

/* Nothing that a server does after its start needs one; root's files stay reachable only to root. */
static void drop_capabilities(void)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct none[2] = { 0 };
    if (geteuid() == 0) { /* reading the app's files, whoever owns them */
        const uint32_t kept =
            1u << CAP_DAC_OVERRIDE | 1u << CAP_DAC_READ_SEARCH | 1u << CAP_CHOWN | 1u << CAP_FOWNER;
        none[0].effective = none[0].permitted = kept;
    }
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    (void)syscall(SYS_capset, &header, none);
}

static bool change_user(const struct app_conf *conf, const char *name)
{
    char unreadable[PATH_MAX] = "";
    errno = 0;
    const struct passwd *user = getpwnam(name);
    if (!user && strcmp(name, "lintel") != 0)
        return fail(&PROBLEM_CONFIG, "process.user: there is no account %s on this machine", name);
    if (!user) {
        log_event(LOG_WARN, "running_as_root",
                  "\"message\":\"there is no account lintel: useradd --system lintel, or name another as "
                  "process.user\"");
        return true;
    }
    if (user->pw_uid == 0 || user_can_read(user, conf, unreadable))
        return become(user);
    log_event(
        LOG_WARN, "running_as_root",
        "\"message\":\"the user %s cannot read %s: chgrp -R %s and chmod -R g+rX the app folder, and let "
        "it enter the folders above\"",
        log_string_z(name), log_string_z(unreadable), log_string_z(name));
    return true;
}

static char user_name[64];

/* Here and not when it is asked for: the name service wants more stack than a fiber has. */
static void note_user(void)
{
    const struct passwd *user = getpwuid(geteuid());
    if (user)
        snprintf(user_name, sizeof user_name, "%s", user->pw_name);
    else
        snprintf(user_name, sizeof user_name, "%u", (unsigned)geteuid());
}

bool privileges_drop(const struct app_conf *conf)
{
    const struct process_conf *process = config_section(conf, "process");
    for (int capability = 0; capability <= CAP_LAST_CAP; capability++) /* root alone may */
        (void)prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
    if (geteuid() == 0 && process->user[0] && !change_user(conf, process->user))
        return false;
    note_user();
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    drop_capabilities();
    if (!SANITIZED) /* LeakSanitizer looks into the process it is part of */
        (void)prctl(PR_SET_DUMPABLE, process->core_dumps, 0, 0, 0);
    return true;
}

const char *privileges_user(void)
{
    return user_name;
}

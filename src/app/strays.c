#include "app/strays.h"

#include <dirent.h>
#include <strings.h>
#include <sys/stat.h>

/* Endings that mean a declaration to people, whether or not they are read in that folder. */
static const char *const endings[] = { ".yaml", ".yml", ".json", ".sql", NULL };

static const struct {
    const char *name, *misspelt; /* the folder, and what else it is called */
    const char *read[3];
} folders[] = {
    { "resources", "resource", { ".yaml" } },
    { "schemas", "schema", { ".yaml", ".json" } },
    { "queries", "query", { ".sql" } },
};

static bool ends_so(const char *name, const char *const *list, bool in_any_case)
{
    const size_t size = strlen(name);
    for (; *list; list++) {
        const size_t more = strlen(*list);
        if (size > more && (in_any_case ? strcasecmp : strcmp)(name + size - more, *list) == 0)
            return true;
    }
    return false;
}

static void files_check(const char *path, size_t folder, struct diagnostics *diagnostics)
{
    DIR *dir = opendir(path);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        const char *name = entry->d_name;
        if (name[0] == '.' || !ends_so(name, endings, true) || ends_so(name, folders[folder].read, false))
            continue;
        const char *file = arena_printf(diagnostics->arena, "%s/%s", folders[folder].name, name);
        diagnostics_warning(diagnostics, (struct source_place){ file ? file : "", 0, 0 },
                            "is not read: the files of %s end in %s", folders[folder].name,
                            folders[folder].read[0]);
    }
    if (dir)
        closedir(dir);
}

void strays_check(const struct app_conf *conf, struct diagnostics *diagnostics)
{
    char path[4096];
    struct stat stat_;
    for (size_t i = 0; i < array_count(folders); i++) {
        snprintf(path, sizeof path, "%s/%s", conf->folder, folders[i].name);
        files_check(path, i, diagnostics);
        snprintf(path, sizeof path, "%s/%s", conf->folder, folders[i].misspelt);
        if (stat(path, &stat_) != 0 || !S_ISDIR(stat_.st_mode))
            continue;
        diagnostics_warning(diagnostics, (struct source_place){ folders[i].misspelt, 0, 0 },
                            "this folder is not read");
        diagnostics_fix(diagnostics, "it is called %s", folders[i].name);
    }
}

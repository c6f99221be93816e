#include "app/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/inject.h"

#define FILES_MAX      10000
#define FILE_BYTES_MAX (1 << 20)

bool file_read(struct arena *arena, const char *path, size_t bytes_max, struct bytes *ret_text)
{
    const int fd = inject("file.read") ? (errno = EIO, -1) : open(path, O_RDONLY | O_CLOEXEC);
    struct stat stat;
    if (fd < 0 || fstat(fd, &stat) != 0) {
        const int error = errno;
        if (fd >= 0)
            close(fd);
        return fail(&PROBLEM_ENVIRONMENT, "%s: cannot be read: %s", path, strerror(error));
    }
    char *data = NULL;
    size_t size = 0;
    const bool sized = S_ISREG(stat.st_mode) && (size_t)stat.st_size <= bytes_max;
    if (sized && (data = arena_alloc(arena, (size_t)stat.st_size + 1))) {
        ssize_t got;
        while (size < (size_t)stat.st_size && (got = read(fd, data + size, (size_t)stat.st_size - size)) > 0)
            size += (size_t)got;
        data[size] = '\0';
    }
    close(fd);
    if (!data)
        return fail(&PROBLEM_CONFIG, "%s: is not a plain file of at most %zu bytes", path, bytes_max);
    *ret_text = (struct bytes){ data, size };
    return true;
}

static int by_file(const void *a, const void *b)
{
    return bytes_compare(((const struct resource_source *)a)->file,
                         ((const struct resource_source *)b)->file);
}

bool folder_read(struct arena *arena, const char *folder, const char *subfolder, const char *suffix,
                 struct folder_files *ret_files)
{
    *ret_files = (struct folder_files){ 0 };
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, subfolder);
    DIR *dir = opendir(path);
    if (!dir)
        return errno == ENOENT ? true
                               : fail(&PROBLEM_ENVIRONMENT, "%s: cannot be read: %s", path, strerror(errno));
    struct resource_source *sources = NULL;
    int count = 0, room = 0;
    bool sound = true;
    for (struct dirent *entry; sound && (entry = readdir(dir));) {
        if (entry->d_name[0] == '.' || !bytes_ends(bytes_of(entry->d_name), bytes_of(suffix)))
            continue;
        if (count == room) {
            const int more = room ? room * 2 : 64;
            sources =
                arena_grow(arena, sources, sizeof *sources * (size_t)room, sizeof *sources * (size_t)more);
            room = more;
        }
        snprintf(path, sizeof path, "%s/%s/%s", folder, subfolder, entry->d_name);
        const char *name = arena_printf(arena, "%s/%s", subfolder, entry->d_name);
        sources[count].file = bytes_of(name);
        sound = file_read(arena, path, FILE_BYTES_MAX, &sources[count].text);
        if (++count > FILES_MAX)
            sound = fail(&PROBLEM_CONFIG, "%s: more than %d files", subfolder, FILES_MAX);
    }
    closedir(dir);
    if (!sound)
        return false;
    if (count)
        qsort(sources, (size_t)count, sizeof *sources, by_file);
    ret_files->sources = sources;
    ret_files->count = count;
    for (int i = 0; i < count; i++)
        ret_files->stamp = ret_files->stamp * 31 + bytes_hash(sources[i].file) + bytes_hash(sources[i].text);
    return true;
}

bool folder_declarations(struct arena *arena, const char *folder, struct folder_files *ret_files)
{
    static const struct {
        const char *subfolder, *suffix;
    } kinds[] = { { "resources", ".yaml" }, { "schemas", ".yaml" }, { "schemas", ".json" } };
    struct folder_files all = { 0 };
    for (size_t i = 0; i < array_count(kinds); i++) {
        struct folder_files files;
        if (!folder_read(arena, folder, kinds[i].subfolder, kinds[i].suffix, &files))
            return false;
        struct resource_source *sources =
            ARENA_ARRAY(arena, struct resource_source, (size_t)(all.count + files.count) + 1);
        for (int k = 0; sources && k < all.count + files.count; k++)
            sources[k] = k < all.count ? all.sources[k] : files.sources[k - all.count];
        all.sources = sources;
        all.count = sources ? all.count + files.count : 0;
        all.stamp = all.stamp * 31 + files.stamp;
    }
    char path[4096];
    snprintf(path, sizeof path, "%s/" APP_ERRORS_FILE, folder);
    if (all.sources && access(path, F_OK) == 0) {
        struct resource_source *errors = &all.sources[all.count++]; /* there is room for one more */
        errors->file = BYTES(APP_ERRORS_FILE);
        if (!file_read(arena, path, FILE_BYTES_MAX, &errors->text))
            return false;
        all.stamp = all.stamp * 31 + bytes_hash(errors->text);
    }
    *ret_files = all;
    return all.sources != NULL ||
           fail(&PROBLEM_TOO_LARGE, "%s: its files need more memory than they may use", folder);
}

bool folder_sources(struct arena *arena, const char *folder, const char *subfolder, const char *suffix,
                    struct resource_source **ret_sources, int *ret_count)
{
    struct folder_files files;
    *ret_count = 0;
    if (!folder_read(arena, folder, subfolder, suffix, &files))
        return false;
    *ret_sources = files.sources;
    *ret_count = files.count;
    return true;
}

static uint64_t stamp_of(const char *path)
{
    struct stat stat_;
    if (stat(path, &stat_) != 0)
        return 0;
    const int64_t facts[] = { stat_.st_mtim.tv_sec, stat_.st_mtim.tv_nsec, stat_.st_size,
                              (int64_t)stat_.st_ino };
    return bytes_hash((struct bytes){ (const char *)facts, sizeof facts }) ^ bytes_hash(bytes_of(path));
}

uint64_t folder_stamp(const char *folder, const char *const *subfolders)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/lintel.yaml", folder);
    uint64_t stamp = stamp_of(path);
    snprintf(path, sizeof path, "%s/" APP_ERRORS_FILE, folder);
    stamp += stamp_of(path);
    for (; *subfolders; subfolders++) {
        snprintf(path, sizeof path, "%s/%s", folder, *subfolders);
        DIR *dir = opendir(path);
        for (struct dirent *entry; dir && (entry = readdir(dir));) {
            if (entry->d_name[0] == '.')
                continue;
            snprintf(path, sizeof path, "%s/%s/%s", folder, *subfolders, entry->d_name);
            stamp += stamp_of(path); /* a sum: the order of a folder's entries is not stable */
        }
        if (dir)
            closedir(dir);
    }
    return stamp;
}

bool file_write_new(const char *path, struct bytes text, int mode)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0)
        return fail(&PROBLEM_ENVIRONMENT, "%s: cannot be created: %s", path, strerror(errno));
    const bool written = write(fd, text.data, text.size) == (ssize_t)text.size;
    const int error = errno;
    if (close(fd) != 0 || !written)
        return fail(&PROBLEM_ENVIRONMENT, "%s: cannot be written: %s", path, strerror(error));
    return true;
}

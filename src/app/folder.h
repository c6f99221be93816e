#pragma once
/* folder.h - the app folder's files as text, in a stable order. */
#include "base/arena.h"
#include "model/resource.h"

struct folder_files {
    struct resource_source *sources; /* file: relative path, "resources/products.yaml" */
    int count;
    uint64_t stamp; /* hash over names, sizes, times: equal = nothing changed */
};

/* Reads every file of DIR/SUBFOLDER that ends in SUFFIX (not hidden; <= 1 MiB each, <= 10,000 files), sorted
 * by name. A missing subfolder is empty. Errors: false with PROBLEM_CONFIG naming the file and the cause. */
bool folder_read(struct arena *arena, const char *folder, const char *subfolder, const char *suffix,
                 struct folder_files *ret_files);
/* The files that a set of resources is made of: the .yaml of resources/, the .yaml and .json of schemas/, and
 * errors.yaml.
 * Errors: as folder_read(). */
bool folder_declarations(struct arena *arena, const char *folder, struct folder_files *ret_files);
/* The stamp alone, without reading contents. */
uint64_t folder_stamp(const char *folder, const char *const *subfolders);
/* One file whole, NUL-terminated. Errors: false with PROBLEM_CONFIG. */
bool file_read(struct arena *arena, const char *path, size_t bytes_max, struct bytes *ret_text);
/* Writes a new file; refuses to replace one. mode: 0644 or 0600. Errors: false with PROBLEM_ENVIRONMENT. */
bool file_write_new(const char *path, struct bytes text, int mode);
/* folder_read() as modules see it (struct load). */
bool folder_sources(struct arena *arena, const char *folder, const char *subfolder, const char *suffix,
                    struct resource_source **ret_sources, int *ret_count);

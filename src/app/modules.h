#pragma once
/* modules.h - the ordered list of modules: the path of a request is this list, first by stage, then by line.
 */
struct module;
extern const struct module *const modules[]; /* NULL-terminated */

#include "features/openapi/catalogue.h"

#include "http/req.h"
#include "wire/json_write.h"

static void member(struct text *text, const char *name, struct bytes value)
{
    text_printf(text, ",\"%s\":", name);
    json_write_string(text, value);
}

/* deprecated: the app's version since which it is; data NULL: it is not. */
static void entry_write(struct text *text, const struct problem *problem, struct bytes deprecated,
                        struct bytes replaced_by)
{
    struct bytes rest = bytes_of(problem->code);
    text_lit(text, "{\"code\":");
    json_write_string(text, rest);
    member(text, "class", bytes_cut(&rest, '.'));
    text_printf(text, ",\"status\":%d,\"retryable\":%s", problem->status,
                problem->retryable ? "true" : "false");
    member(text, "title", bytes_of(problem->title));
    member(text, "description", bytes_of(problem->doc));
    member(text, "since", bytes_of(problem->since));
    text_printf(text, ",\"deprecated\":%s", deprecated.size ? "true" : "false");
    if (deprecated.size)
        member(text, "deprecated_since", deprecated);
    if (replaced_by.size)
        member(text, "replaced_by", replaced_by);
    else
        text_lit(text, ",\"replaced_by\":null");
    text_byte(text, '}');
}

/* Every code, until `see` says that it has seen enough. */
struct walk {
    struct text *text;
    struct bytes wanted; /* data NULL: all */
    int count;
};
static void see(struct walk *walk, const struct problem *problem, struct bytes deprecated,
                struct bytes replaced_by)
{
    if (walk->wanted.data && !bytes_is(walk->wanted, problem->code))
        return;
    text_add_z(walk->text, walk->count++ ? "," : "");
    entry_write(walk->text, problem, deprecated, replaced_by);
}

static void each(struct walk *walk, const struct kit *kit, const struct resource_set *set)
{
    for (const struct module *const *module = kit->modules; *module; module++)
        for (const struct problem *const *at = (*module)->problems; at && *at; at++)
            see(walk, *at, (struct bytes){ 0 }, (struct bytes){ 0 });
    for (int i = 0; set && i < set->errors.count; i++)
        see(walk, &set->errors.items[i].problem, set->errors.items[i].deprecated,
            set->errors.items[i].replaced_by);
}

void catalogue_write(struct text *text, const struct kit *kit, const struct resource_set *set)
{
    struct walk walk = { .text = text };
    text_lit(text, "{\"problems\":[");
    each(&walk, kit, set);
    text_lit(text, "]}\n");
}

bool catalogue_entry(struct req *req, const struct kit *kit, const struct resource_set *set)
{
    struct walk walk = { .text = answer_text(req), .wanted = req_param(req, "code") };
    each(&walk, kit, set);
    if (!walk.count)
        return fail(&PROBLEM_NOT_FOUND, "there is no such code; all of them are at /errors");
    text_byte(walk.text, '\n');
    return true;
}

/* Which resources a resource can show inside itself. Every foreign key between two exposed resources gives
 * two embeds (the row it points to, the rows that point here), and a table whose primary key is just two
 * foreign keys a third kind, through it. A file may name, restrict and add; what is not exposed is not
 * reached by any of them. */
#include "model/resource_internal.h"

struct candidate {
    struct embed embed; /* without its name */
    struct draft *target;
    bool taken; /* a declared embed is this one */
};

struct candidates {
    struct candidate items[RESOURCE_EMBEDS_MAX];
    int count, dropped;
};

/* ---- what is there ---- */

/* Those that show this relation, first of the list. */
static struct draft *drafts_of(struct resource_build *build, const struct relation *relation)
{
    return table_get(&build->by_relation, bytes_make((const char *)&relation->oid, sizeof relation->oid));
}

static bool is_reached(const struct draft *draft, bool many)
{
    const struct resource *resource = draft->resource;
    const unsigned needed = many ? 1u << OP_LIST : 1u << OP_LIST | 1u << OP_GET;
    return resource->relation && resource->public_access && !resource->missing.size &&
           (resource->operations & needed);
}

static bool all_readable(const struct column *const *columns, int count)
{
    for (int i = 0; i < count; i++)
        if (!columns[i] || !columns[i]->can_select)
            return false;
    return true;
}

static bool is_usable(const struct constraint *key)
{
    return key->kind == CONSTRAINT_FOREIGN && key->target && !key->period &&
           all_readable(key->columns, key->columns_count) &&
           all_readable(key->target_columns, key->columns_count);
}

static void candidate_add(struct candidates *found, struct embed embed, struct draft *target)
{
    if (!is_reached(target, embed.kind == EMBED_MANY))
        return;
    if (found->count == RESOURCE_EMBEDS_MAX) {
        found->dropped++;
        return;
    }
    embed.target = target->resource;
    found->items[found->count++] = (struct candidate){ embed, target, false };
}

static bool has_column(const struct constraint *key, const struct column *column)
{
    for (int i = 0; i < key->columns_count; i++)
        if (key->columns[i] == column)
            return true;
    return false;
}

/* The primary key is exactly the columns of both, and they share none. */
static bool is_joint(const struct constraint *near, const struct constraint *far)
{
    const struct constraint *primary = near->relation->primary;
    if (!primary || near == far || primary->columns_count != near->columns_count + far->columns_count)
        return false;
    for (int i = 0; i < primary->columns_count; i++)
        if (has_column(near, primary->columns[i]) == has_column(far, primary->columns[i]))
            return false;
    return true;
}

static void through_find(struct resource_build *build, const struct constraint *near,
                         struct candidates *found)
{
    const struct relation *join = near->relation;
    bool exposed = false;
    for (struct draft *draft = drafts_of(build, join); draft && !exposed; draft = draft->same_relation)
        exposed = is_reached(draft, true);
    for (int i = 0; exposed && i < join->constraints_count; i++) {
        const struct constraint *far = join->constraints[i];
        if (!is_usable(far) || !is_joint(near, far))
            continue;
        for (struct draft *target = drafts_of(build, far->target); target; target = target->same_relation)
            candidate_add(found, (struct embed){ .foreign = near, .far = far, .kind = EMBED_MANY }, target);
    }
}

static void candidates_find(struct resource_build *build, const struct draft *draft, struct candidates *found)
{
    const struct relation *relation = draft->resource->relation;
    found->count = found->dropped = 0;
    for (int i = 0; i < relation->constraints_count; i++) {
        const struct constraint *key = relation->constraints[i];
        if (!is_usable(key))
            continue;
        for (struct draft *target = drafts_of(build, key->target); target; target = target->same_relation)
            candidate_add(found, (struct embed){ .foreign = key, .kind = EMBED_ONE }, target);
    }
    for (int i = 0; i < relation->referenced_by_count; i++) {
        const struct constraint *key = relation->referenced_by[i];
        if (!is_usable(key))
            continue;
        for (struct draft *target = drafts_of(build, key->relation); target; target = target->same_relation)
            candidate_add(found, (struct embed){ .foreign = key, .kind = EMBED_MANY }, target);
    }
    for (int i = 0; i < relation->referenced_by_count; i++)
        if (is_usable(relation->referenced_by[i]))
            through_find(build, relation->referenced_by[i], found);
}

/* ---- names ---- */

static bool name_is_free(const struct resource *resource, struct bytes name)
{
    for (int i = 0; i < resource->embeds_count; i++)
        if (bytes_equal(resource->embeds[i].name, name))
            return false;
    return !table_get(&resource->fields_by_name, name);
}

/* customer_id, customerId, customer_fk, id_customer, customer -> customer; the constraint's name where it has
 * several columns. */
static struct bytes key_stem(const struct constraint *key)
{
    if (key->columns_count != 1)
        return key->name;
    const struct bytes name = key->columns[0]->name, head = BYTES("id_");
    static const struct bytes ends[] = { BYTES_INIT("_id"), BYTES_INIT("_ID"), BYTES_INIT("Id"),
                                         BYTES_INIT("ID"),  BYTES_INIT("_fk"), BYTES_INIT("_FK") };
    for (size_t i = 0; i < array_count(ends); i++)
        if (name.size > ends[i].size && bytes_ends(name, ends[i]))
            return bytes_first(name, name.size - ends[i].size);
    return name.size > head.size && bytes_starts(name, head) ? bytes_from(name, head.size) : name;
}

/* shop.orders is a resource's name where schemas clash; inside an object, orders says enough. */
static struct bytes short_name(const struct resource *resource)
{
    return bytes_find(resource->name, '.') < 0 ? resource->name : resource->relation->name;
}

/* How many embeds of the same sort lead to the same resource: one may be called after it, several may not. */
static int rivals(const struct candidates *found, const struct candidate *candidate)
{
    int count = 0;
    for (int i = 0; i < found->count; i++) {
        const struct candidate *other = &found->items[i];
        count += other->target == candidate->target && other->embed.kind == candidate->embed.kind &&
                 !other->embed.far == !candidate->embed.far;
    }
    return count;
}

#define NAMES_MAX 4
struct names {
    struct bytes items[NAMES_MAX];
    int count;
};

static void name_propose(struct resource_build *build, struct names *names, struct bytes head,
                         struct bytes tail)
{
    names->items[names->count++] =
        tail.size ? bytes_of(arena_printf(build->arena, "%.*s_%.*s", BYTES_ARG(head), BYTES_ARG(tail)))
                  : head;
}

/* The best first. */
static void names_propose(struct resource_build *build, const struct draft *draft,
                          const struct candidates *found, const struct candidate *candidate,
                          struct names *names)
{
    const struct embed *embed = &candidate->embed;
    const struct bytes nothing = { 0 }, target = short_name(embed->target);
    const bool alone = rivals(found, candidate) == 1, itself = candidate->target == draft;
    names->count = 0;
    if (embed->far) {
        if (alone)
            name_propose(build, names, target, nothing);
        else
            name_propose(build, names, key_stem(embed->far), nothing);
        name_propose(build, names, target,
                     bytes_of(arena_printf(build->arena, "via_%.*s", BYTES_ARG(embed->far->relation->name))));
        name_propose(build, names, target, key_stem(embed->far));
        name_propose(build, names, embed->far->name, nothing);
    } else if (embed->kind == EMBED_ONE) {
        name_propose(build, names,
                     !alone   ? key_stem(embed->foreign)
                     : itself ? BYTES("parent")
                              : target,
                     nothing);
        name_propose(build, names, key_stem(embed->foreign), nothing);
        name_propose(build, names, target, key_stem(embed->foreign));
        name_propose(build, names, embed->foreign->name, nothing);
    } else {
        if (alone)
            name_propose(build, names, itself ? BYTES("children") : target, nothing);
        name_propose(build, names, target, key_stem(embed->foreign));
        name_propose(build, names, embed->foreign->name, nothing);
    }
}

static void derived_add(struct resource_build *build, struct draft *draft, const struct candidates *found,
                        const struct candidate *candidate)
{
    struct names names;
    struct resource *resource = draft->resource;
    names_propose(build, draft, found, candidate, &names);
    for (int i = 0; i < names.count; i++)
        if (name_is_free(resource, names.items[i])) {
            struct embed *embed = &resource->embeds[resource->embeds_count++];
            *embed = candidate->embed;
            embed->name = resource_keep(build, names.items[i]);
            return;
        }
}

/* ---- what the file says ---- */

struct wish { /* name: {resource, via, kind} */
    struct bytes name, resource, via;
    const struct yaml_node *node; /* the value */
    int kind;                     /* embed_kind, -1: whichever */
};

static bool wish_read(struct resource_build *build, const struct yaml_pair *pair, struct wish *ret_wish)
{
    *ret_wish = (struct wish){ .name = pair->key->value, .node = pair->value, .kind = -1 };
    if (pair->value->kind == YAML_SCALAR && pair->value->value.size) {
        ret_wish->resource = pair->value->value;
        return true;
    }
    bool right = pair->value->kind == YAML_MAPPING;
    for (int i = 0; right && i < pair->value->count; i++) {
        const struct yaml_node *key = pair->value->pairs[i].key, *value = pair->value->pairs[i].value;
        right = value->kind == YAML_SCALAR;
        if (bytes_is(key->value, "resource"))
            ret_wish->resource = value->value;
        else if (bytes_is(key->value, "via"))
            ret_wish->via = value->value;
        else if (bytes_is(key->value, "kind") &&
                 (bytes_is(value->value, "one") || bytes_is(value->value, "many")))
            ret_wish->kind = bytes_is(value->value, "one") ? EMBED_ONE : EMBED_MANY;
        else
            right = false;
        if (!right) {
            diagnostics_error(build->diagnostics, key->place, "'%.*s' does not belong into an embed",
                              BYTES_ARG(key->value));
            diagnostics_fix(build->diagnostics,
                            "NAME: {resource: RESOURCE, via: constraint, column or join table, kind: one "
                            "or many}");
            return false;
        }
    }
    if (right && ret_wish->resource.size)
        return true;
    diagnostics_error(build->diagnostics, pair->value->place, "the embed '%.*s' needs a resource",
                      BYTES_ARG(pair->key->value));
    diagnostics_fix(build->diagnostics, "%.*s: {resource: RESOURCE}", BYTES_ARG(pair->key->value));
    return false;
}

static bool key_is_meant(const struct constraint *key, struct bytes via)
{
    return bytes_equal(key->name, via) ||
           (key->columns_count == 1 && bytes_equal(key->columns[0]->name, via));
}

static bool table_is_meant(const struct relation *relation, struct bytes via)
{
    if (bytes_equal(relation->name, via))
        return true;
    return via.size > relation->name.size && bytes_ends(via, relation->name) &&
           bytes_starts(via, relation->schema) &&
           via.size == relation->schema.size + 1 + relation->name.size &&
           via.data[relation->schema.size] == '.';
}

static bool embed_is_meant(const struct embed *embed, struct bytes via)
{
    if (!via.size || key_is_meant(embed->foreign, via))
        return true;
    return embed->far && (key_is_meant(embed->far, via) || table_is_meant(embed->far->relation, via));
}

/* A join table that is not exposed, named by the file: its rows are not shown, only what it joins. */
static void hidden_join_find(const struct draft *draft, struct draft *target, struct bytes via,
                             struct candidates *found)
{
    const struct relation *relation = draft->resource->relation;
    for (int i = 0; i < relation->referenced_by_count; i++) {
        const struct constraint *near = relation->referenced_by[i];
        const struct relation *join = near->relation;
        if (!is_usable(near) || !table_is_meant(join, via))
            continue;
        for (int k = 0; k < join->constraints_count; k++) {
            const struct constraint *far = join->constraints[k];
            if (far != near && is_usable(far) && far->target == target->resource->relation)
                candidate_add(found, (struct embed){ .foreign = near, .far = far, .kind = EMBED_MANY },
                              target);
        }
    }
}

static void say_choices(struct resource_build *build, const struct candidates *found,
                        const struct draft *target, int kind)
{
    struct text text;
    text_init(&text, &build->scratch, 0);
    for (int i = 0; i < found->count && text.size < 300; i++) {
        const struct embed *embed = &found->items[i].embed;
        if (found->items[i].target != target || (kind >= 0 && (int)embed->kind != kind))
            continue;
        text_add_z(&text, text.size ? ", " : "");
        const struct constraint *key = embed->far ? embed->far : embed->foreign;
        text_add(&text, key->columns_count == 1 ? key->columns[0]->name : key->name);
        text_add_z(&text, embed->far                 ? " (through a join table)"
                          : embed->kind == EMBED_ONE ? " (kind: one)"
                                                     : " (kind: many)");
    }
    if (text.size)
        diagnostics_fix(build->diagnostics, "via: one of %.*s", BYTES_ARG(text_bytes(&text)));
}

static struct draft *target_find(struct resource_build *build, const struct wish *wish)
{
    struct bytes *names = ARENA_ARRAY(&build->scratch, struct bytes, (size_t)build->drafts_count + 1);
    int count = 0;
    for (int i = 0; i < build->drafts_count; i++) {
        struct draft *draft = &build->drafts[i];
        if (!draft->resource)
            continue;
        if (bytes_equal(draft->resource->name, wish->resource))
            return draft;
        names[count++] = draft->resource->name;
    }
    diagnostics_error(build->diagnostics, wish->node->place, "there is no resource '%.*s'",
                      BYTES_ARG(wish->resource));
    const struct bytes near = bytes_nearest(wish->resource, names, (size_t)count);
    if (near.size)
        diagnostics_fix(build->diagnostics, "did you mean '%.*s'?", BYTES_ARG(near));
    return NULL;
}

/* The one candidate that is meant; direct keys win over join tables when nothing else decides. */
static struct candidate *wish_match(struct resource_build *build, const struct wish *wish,
                                    const struct draft *target, struct candidates *found)
{
    struct candidate *meant[2] = { NULL, NULL };
    int counts[2] = { 0, 0 };
    for (int i = 0; i < found->count; i++) {
        struct candidate *candidate = &found->items[i];
        if (candidate->target != target || !embed_is_meant(&candidate->embed, wish->via) ||
            (wish->kind >= 0 && (int)candidate->embed.kind != wish->kind))
            continue;
        const int through = candidate->embed.far != NULL;
        counts[through]++;
        meant[through] = candidate;
    }
    const int through = counts[0] == 0;
    if (counts[through] == 1)
        return meant[through];
    diagnostics_error(build->diagnostics, wish->node->place,
                      counts[through] ? "more than one foreign key leads to '%.*s'"
                                      : "no foreign key leads to '%.*s' that way",
                      BYTES_ARG(wish->resource));
    say_choices(build, found, target, wish->kind);
    return NULL;
}

static void wish_grant(struct resource_build *build, struct draft *draft, const struct wish *wish,
                       struct candidates *found)
{
    struct resource *resource = draft->resource;
    struct draft *target = target_find(build, wish);
    if (!target)
        return;
    if (!is_reached(target, false)) {
        diagnostics_warning(build->diagnostics, wish->node->place,
                            "'%.*s' is closed, missing or not to be read: the embed is left out",
                            BYTES_ARG(wish->resource));
        return;
    }
    if (!name_is_free(resource, wish->name)) {
        diagnostics_error(build->diagnostics, wish->node->place, "'%.*s' is the name of a field already",
                          BYTES_ARG(wish->name));
        diagnostics_fix(build->diagnostics, "give the embed another name, or rename the field");
        return;
    }
    if (wish->via.size)
        hidden_join_find(draft, target, wish->via, found);
    struct candidate *candidate = wish_match(build, wish, target, found);
    if (!candidate)
        return;
    candidate->taken = true;
    struct embed *embed = &resource->embeds[resource->embeds_count++];
    *embed = candidate->embed;
    embed->name = resource_keep(build, wish->name);
    embed->declared = true;
}

/* A list keeps those it names. */
static void embeds_restrict(struct resource_build *build, struct draft *draft, const struct yaml_node *list)
{
    struct resource *resource = draft->resource;
    struct bytes *names = ARENA_ARRAY(&build->scratch, struct bytes, (size_t)resource->embeds_count + 1);
    for (int i = 0; i < resource->embeds_count; i++)
        names[i] = resource->embeds[i].name;
    int kept = 0;
    for (int i = 0; i < list->count; i++) {
        const struct yaml_node *item = list->items[i];
        int at = kept;
        while (at < resource->embeds_count &&
               !(item->kind == YAML_SCALAR && bytes_equal(resource->embeds[at].name, item->value)))
            at++;
        if (at < resource->embeds_count) {
            const struct embed wanted = resource->embeds[at];
            resource->embeds[at] = resource->embeds[kept];
            resource->embeds[kept] = wanted;
            resource->embeds[kept++].declared = true;
            continue;
        }
        diagnostics_error(build->diagnostics, item->place, "no foreign key gives an embed '%.*s'",
                          BYTES_ARG(item->value));
        const struct bytes near = bytes_nearest(item->value, names, (size_t)resource->embeds_count);
        if (near.size)
            diagnostics_fix(build->diagnostics, "did you mean '%.*s'?", BYTES_ARG(near));
    }
    resource->embeds_count = kept;
}

/* A row that is pointed to may be called after its target or after the column that points to it. */
static void also_set(struct resource_build *build, const struct resource *resource, struct embed *embed)
{
    if (embed->kind != EMBED_ONE || embed->foreign->columns_count != 1)
        return;
    const struct bytes stem = key_stem(embed->foreign);
    if (name_is_free(resource, stem))
        embed->also = resource_keep(build, stem);
}

void resource_embeds_make(struct resource_build *build, struct draft *draft)
{
    struct resource *resource = draft->resource;
    const struct yaml_node *declared = draft->declared.embed;
    if (!resource->relation || !resource->public_access)
        return;
    struct candidates *found = ARENA_NEW(&build->scratch, struct candidates);
    candidates_find(build, draft, found);
    if (found->dropped)
        diagnostics_warning(build->diagnostics, draft->place,
                            "%d foreign keys meet in %.*s; only %d give embeds",
                            found->dropped + found->count, BYTES_ARG(resource->name), RESOURCE_EMBEDS_MAX);
    const int room = found->count + (declared && declared->kind == YAML_MAPPING ? declared->count : 0);
    resource->embeds = ARENA_ARRAY(build->arena, struct embed, (size_t)room + 1);
    if (declared && declared->kind == YAML_SCALAR && !yaml_is_null(declared)) {
        diagnostics_error(build->diagnostics, declared->place,
                          "embed is a list of names, or a mapping of names");
        diagnostics_fix(build->diagnostics, "embed: [NAME], or embed: {NAME: {resource: RESOURCE}}");
        return;
    }
    for (int i = 0; declared && declared->kind == YAML_MAPPING && i < declared->count; i++) {
        struct wish wish;
        if (wish_read(build, &declared->pairs[i], &wish))
            wish_grant(build, draft, &wish, found);
    }
    for (int i = 0; i < found->count; i++)
        if (!found->items[i].taken && resource->embeds_count < room)
            derived_add(build, draft, found, &found->items[i]);
    if (declared && declared->kind == YAML_SEQUENCE)
        embeds_restrict(build, draft, declared);
    for (int i = 0; i < resource->embeds_count; i++)
        also_set(build, resource, &resource->embeds[i]);
}

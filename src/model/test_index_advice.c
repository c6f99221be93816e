/* Goal: an index is named only where none does, and the one that is named would. */
#include "base/test.h"

#include "base/problem.h"
#include "model/index_advice.h"

static struct column columns[4]; /* a b c: not null; d: nullable */
static struct index indexes[1];
static struct relation relation;
static struct index_need need;

/* The relation's one index: "b- a" is (b DESC, a); `d+`: NULLS FIRST. */
static void index_on(const char *words, bool unique)
{
    static const struct column *key[4];
    static bool descending[4], nulls_first[4];
    for (int i = 0; i < 4; i++) {
        static const char *const names[] = { "a", "b", "c", "d" };
        columns[i] = (struct column){ .name = bytes_of(names[i]), .position = i, .not_null = i < 3 };
    }
    int count = 0;
    for (; *words; words++) {
        if (*words == '-')
            descending[count - 1] = nulls_first[count - 1] = true;
        else if (*words == '+')
            nulls_first[count - 1] = !nulls_first[count - 1];
        else if (*words != ' ') {
            descending[count] = nulls_first[count] = false;
            key[count++] = &columns[*words - 'a'];
        }
    }
    indexes[0] = (struct index){ .columns = key,
                                 .descending = descending,
                                 .nulls_first = nulls_first,
                                 .columns_count = count,
                                 .unique = unique,
                                 .valid = true,
                                 .method = BYTES("btree") };
    relation = (struct relation){ .sql = BYTES("t"), .indexes = indexes, .indexes_count = 1 };
}

/* Rows with the columns of `equal` fixed, in the order of `order`, all of it asked for. */
static bool met(const char *equal, const char *order)
{
    need = (struct index_need){ .relation = &relation };
    for (; *equal; equal++)
        need.equal[need.equal_count++] = &columns[*equal - 'a'];
    for (; *order; order++) {
        struct index_key *last = &need.keys[need.keys_count - (need.keys_count > 0)];
        if (*order == '-')
            last->descending = last->nulls_first = true;
        else if (*order == '+')
            last->nulls_first = !last->nulls_first;
        else if (*order != ' ')
            need.keys[need.keys_count++].column = &columns[*order - 'a'];
    }
    need.asked_count = need.keys_count;
    return index_need_is_met(&need);
}

TEST(an_index_serves_its_own_order_and_the_reverse)
{
    index_on("a b-", false);
    expect(met("", "a b-"));
    expect(met("", "a- b"));
    expect(met("", "a"));
    expect(!met("", "a b"));
    expect(!met("", "b-"));
    expect(!met("", "a b- c"));
    expect(met("", ""));
}

TEST(what_is_fixed_stands_in_front_in_any_order)
{
    index_on("b a c", false);
    expect(met("ab", "c"));
    expect(met("ba", "c-"));
    expect(met("b", "a c"));
    expect(!met("a", "c"));
    expect(!met("ad", "c"));
    expect(met("ab", ""));
}

TEST(nulls_count_only_where_there_may_be_some)
{
    index_on("d", false);
    expect(met("", "d"));
    expect(met("", "d-"));
    expect(!met("", "d+"));
    index_on("d+", false);
    expect(met("", "d+"));
    index_on("a", false);
    expect(met("", "a+"));
}

TEST(behind_a_unique_index_order_is_settled_and_a_partial_or_broken_one_serves_nothing)
{
    index_on("a b", true);
    expect(met("", "a b c"));
    index_on("a", false);
    indexes[0].partial = true;
    expect(!met("", "a"));
    index_on("a", false);
    indexes[0].valid = false;
    expect(!met("", "a"));
    index_on("a", false);
    indexes[0].method = BYTES("gin");
    expect(!met("", "a"));
}

TEST(tie_breakers_may_be_sorted)
{
    index_on("a", false);
    expect(!met("", "a b"));
    need.asked_count = 1; /* b was not asked for */
    expect(index_need_is_met(&need));
}

TEST(the_index_that_is_named_would_serve)
{
    struct arena arena;
    struct text text;
    arena_init(&arena, 0);
    text_init(&text, &arena, 0);
    index_on("c", false);
    expect(!met("b", "a- d+"));
    index_need_write(&text, &need);
    expect_bytes(text_bytes(&text), "CREATE INDEX CONCURRENTLY ON t (\"b\", \"a\" DESC, \"d\" NULLS FIRST)");
    index_on("b a- d+", false);
    expect(met("b", "a- d+"));
    arena_done(&arena);
}

/* Goal: what grows is told from what has grown, what grows with its load, and what only looks so by chance.
 */
#include "base/test.h"

#include "features/advise/decide_memory.h"

#define MIB 1048576.0

static struct growth site = { .name = "hoard", .route = "GET /v1/x" };
static struct growth room = { .name = "arenas", .route = "" };

static struct memory_facts steady(void)
{
    struct memory_facts facts = { .looks = MEMORY_LOOKS,
                                  .window_s = 30,
                                  .requests = 3000,
                                  .sites = &site,
                                  .sites_count = 1,
                                  .rooms = &room,
                                  .rooms_count = 1 };
    site.samples_first = site.samples_last = 0;
    for (int i = 0; i < MEMORY_LOOKS; i++) {
        facts.connections[i] = 20;
        facts.resident_bytes[i] = 60 * MIB;
        site.bytes[i] = room.bytes[i] = 5 * MIB;
    }
    return facts;
}

static void line(double *bytes, double from, double each)
{
    for (int i = 0; i < MEMORY_LOOKS; i++)
        bytes[i] = from + each * i;
}

static struct memory_verdict judge(const struct memory_facts *facts)
{
    struct memory_verdict verdict;
    decide_memory(facts, &verdict);
    return verdict;
}

TEST(what_stays_as_it_is_says_nothing)
{
    const struct memory_facts facts = steady();
    const struct memory_verdict verdict = judge(&facts);
    expect_eq(verdict.word, MEMORY_OK);
    expect(!verdict.found && !verdict.owner && !verdict.reason[0]);
}

TEST(a_window_that_is_not_whole_yet_is_no_ground_for_a_word)
{
    struct memory_facts facts = steady();
    line(site.bytes, 0, 10 * MIB);
    site.samples_last = 100;
    facts.looks = MEMORY_LOOKS - 1;
    expect_eq(judge(&facts).word, MEMORY_YOUNG);
    expect(!judge(&facts).found);
}

TEST(a_site_that_grows_evenly_is_named_with_bytes_a_request)
{
    struct memory_facts facts = steady();
    line(site.bytes, 5 * MIB, 3 * MIB); /* 12 MiB in 3000 requests */
    site.samples_last = 24;
    const struct memory_verdict verdict = judge(&facts);
    expect_eq(verdict.word, MEMORY_LEAK);
    expect(verdict.found && verdict.owner == &site);
    expect(strstr(verdict.reason, "hoard holds 12.0 MiB more") != NULL);
    expect(strstr(verdict.reason, "4194 bytes for each of 3000 requests") != NULL);
    expect(strstr(verdict.reason, "GET /v1/x") != NULL);
}

TEST(the_least_growth_counts_and_one_byte_less_does_not)
{
    struct memory_facts facts = steady();
    site.samples_last = LEAK_SAMPLES_LEAST;
    line(site.bytes, 0, LEAK_LEAST_BYTES / 4.0);
    expect_eq(judge(&facts).word, MEMORY_LEAK);
    site.bytes[MEMORY_LOOKS - 1] -= 1;
    expect_eq(judge(&facts).word, MEMORY_OK);
}

TEST(one_sample_too_few_could_be_chance)
{
    struct memory_facts facts = steady();
    line(site.bytes, 0, 10 * MIB);
    site.samples_first = 3;
    site.samples_last = 3 + LEAK_SAMPLES_LEAST - 1;
    expect_eq(judge(&facts).word, MEMORY_OK);
    site.samples_last++;
    expect_eq(judge(&facts).word, MEMORY_LEAK);
}

TEST(what_warms_up_levels_off)
{
    struct memory_facts facts = steady();
    static const double warm[MEMORY_LOOKS] = { 0, 8 * MIB, 10 * MIB, 11 * MIB, 11.5 * MIB };
    memcpy(site.bytes, warm, sizeof warm);
    site.samples_last = 100;
    expect_eq(judge(&facts).word, MEMORY_OK);
}

TEST(one_jump_is_no_growth)
{
    struct memory_facts facts = steady();
    static const double jump[MEMORY_LOOKS] = { 0, 0, 0.1 * MIB, 20 * MIB, 20 * MIB };
    memcpy(site.bytes, jump, sizeof jump);
    site.samples_last = 100;
    expect_eq(judge(&facts).word, MEMORY_OK);
}

TEST(more_connections_may_hold_more)
{
    struct memory_facts facts = steady();
    line(site.bytes, 0, 3 * MIB);
    site.samples_last = 24;
    facts.connections[0] = 20;
    facts.connections[MEMORY_LOOKS - 1] = 31;
    expect_eq(judge(&facts).word, MEMORY_LOAD);
    expect(!judge(&facts).found);
    facts.connections[MEMORY_LOOKS - 1] = 30; /* half more at most */
    expect_eq(judge(&facts).word, MEMORY_LEAK);
}

TEST(of_two_that_grow_the_faster_is_named)
{
    static struct growth two[2] = { { .name = "slow", .samples_last = 50 },
                                    { .name = "fast", .samples_last = 50 } };
    struct memory_facts facts = steady();
    line(two[0].bytes, 100 * MIB, 1 * MIB);
    line(two[1].bytes, 0, 2 * MIB);
    facts.sites = two;
    facts.sites_count = 2;
    expect(judge(&facts).owner == &two[1]);
}

TEST(a_room_is_named_when_no_site_stands_out)
{
    struct memory_facts facts = steady();
    line(room.bytes, 0, 2 * MIB);
    expect_eq(judge(&facts).word, MEMORY_ROOM);
    expect(strstr(judge(&facts).todo, "sample_every") != NULL);
    facts.oldest_request_s = REQUEST_OLD_S + 1;
    expect(strstr(judge(&facts).todo, "has not ended") != NULL);
}

TEST(memory_that_grows_past_malloc_and_accounts_is_unseen)
{
    struct memory_facts facts = steady();
    line(facts.resident_bytes, 60 * MIB, UNSEEN_LEAST_BYTES / 4.0);
    expect_eq(judge(&facts).word, MEMORY_UNSEEN);
    expect(judge(&facts).found);
    facts.resident_bytes[MEMORY_LOOKS - 1] -= 1;
    expect_eq(judge(&facts).word, MEMORY_OK);
}

TEST(what_malloc_gave_out_waits_for_its_site_unless_there_is_no_profile)
{
    struct memory_facts facts = steady();
    facts.sample_every_bytes = 524288;
    line(facts.resident_bytes, 60 * MIB, 10 * MIB);
    line(facts.malloc_used_bytes, 30 * MIB, 9 * MIB);
    expect_eq(judge(&facts).word, MEMORY_OK);
    facts.sample_every_bytes = 0;
    expect_eq(judge(&facts).word, MEMORY_UNSEEN);
    expect(judge(&facts).owner == NULL);
}

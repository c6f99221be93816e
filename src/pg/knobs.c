/* knobs.c - what an operator may set (section "pools") and what they can watch. */
#include "pg/pg_internal.h"

#define POOL_KNOB(name_, field_, ...)                                                                        \
    {                                                                                                        \
        .name = name_, .offset = offsetof(struct pg_conf, field_), __VA_ARGS__                               \
    }

static const char *const pgbouncer_choices[] = { "auto", "on", "off", NULL };

const struct knob pg_knobs[] = {
    POOL_KNOB(
        "max", max, .min = 2, .max = 10000, .preset = 64, .unit = "connections",
        .doc =
            "Connections to PostgreSQL that this process may hold, all cores together. Each core needs two."),
    POOL_KNOB("lanes", lanes, .min = 1, .max = 64, .preset = 4, .unit = "connections",
              .doc = "Pipelined read connections per core, shared by many requests."),
    POOL_KNOB("lane_depth", lane_depth, .min = 1, .max = 1024, .preset = 32, .unit = "batches",
              .doc = "Requests on their way on one lane at once."),
    POOL_KNOB("acquire_timeout", acquire_timeout_ns, .kind = KNOB_DURATION, .min = NS_PER_MS,
              .max = 600 * NS_PER_S, .preset = 5 * NS_PER_S,
              .doc = "How long a request waits for a connection before it is refused (503)."),
    POOL_KNOB("query_timeout", query_timeout_ns, .kind = KNOB_DURATION, .min = NS_PER_MS,
              .max = 24 * 3600 * NS_PER_S, .preset = 30 * NS_PER_S,
              .doc = "PostgreSQL stops a statement after this time (statement_timeout)."),
    POOL_KNOB("idle_timeout", idle_timeout_ns, .kind = KNOB_DURATION, .min = 100 * NS_PER_MS,
              .max = 24 * 3600 * NS_PER_S, .preset = 60 * NS_PER_S,
              .doc = "A connection that nobody used for so long is closed, beyond the lanes."),
    POOL_KNOB("lifetime", lifetime_ns, .kind = KNOB_DURATION, .min = NS_PER_S,
              .max = 7 * 24 * 3600 * NS_PER_S, .preset = 3600 * NS_PER_S,
              .doc = "A connection is replaced after about so long, so that servers' memory and addresses "
                     "stay fresh."),
    POOL_KNOB("connect_timeout", connect_timeout_ns, .kind = KNOB_DURATION, .min = 10 * NS_PER_MS,
              .max = 120 * NS_PER_S, .preset = 5 * NS_PER_S,
              .doc = "How long one attempt to connect may take, name lookup included."),
    POOL_KNOB("idle_in_transaction_timeout", idle_in_transaction_timeout_ns, .kind = KNOB_DURATION,
              .min = NS_PER_MS, .max = 24 * 3600 * NS_PER_S, .preset = 30 * NS_PER_S,
              .doc = "PostgreSQL ends a transaction in which nothing was asked for so long."),
    POOL_KNOB(
        "slow", slow_ns, .kind = KNOB_DURATION, .min = 100 * NS_PER_US, .max = 10 * NS_PER_S,
        .preset = 25 * NS_PER_MS,
        .doc = "A statement that takes longer travels on a connection of its own until it is fast again; so "
               "does a read that takes eight times as long as the others, and more than a quarter of this."),
    POOL_KNOB("waiting_max", waiting_max, .min = 0, .max = 1000000, .preset = 2000, .unit = "requests",
              .doc = "Requests per core that may wait for a connection; further ones are refused at once."),
    POOL_KNOB("statements_max", statements_max, .min = 16, .max = 100000, .preset = 1000,
              .unit = "statements", .doc = "Prepared statements kept per core and on each connection."),
    POOL_KNOB(
        "reserve", reserve, .min = 0, .max = 10000, .preset = 5, .unit = "connections",
        .doc = "Connections of the server that are left to others; pools.max is lowered to keep them free."),
    POOL_KNOB("nodes", nodes, .min = 1, .max = 10000, .preset = 1, .unit = "processes",
              .doc = "Processes like this one that share the server. The start is refused when not even one "
                     "connection a core fits on all of them."),
    POOL_KNOB("writers_max", writers_max, .min = 0, .max = 10000, .preset = 0, .unit = "connections",
              .doc = "Connections that writes may hold, all cores together, so that reads always find some; "
                     "0: no limit but max."),
    POOL_KNOB("queries_max", queries_max, .min = 0, .max = 1000000000, .preset = 0, .unit = "batches",
              .doc = "A connection is replaced after so many; 0: never for that."),
    POOL_KNOB("breaker_failures", breaker_failures, .min = 1, .max = 100000, .preset = 5, .unit = "failures",
              .doc = "So many failed attempts to connect, or deadlines that passed in silence, in a row and "
                     "requests are refused at once (503), per core."),
    POOL_KNOB(
        "breaker_pause", breaker_pause_ns, .kind = KNOB_DURATION, .min = NS_PER_MS, .max = 60 * NS_PER_S,
        .preset = 250 * NS_PER_MS,
        .doc =
            "Then one request tries after about so long; each try that fails doubles it, up to eight times."),
    POOL_KNOB("retry_percent", retry_percent, .min = 0, .max = 100, .preset = 10, .unit = "%",
              .doc = "Batches that may be sent again by themselves, as a share of those that go well; a "
                     "hundred are saved up at most."),
    POOL_KNOB("transaction_idle_timeout", transaction_idle_timeout_ns, .kind = KNOB_DURATION,
              .min = NS_PER_MS, .max = 24 * 3600 * NS_PER_S, .preset = 5 * NS_PER_S,
              .doc = "A transaction in which the server asks PostgreSQL nothing for so long is rolled back, "
                     "and its route is logged."),
    POOL_KNOB("hold_warning", hold_warning_ns, .kind = KNOB_DURATION, .min = NS_PER_MS,
              .max = 24 * 3600 * NS_PER_S, .preset = 60 * NS_PER_S,
              .doc = "A session that one request holds longer is logged with its route."),
    POOL_KNOB("dns_ttl", dns_ttl_ns, .kind = KNOB_DURATION, .min = 0, .max = 24 * 3600 * NS_PER_S,
              .preset = 30 * NS_PER_S,
              .doc =
                  "How long the addresses of the database's host are used before the name service is asked "
                  "again; after a connection that failed it is asked at once."),
    POOL_KNOB("dns_stale", dns_stale_ns, .kind = KNOB_DURATION, .min = 0, .max = 7 * 24 * 3600 * NS_PER_S,
              .preset = 24 * 3600 * NS_PER_S,
              .doc = "How old addresses may be that are used while the name service fails or is slow."),
    POOL_KNOB("pgbouncer", pgbouncer, .kind = KNOB_CHOICE, .choices = pgbouncer_choices,
              .preset = PG_PGBOUNCER_AUTO,
              .doc = "Whether PgBouncer, or another pooler of transactions, stands before PostgreSQL: then "
                     "statements travel unnamed and each batch brings its settings. auto: each connection "
                     "looks. off suits a PgBouncer that pools sessions."),
    { 0 }
};

struct metric pg_wait_seconds = HISTOGRAM("wait", "Time until a connection took a batch or was lent.");
struct metric pg_hold_seconds = HISTOGRAM("hold", "Time for which a session was lent.");
struct metric pg_query_seconds = HISTOGRAM("query", "Time from sending a batch until its Sync was answered.");
struct metric pg_lanes = GAUGE("lanes", "connections", "Open read lanes.");
struct metric pg_writers = GAUGE("writers", "connections", "Open writers.");
struct metric pg_sessions = GAUGE("sessions", "connections", "Open sessions.");
struct metric pg_in_flight =
    GAUGE("in_flight", "batches", "Batches sent and not yet answered, abandoned ones too.");
struct metric pg_waiting = GAUGE("waiting", "requests", "Requests that wait for a connection.");
struct metric pg_connects = COUNTER("connects", "connections", "Connections made.");
struct metric pg_connect_failures =
    COUNTER("connect_failures", "connections", "Attempts to connect that failed.");
struct metric pg_breaks =
    COUNTER("breaks", "connections", "Connections lost or closed in the middle of work.");
struct metric pg_retries =
    COUNTER("retries", "batches", "Batches sent again after a failure that allows it.");
struct metric pg_abandoned =
    COUNTER("abandoned", "batches", "Batches whose request gave up before the answer.");
struct metric pg_cancels = COUNTER("cancels", "requests", "Cancel requests sent to the server.");
struct metric pg_cancels_queued =
    GAUGE("cancels_queued", "connections", "Connections that wait to be cancelled.");
struct metric pg_moved =
    COUNTER("moved", "batches", "Reads sent again elsewhere, since the one before them on their lane hung.");
struct metric pg_transactions_ended =
    COUNTER("transactions_ended", "transactions",
            "Transactions rolled back because nothing was asked in them for too long.");
struct metric pg_left_open =
    COUNTER("left_open", "", "What requests had forgotten to give back when they ended, by kind.");
struct metric pg_held_long = COUNTER("held_long", "sessions", "Sessions held longer than hold_warning.");
struct metric pg_acquire_timeouts =
    COUNTER("acquire_timeouts", "requests",
            "Requests refused because no connection was free in time, or too many waited.");
struct metric pg_retries_refused =
    COUNTER("retries_refused", "batches", "Repetitions that the retry budget did not allow.");
struct metric pg_breaker_open =
    GAUGE("breaker_open", "cores", "Cores that refuse at once, since the database does not answer.");
struct metric pg_breaker_opens = COUNTER("breaker_opens", "times", "How often a core began to.");
struct metric pg_breaker_refused = COUNTER("breaker_refused", "requests", "Requests refused so.");
struct metric pg_recycled =
    COUNTER("recycled", "connections", "Connections replaced after queries_max batches.");
struct metric pg_max = GAUGE("max", "connections", "Connections allowed now, all cores.");
struct metric pg_prepared = COUNTER("prepared", "statements", "Statements prepared.");
struct metric pg_lane_losses =
    COUNTER("lane_losses", "statements", "Statements that lost their lane by being slow.");
struct metric pg_pooled = GAUGE("pooled", "connections", "Open connections that go through PgBouncer.");
struct metric pg_errors = COUNTER("errors", "errors", "Refusals of the server, by class of SQLSTATE.");

struct metric pg_stale_addresses =
    COUNTER("stale_addresses", "connections",
            "Connections made to old addresses, for the name service did not answer.");

struct metric *const pg_metrics[] = {
    &pg_stale_addresses,
    &pg_wait_seconds,
    &pg_hold_seconds,
    &pg_query_seconds,
    &pg_lanes,
    &pg_writers,
    &pg_sessions,
    &pg_in_flight,
    &pg_waiting,
    &pg_connects,
    &pg_connect_failures,
    &pg_breaks,
    &pg_retries,
    &pg_abandoned,
    &pg_cancels,
    &pg_prepared,
    &pg_lane_losses,
    &pg_errors,
    &pg_cancels_queued,
    &pg_moved,
    &pg_transactions_ended,
    &pg_held_long,
    &pg_left_open,
    &pg_acquire_timeouts,
    &pg_retries_refused,
    &pg_breaker_open,
    &pg_breaker_opens,
    &pg_breaker_refused,
    &pg_recycled,
    &pg_max,
    &pg_pooled,
    NULL,
};

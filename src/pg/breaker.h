#pragma once
/* breaker.h - when to stop asking a database that does not answer: the arithmetic, and nothing else.
 *
 *   CLOSED ── failures in a row ──▶ OPEN ── its pause is over ──▶ one may try ── well ──▶ CLOSED
 *                                    ▲────────────── it failed, the pause doubles ──┘
 *
 * Time and randomness come in as arguments. Zero is closed. One a core.
 * Source: Nygard, Release It!, 2018, chapter 5. */
#include <stdbool.h>
#include <stdint.h>

struct breaker_plan {
    int64_t failures_max; /* so many in a row open it */
    int64_t pause_ns, pause_max_ns;
};

struct breaker {
    bool open, trying;
    int64_t failures; /* in a row */
    int64_t until_ns, pause_ns;
};

/* May one more go out? *ret_try: it is the one that tries; its end must be told. */
bool breaker_asks(struct breaker *breaker, int64_t now_ns, bool *ret_try);
/* The database answered somebody. True: that closed it. */
bool breaker_well(struct breaker *breaker);
/* It did not. random: 0..1023, spreads the tries of many cores and nodes. True: that opened it. */
bool breaker_failed(struct breaker *breaker, const struct breaker_plan *plan, int64_t now_ns, int64_t random);
/* The one that tried ended without telling anything (its client left). */
void breaker_untold(struct breaker *breaker);

/* recur_judge.c - from counts to a word, and to the pace of refreshing. */
#include "features/query/recur.h"

const char *const recur_state_names[RECUR_STATES] = { "few", "cheap", "changes", "recurs" };

/* The paces that a clock or a person would take. */
static const int64_t paces_s[] = { 1,   2,   5,    10,   15,   30,    60,    120,  300,
                                   600, 900, 1800, 3600, 7200, 21600, 43200, 86400 };

/* The longest pace within wanted_s, but none shorter than least_s. */
static int64_t pace_of(double wanted_s, double least_s)
{
    int64_t pace_s = 0;
    for (size_t i = 0; i < array_count(paces_s); i++)
        if ((double)paces_s[i] >= least_s && (pace_s == 0 || (double)paces_s[i] <= wanted_s))
            pace_s = paces_s[i];
    return pace_s ? pace_s : paces_s[array_count(paces_s) - 1];
}

void recur_judge(const struct recur_sums *sums, struct recur_verdict *ret_verdict)
{
    struct recur_verdict verdict = { .between_s = -1 };
    const double took_s = (double)sums->took_ns / 1e9;
    verdict.watched_s = (double)sums->watched_ns / 1e9;
    verdict.ms = sums->calls ? took_s * 1e3 / (double)sums->calls : 0;
    verdict.changed_share = sums->compared ? (double)sums->changed / (double)sums->compared : 0;
    if (sums->moments)
        verdict.between_s = verdict.watched_s / (double)sums->moments;
    verdict.state = sums->compared < RECUR_COMPARED_LEAST          ? RECUR_FEW
                    : verdict.ms < RECUR_MS_LEAST                  ? RECUR_CHEAP
                    : verdict.changed_share >= RECUR_CHANGED_SHARE ? RECUR_CHANGES
                                                                   : RECUR_RECURS;
    /* Without a change, what was watched is all that is known. */
    const double wanted_s = sums->moments ? verdict.between_s / 2 : verdict.watched_s;
    verdict.interval_s = pace_of(wanted_s, verdict.ms / 1e3 / RECUR_REFRESH_SHARE);
    verdict.time_share = verdict.watched_s > 0 ? took_s / verdict.watched_s : 0;
    verdict.then_share = verdict.ms / 1e3 / (double)verdict.interval_s;
    *ret_verdict = verdict;
}

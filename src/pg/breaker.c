#include "pg/breaker.h"

#include "base/check.h"

bool breaker_asks(struct breaker *breaker, int64_t now_ns, bool *ret_try)
{
    *ret_try = false;
    if (likely(!breaker->open))
        return true;
    if (breaker->trying || now_ns < breaker->until_ns)
        return false;
    breaker->trying = *ret_try = true;
    return true;
}

bool breaker_well(struct breaker *breaker)
{
    const bool closed = breaker->open;
    *breaker = (struct breaker){ 0 };
    return closed;
}

bool breaker_failed(struct breaker *breaker, const struct breaker_plan *plan, int64_t now_ns, int64_t random)
{
    check(plan->failures_max >= 1 && plan->pause_ns >= 1 && plan->pause_max_ns >= plan->pause_ns);
    breaker->failures++;
    if (breaker->open && !breaker->trying)
        return false; /* one that was under way when it opened */
    if (!breaker->open && breaker->failures < plan->failures_max)
        return false;
    const int64_t doubled_ns = breaker->open ? breaker->pause_ns * 2 : plan->pause_ns;
    breaker->pause_ns = doubled_ns < plan->pause_max_ns ? doubled_ns : plan->pause_max_ns;
    breaker->until_ns = now_ns + breaker->pause_ns / 2 + breaker->pause_ns / 1024 * random; /* 0.5 to 1.5 */
    breaker->trying = false;
    const bool opened = !breaker->open;
    breaker->open = true;
    return opened;
}

void breaker_untold(struct breaker *breaker)
{
    breaker->trying = false;
}

#include "features/admit/admit.h"
bool admit_ctl_queries(void *room, int argc, const char *const *argv, struct text *answer)
{
    (void)room, (void)argc, (void)argv, (void)answer;
    return true;
}
void admit_ctl_queries_show(struct bytes answer, FILE *file)
{
    (void)answer, (void)file;
}

#pragma once
/* profile.h - `lintel ctl profile`: where the CPU goes, by route, as folded stacks for a flame graph. */
#include "kit/module.h"

extern const struct ctl_verb profile_verbs[];

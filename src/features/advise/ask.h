#pragma once
/* ask.h - what only the database and the network can tell: asked when a doctor is called, not all the time.
 */
#include "features/advise/decide.h"

/* Fills the rest of the facts; in a fiber with a pool (kit_here). cores: the database's CPUs, 0: those of
 * this machine when it runs here. Waits: some hundred milliseconds, or what is left of the fiber's deadline;
 * what does not answer in time stays unknown. */
WAITS bool ask_database(int64_t cores, struct facts *facts);

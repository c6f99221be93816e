#pragma once
/* doctor.h - `lintel doctor`: asks the running server's doctors, shows what they say, ends with 1 when one of
 * them found something. */
#include "kit/module.h"

extern const struct command command_doctor;
/* An answer's text, for people. */
void doctor_show(struct bytes answer, FILE *file);

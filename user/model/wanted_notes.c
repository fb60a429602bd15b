/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The notes of a wanted state: a hundred sentences, and how many more. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "model/wanted_parts.h"

#define MAX_NOTES 100

int wanted_note(struct wanted_notes *notes, const char *fmt, ...)
{
	struct wanted *w = notes->wanted;
	char **more;
	va_list ap;
	int n;

	if (w->n_notes >= MAX_NOTES) {
		notes->n_more++;
		return 0;
	}
	more = reallocarray(w->notes, w->n_notes + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	w->notes = more;
	va_start(ap, fmt);
	n = vasprintf(&more[w->n_notes], fmt, ap);
	va_end(ap);
	if (n < 0)
		return -ENOMEM;
	w->n_notes++;
	return 0;
}

int wanted_notes_end(struct wanted_notes *notes)
{
	struct wanted *w = notes->wanted;
	char *last;

	if (!notes->n_more)
		return 0;
	if (asprintf(&last, "%zu more of this kind, not shown", notes->n_more + 1) < 0)
		return -ENOMEM;
	free(w->notes[w->n_notes - 1]);
	w->notes[w->n_notes - 1] = last;
	return 0;
}

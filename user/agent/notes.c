/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A growing list of sentences for people, each kept once. */
#include "agent/notes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/vec.h"

bool notes_has(const struct notes *notes, const char *text)
{
	for (size_t i = 0; i < notes->n; i++)
		if (!strcmp(notes->v[i], text))
			return true;
	return false;
}

void notes_add(struct notes *notes, const char *fmt, ...)
{
	char *text;
	va_list args;
	int len;

	va_start(args, fmt);
	len = vasprintf(&text, fmt, args);
	va_end(args);
	if (len < 0)
		return;
	if (notes_has(notes, text))
		free(text);
	else
		notes_append(notes, text);
}

void notes_append(struct notes *notes, char *text)
{
	if (vec_grow(&notes->v, notes->n, sizeof(*notes->v)))
		free(text);
	else
		notes->v[notes->n++] = text;
}

void notes_add_all(struct notes *notes, char *const *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		notes_add(notes, "%s", v[i]);
}

void notes_done(struct notes *notes)
{
	vec_free_notes(notes->v, notes->n);
	*notes = (struct notes){ 0 };
}

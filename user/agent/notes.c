/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A growing list of sentences for people, each kept once. */
#include "agent/notes.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/defs.h"

bool notes_has(const struct notes *notes, const char *text)
{
	for (size_t i = 0; i < notes->n; i++)
		if (!strcmp(notes->v[i], text))
			return true;
	return false;
}

void notes_add(struct notes *notes, const char *fmt, ...)
{
	auto_free char *text = NULL;
	char **grown;
	va_list args;
	int len;

	va_start(args, fmt);
	len = vasprintf(&text, fmt, args);
	va_end(args);
	if (len < 0) {
		text = NULL;
		return;
	}
	if (notes_has(notes, text))
		return;
	grown = realloc(notes->v, (notes->n + 1) * sizeof(*grown));
	if (!grown)
		return;
	notes->v = grown;
	notes->v[notes->n++] = take(text);
}

void notes_add_all(struct notes *notes, char *const *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		notes_add(notes, "%s", v[i]);
}

void notes_done(struct notes *notes)
{
	for (size_t i = 0; i < notes->n; i++)
		free(notes->v[i]);
	free(notes->v);
	*notes = (struct notes){ 0 };
}

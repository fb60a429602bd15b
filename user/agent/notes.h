/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A growing list of sentences for people, each kept once. Not for: errors on their way up
 * (core/err.h).
 */
#ifndef XMESH_AGENT_NOTES_H
#define XMESH_AGENT_NOTES_H

#include <stdbool.h>
#include <stddef.h>

struct notes {
	char **v;
	size_t n;
};

/* A sentence that is there already is not added again; without memory it is left out. */
void notes_add(struct notes *notes, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* @text, taken over, without looking whether it is there: for lists that may be long. */
void notes_append(struct notes *notes, char *text);
/* Copies of @n sentences. */
void notes_add_all(struct notes *notes, char *const *v, size_t n);
bool notes_has(const struct notes *notes, const char *text);
void notes_done(struct notes *notes);

#endif

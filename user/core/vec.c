/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Growing by doubling at the powers of two. Not for: anything that knows what is in the array. */
#include "core/vec.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int vec_grow(void *pv, size_t n, size_t size)
{
	void *old, *new;

	if (n & (n - 1))
		return 0;
	if (n > SIZE_MAX / 2 / size)
		return -ENOMEM;
	/* By copies, for a T ** is no void ** to the compiler. */
	memcpy(&old, pv, sizeof(old));
	new = realloc(old, (n ? 2 * n : 1) * size);
	if (!new)
		return -ENOMEM;
	memcpy(pv, &new, sizeof(new));
	return 0;
}

int vec_note(char ***notes, size_t *n, const char *fmt, ...)
{
	va_list ap;
	char *text;
	int len;

	if (vec_grow(notes, *n, sizeof(**notes)))
		return -ENOMEM;
	va_start(ap, fmt);
	len = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (len < 0)
		return -ENOMEM;
	(*notes)[(*n)++] = text;
	return 0;
}

void vec_free_notes(char **notes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(notes[i]);
	free(notes);
}

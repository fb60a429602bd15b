/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sentences of errors, built from the inside out. Not for: deciding what to do about them. */
#include "core/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A sentence that does not fit says so by its last three characters. */
static void mark_cut(char *text, int written)
{
	if (written >= ERR_TEXT_MAX)
		memcpy(text + ERR_TEXT_MAX - 4, "...", 4);
}

int err_set(struct err *err, int code, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list ap;
	int n;

	if (!err)
		return code;
	/* By way of a copy, for the old sentence may be one of the arguments. */
	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n < 0)
		text[0] = '\0';
	mark_cut(text, n);
	memcpy(err->text, text, sizeof(text));
	err->code = code;
	return code;
}

int err_in(struct err *err, int code, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX], where[ERR_TEXT_MAX];
	va_list ap;
	int n;

	if (!err)
		return code;
	va_start(ap, fmt);
	n = vsnprintf(where, sizeof(where), fmt, ap);
	va_end(ap);
	if (n < 0)
		where[0] = '\0';
	n = snprintf(text, sizeof(text), "%s: %s", where, err->text);
	mark_cut(text, n);
	memcpy(err->text, text, sizeof(text));
	err->code = code;
	return code;
}

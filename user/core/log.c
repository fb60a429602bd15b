/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Lines on stderr. Not for: answers of commands, which go to stdout by the CLI's emitter. */
#include "core/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A sentence carries at most one error's text and what is said around it. */
#define LOG_LINE_MAX 2048

static void write_line(const char *journal_prefix, const char *word, const char *fmt, va_list ap)
{
	const char *prefix = getenv("JOURNAL_STREAM") ? journal_prefix : word;
	char line[LOG_LINE_MAX];
	size_t len = strlen(prefix), end;
	int n;

	memcpy(line, prefix, len);
	n = vsnprintf(line + len, sizeof(line) - len - 1, fmt, ap);
	if (n < 0)
		return;
	end = len + (size_t)n;
	if (end > sizeof(line) - 2) {
		end = sizeof(line) - 2;
		memcpy(line + end - 3, "...", 3);
	}
	/* What a peer wrote may be quoted here: no second line, no terminal sequences. */
	for (size_t i = len; i < end; i++) {
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = ' ';
	}
	line[end++] = '\n';
	/* One write, so that lines of threads do not mix; nobody is left to tell if it fails. */
	if (write(STDERR_FILENO, line, end) < 0)
		return;
}

#define LOG_FUNCTION(name, journal_prefix, word)                                                   \
	void name(const char *fmt, ...)                                                            \
	{                                                                                          \
		va_list ap;                                                                        \
                                                                                                   \
		va_start(ap, fmt);                                                                 \
		write_line(journal_prefix, word, fmt, ap);                                         \
		va_end(ap);                                                                        \
	}

LOG_FUNCTION(log_error, "<3>", "error: ")
LOG_FUNCTION(log_warn, "<4>", "warning: ")
LOG_FUNCTION(log_info, "<6>", "")

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The print callback of libbpf: keeps the end of its warnings, verifier logs among them, per
 * thread. Not for: printing.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <bpf/libbpf.h>

#include "core/defs.h"
#include "plane/bpflog.h"

#define BPFLOG_SIZE 2048

static __thread char kept[BPFLOG_SIZE];
static __thread size_t n_kept;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void append(const char *text, size_t len)
{
	size_t room;

	if (len >= BPFLOG_SIZE) {
		text += len - (BPFLOG_SIZE - 1);
		len = BPFLOG_SIZE - 1;
	}
	room = BPFLOG_SIZE - 1 - n_kept;
	if (len > room) {
		memmove(kept, kept + (len - room), n_kept - (len - room));
		n_kept -= len - room;
	}
	memcpy(kept + n_kept, text, len);
	n_kept += len;
	kept[n_kept] = '\0';
}

static int print(enum libbpf_print_level level, const char *fmt, va_list args)
{
	auto_free char *text = NULL;
	int len;

	if (level != LIBBPF_WARN)
		return 0;
	len = vasprintf(&text, fmt, args);
	if (len < 0) {
		text = NULL;
		return 0;
	}
	append(text, (size_t)len);
	return len;
}

static void set_print(void)
{
	libbpf_set_print(print);
}

void bpflog_begin(void)
{
	pthread_once(&once, set_print);
	n_kept = 0;
	kept[0] = '\0';
}

const char *bpflog_tail(unsigned int max)
{
	const char *tail = kept, *line;

	/* libbpf closes a log with a newline; a sentence does not. */
	while (n_kept && kept[n_kept - 1] == '\n')
		kept[--n_kept] = '\0';
	if (n_kept > max) {
		tail = kept + n_kept - max;
		line = strchr(tail, '\n');
		if (line)
			tail = line + 1;
	}
	return tail;
}

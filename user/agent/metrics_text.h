/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Prometheus text (exposition format 0.0.4) into a growing buffer, without printf on the way of a
 * sample. Not for: which families there are (agent/metrics.h).
 */
#ifndef XMESH_AGENT_METRICS_TEXT_H
#define XMESH_AGENT_METRICS_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "xmesh/latency.h"

/*
 * Buckets of a histogram in the text: one per octave, 1 us to 2^24 us, and +Inf. A quarter of those
 * that are measured: `xmesh latency --json` has them all.
 */
#define METRICS_TEXT_BUCKETS (XM_HIST_OCTAVES + 1)

struct metrics_text {
	char *p;            /* not terminated before metrics_text_end() */
	size_t len, capacity;
	bool failed;        /* out of memory: nothing is added any more */
	const char *name;   /* of the open family */
};

void metrics_text_family(struct metrics_text *t, const char *name, const char *type, const char *help);
/* @labels: pairs of key and value, ended by NULL; NULL = none. Values are escaped. @suffix: "" or "_sum". */
void metrics_text_count(struct metrics_text *t, const char *suffix, const char *const *labels, __u64 value);
void metrics_text_real(struct metrics_text *t, const char *suffix, const char *const *labels, double value);
/* All of a histogram: cumulative buckets, sum in seconds, count. */
void metrics_text_hist(struct metrics_text *t, const char *const *labels, const struct xm_hist *hist);
/* The text, terminated, for the caller to free; NULL when memory ran out. @ret_len may be NULL. */
char *metrics_text_end(struct metrics_text *t, size_t *ret_len);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Events of xm_events as people and programs read them: all of them as a table, or one a line; and which of
 * them are wanted. Not for: waiting for them (cli/cmd_monitor.c).
 */
#ifndef XMESH_CLI_EVENTVIEW_H
#define XMESH_CLI_EVENTVIEW_H

#include <stdio.h>

#include "cli/view.h"

/* Takes the events out of the ring buffer: each is printed once. The caller ends the table. */
int eventview_emit(const struct view *view, struct emit *emit, size_t *ret_n, struct err *err);
int eventview_rate(const struct view *view, struct emit *emit, size_t *ret_n, struct err *err);

struct eventview_filter {
	bool drops, flows;      /* drops: exceptions too */
	bool has_reason, has_addr;
	uint16_t reason;
	uint16_t cluster;       /* 0 = any */
	struct xm_prefix addr;  /* of source, destination or outer source */
};

/* False also for what this build does not know. */
bool eventview_matches(const struct eventview_filter *filter, const struct xm_event *event);
/*
 * The number of a reason that makes events. -EINVAL with a sentence: there is none of that name, or it is
 * only counted.
 */
int eventview_reason(const char *text, uint16_t *ret_reason, struct err *err);
/* One line for people; @wall_ms: of the event, since the epoch. Only of events that match some filter. */
void eventview_line(FILE *out, const struct view *view, const struct xm_event *event, uint64_t wall_ms);
/* One object for programs; a new reference. */
json_object *eventview_json(const struct view *view, const struct xm_event *event, uint64_t wall_ms);
/* "2026-01-31 12:00:00.123", local time. */
const char *eventview_time(uint64_t wall_ms, char buf[40]);

#endif

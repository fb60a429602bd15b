/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is in xm_events and xm_event_rate, as tables. */
#ifndef XMESH_CLI_EVENTVIEW_H
#define XMESH_CLI_EVENTVIEW_H

#include "cli/view.h"

/* Takes the events out of the ring buffer: each is printed once. The caller ends the table. */
int eventview_emit(const struct view *view, struct emit *emit, size_t *ret_n, struct err *err);
int eventview_rate(const struct view *view, struct emit *emit, size_t *ret_n, struct err *err);

#endif

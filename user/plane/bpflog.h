/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What libbpf says, kept for the sentence of an error and never printed: a caller's stderr is not
 * its place. Not for: our own log lines (core/log.h).
 */
#ifndef XMESH_PLANE_BPFLOG_H
#define XMESH_PLANE_BPFLOG_H

/* Silence libbpf for the process and forget what this thread collected. */
void bpflog_begin(void);

/*
 * The end of what libbpf warned about in this thread since bpflog_begin(), from the start of a
 * line, at most @max bytes; "" when it said nothing. Valid until the next bpflog_begin().
 */
const char *bpflog_tail(unsigned int max);

#endif

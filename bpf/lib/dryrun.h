/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a dry run (xm_knobs.dry_run) notes of its packet in xm_trace. In all other loads every line of
 * this is gone. Not for: what it must not write; whoever writes looks at xm_knobs.dry_run itself.
 */
#ifndef BPF_LIB_DRYRUN_H
#define BPF_LIB_DRYRUN_H

#include "maps.h"

/* NULL where this is no dry run. */
static __always_inline struct xm_trace *trace_get(void)
{
	return xm_knobs.dry_run ? bpf_map_lookup_elem(&xm_trace, &key_zero) : 0;
}

/* @hash is going to choose by Maglev, in @size slots of xm_maglev from @first on. */
static __always_inline void trace_choice(__u32 service, __u32 hash, __u32 first, __u32 size)
{
	struct xm_trace *t = trace_get();

	if (!t)
		return;
	t->service = service;
	t->hash = hash;
	t->slot = xm_maglev_slot(hash, size);
	t->slice_slot = first;
	t->slice_size = size;
}

/* What it has chosen. */
static __always_inline void trace_chosen(__u32 backend)
{
	struct xm_trace *t = trace_get();

	if (t)
		t->backend = backend;
}

/* No: the client has affinity. */
static __always_inline void trace_affinity(void)
{
	struct xm_trace *t = trace_get();

	if (!t)
		return;
	t->slice_size = 0;
	t->from_flow = XM_TRACE_AFFINITY;
}

/* An entry of xm_flows decided. */
static __always_inline void trace_flow(__u32 backend)
{
	struct xm_trace *t = trace_get();
	struct xm_backend *b;

	if (!t)
		return;
	t->backend = backend;
	b = bpf_map_lookup_elem(&xm_backends, &t->backend);
	t->service = b ? b->service : 0;
	t->from_flow = XM_TRACE_FLOW;
}

static __always_inline void trace_peer(__u32 number)
{
	struct xm_trace *t = trace_get();

	if (!t)
		return;
	t->peer = number;
	t->has_peer = 1;
}

#endif

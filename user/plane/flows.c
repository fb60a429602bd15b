/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reading and sweeping xm_flows, xm_frags and xm_flow_hint. What makes a flow old: xmesh/flow.h.
 * What makes flows: bpf/lib/flow.h.
 */
#include "plane/flows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "core/defs.h"
#include "plane/actual.h"
#include "plane/mapio.h"

/* As mmap shows it: the kernel rounds an array's elements up to 8 bytes. */
#define HINTS_SIZE (XM_FLOW_HINTS * sizeof(uint64_t))

int flows_read(const struct plane *plane, struct flow_entry **ret_flows, size_t *ret_n, struct err *err)
{
	struct flow_entry *flows;
	struct mapio io;
	size_t i;
	int code;

	code = mapio_read(plane, PLANE_xm_flows, &io, err);
	if (code)
		return code;
	flows = calloc(io.n + 1, sizeof(*flows));
	for (i = 0; flows && i < io.n; i++) {
		flows[i].key = ((const struct xm_flow_key *)io.keys)[i];
		flows[i].flow = ((const struct xm_flow *)io.values)[i];
	}
	*ret_n = flows ? io.n : *ret_n;
	mapio_done(&io);
	if (!flows)
		return err_set(err, -ENOMEM, "out of memory");

	*ret_flows = flows;
	return 0;
}

static bool is_over(uint64_t seen_ns, uint64_t timeout_s, uint64_t now_ns)
{
	/* A packet may have come after the caller looked at the clock. */
	return now_ns > seen_ns && now_ns - seen_ns >= timeout_s * 1000000000ull;
}

bool flow_is_over(const struct flow_entry *entry, uint64_t now_ns)
{
	return is_over(entry->flow.seen_ns,
		       xm_flow_timeout_s(entry->key.proto, entry->flow.kind, entry->flow.flags), now_ns);
}

/* Only user space counts under hook agent, one caller at a time: read, add, write back loses nothing. */
static int count_ended(const struct plane *plane, size_t n, struct err *err)
{
	const uint32_t index = XM_COUNTER_INDEX(XM_HOOK_AGENT, XM_FLOW_ENDED);
	int fd = plane->map_fd[PLANE_xm_counters], cpus = libbpf_num_possible_cpus(), code;
	auto_free struct xm_counter *counters = NULL;

	if (!n)
		return 0;
	counters = calloc(cpus > 0 ? (size_t)cpus : 1, sizeof(*counters));
	if (cpus < 1 || !counters)
		return err_set(err, -ENOMEM, "out of memory");
	code = bpf_map_lookup_elem(fd, &index, counters);
	counters[0].packets += n;
	if (!code)
		code = bpf_map_update_elem(fd, &index, counters, BPF_ANY);
	if (code)
		return err_set(err, code, "cannot count in %s/xm_counters: %s", plane->dir, strerror(-code));
	return 0;
}

/* The pod whose hint stands for the entry: POD: the client; NODE: the backend. EDGE has none. */
static const struct xm_addr *hinted(const struct flow_entry *e)
{
	bool orig = e->key.dir == XM_FLOW_ORIG;

	switch ((enum xm_flow_kind)e->flow.kind) {
	case XM_FLOW_POD:
		return orig ? &e->key.src : &e->key.dst;
	case XM_FLOW_NODE:
		return orig ? &e->flow.addr : &e->key.src;
	case XM_FLOW_EDGE:
		break;
	}
	return NULL;
}

static void set_hints(const struct flow_entry *flows, size_t n, uint64_t now_ns, uint64_t *hints)
{
	for (size_t i = 0; i < n; i++) {
		const struct xm_addr *pod = flow_is_over(&flows[i], now_ns) ? NULL : hinted(&flows[i]);

		if (pod)
			__atomic_store_n(&hints[xm_addr_hash16(pod) & (XM_FLOW_HINTS - 1)], 1,
					 __ATOMIC_RELEASE);
	}
}

/*
 * Hints that no living flow stands behind are cleared. A program may make a flow between our reading
 * and our clearing, and may have found the hint set: so the flows are read once more after the
 * clearing, and what they ask for is set again. A flow made later finds the hint clear and sets it.
 * Until then a reply of such a flow may go untranslated; it is sent again.
 */
static int clear_hints(const struct plane *plane, const struct flow_entry *flows, size_t n,
		       uint64_t now_ns, struct err *err)
{
	auto_free uint64_t *living = calloc(1, HINTS_SIZE);
	auto_free struct flow_entry *again = NULL;
	size_t n_again = 0, cleared = 0, i;
	uint64_t *hints;
	int code = 0;

	if (!living)
		return err_set(err, -ENOMEM, "out of memory");
	set_hints(flows, n, now_ns, living);
	hints = mmap(NULL, HINTS_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
		     plane->map_fd[PLANE_xm_flow_hint], 0);
	if (hints == MAP_FAILED)
		return err_set(err, -errno, "cannot map %s/xm_flow_hint: %s", plane->dir, strerror(errno));
	for (i = 0; i < XM_FLOW_HINTS; i++) {
		if (!hints[i] || living[i])
			continue;
		__atomic_store_n(&hints[i], 0, __ATOMIC_SEQ_CST);
		cleared++;
	}
	if (cleared)
		code = flows_read(plane, &again, &n_again, err);
	if (!code)
		set_hints(again, n_again, now_ns, hints);
	munmap(hints, HINTS_SIZE);
	return code;
}

static int sweep_frags(const struct plane *plane, uint64_t now_ns, struct err *err)
{
	struct mapio io;
	int code;

	code = mapio_read(plane, PLANE_xm_frags, &io, err);
	if (code)
		return code;
	for (size_t i = 0; i < io.n; i++)
		if (is_over(((const struct xm_frag *)io.values)[i].seen_ns, XM_FRAG_S, now_ns))
			bpf_map_delete_elem(plane->map_fd[PLANE_xm_frags],
					    io.keys + i * io.key_size);
	mapio_done(&io);
	return 0;
}

/* Over as of @now_ns, or all with @all. A packet that came since is asked for before the delete. */
static size_t take_out(const struct plane *plane, const struct flow_entry *flows, size_t n,
		       uint64_t now_ns, bool all)
{
	int fd = plane->map_fd[PLANE_xm_flows];
	struct flow_entry now;
	size_t ended = 0;

	for (size_t i = 0; i < n; i++) {
		if (!all && !flow_is_over(&flows[i], now_ns))
			continue;
		now.key = flows[i].key;
		if (!all && (bpf_map_lookup_elem(fd, &now.key, &now.flow) || !flow_is_over(&now, now_ns)))
			continue;
		ended += !bpf_map_delete_elem(fd, &now.key);
	}
	return ended;
}

int flows_sweep(const struct plane *plane, uint64_t now_ns, size_t *ret_ended, struct err *err)
{
	auto_free struct flow_entry *flows = NULL;
	size_t n = 0, ended;
	int code;

	code = flows_read(plane, &flows, &n, err);
	if (code)
		return code;
	ended = take_out(plane, flows, n, now_ns, false);
	code = count_ended(plane, ended, err);
	if (!code)
		code = clear_hints(plane, flows, n, now_ns, err);
	if (!code)
		code = sweep_frags(plane, now_ns, err);
	if (code)
		return code;

	*ret_ended = ended;
	return 0;
}

int flows_flush(const struct plane *plane, size_t *ret_ended, struct err *err)
{
	auto_free struct flow_entry *flows = NULL;
	size_t n = 0, ended;
	int code;

	code = flows_read(plane, &flows, &n, err);
	if (code)
		return code;
	ended = take_out(plane, flows, n, 0, true);
	code = count_ended(plane, ended, err);
	if (code)
		return code;

	*ret_ended = ended;
	return 0;
}

int flows_evicted(const struct plane *plane, uint64_t *ret_entries, uint64_t *ret_evicted, struct err *err)
{
	auto_free struct xm_counter *counters = calloc(XM_COUNTERS, sizeof(*counters));
	uint64_t made = 0, ended = 0;
	struct mapio io;
	int code;

	if (!counters)
		return err_set(err, -ENOMEM, "out of memory");
	code = mapio_read(plane, PLANE_xm_flows, &io, err);
	if (!code)
		code = actual_counters(plane, counters, err);
	if (code)
		return code;
	for (uint32_t hook = 0; hook < XM_HOOK_COUNT; hook++) {
		made += counters[XM_COUNTER_INDEX(hook, XM_FLOW_NEW)].packets;
		ended += counters[XM_COUNTER_INDEX(hook, XM_FLOW_ENDED)].packets;
	}
	*ret_entries = io.n;
	/* Made after the entries were read: no eviction. */
	*ret_evicted = made > ended + io.n ? made - ended - io.n : 0;
	mapio_done(&io);
	return 0;
}

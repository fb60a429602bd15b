/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The ring buffer of drops and exceptions, and the rate limit in front of it. */
#include "cli/eventview.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>

#include "core/addr.h"
#include "core/defs.h"

static const char *const reason_texts[] = {
#define TEXT(name, text, kind, what) text,
	XM_REASONS(TEXT)
#undef TEXT
};
static const char *const hook_texts[] = {
#define HOOK(name, text) text,
	XM_HOOKS(HOOK)
#undef HOOK
};

struct taking {
	const struct view *view;
	struct emit *emit;
	uint64_t now_ns;
	size_t n;
};

static int on_event(void *user, void *data, size_t size)
{
	struct taking *taking = user;
	struct emit *emit = taking->emit;
	const struct xm_event *e = data;
	char text[ADDR_TEXT_MAX];

	/* Written by programs of another build perhaps: the numbers are checked. */
	if (size < sizeof(*e) || e->reason >= XM_REASON_COUNT || e->hook >= XM_HOOK_COUNT)
		return 0;
	emit_row(emit);
	emit_cell_number(emit, e->time_ns);
	emit_cell_age(emit, taking->now_ns > e->time_ns ? (taking->now_ns - e->time_ns) / 1000000000 : 0);
	emit_cell_text(emit, hook_texts[e->hook]);
	emit_cell_text(emit, reason_texts[e->reason]);
	emit_cell_text(emit, view_ifname(e->ifindex, text));
	emit_cell_text(emit, view_addr(&e->src, text));
	emit_cell_number(emit, ntohs(e->sport));
	emit_cell_text(emit, view_addr(&e->dst, text));
	emit_cell_number(emit, ntohs(e->dport));
	emit_cell_number(emit, e->proto);
	emit_cell_number(emit, e->len);
	emit_cell_number(emit, e->limit);
	emit_cell_text(emit, view_addr(&e->outer_src, text));
	emit_cell_text(emit, e->cluster ? view_cluster_name(taking->view, e->cluster) : NULL);
	taking->n++;
	return 0;
}

int eventview_emit(const struct view *view, struct emit *emit, size_t *ret_n, struct err *err)
{
	static const struct emit_column columns[] = {
		{ "time_ns", NULL, true },      { "age_s", "AGE", true },
		{ "hook", "HOOK", false },      { "reason", "REASON", false },
		{ "interface", "INTERFACE", false }, { "source", "SOURCE", false },
		{ "source_port", "SPORT", true }, { "destination", "DESTINATION", false },
		{ "destination_port", "DPORT", true }, { "protocol", "PROTO", true },
		{ "length", "LENGTH", true },   { "limit", "LIMIT", true },
		{ "outer_source", "OUTER SOURCE", false }, { "cluster", "CLUSTER", false },
	};
	struct taking taking = { .view = view, .emit = emit };
	struct ring_buffer *ring;
	struct timespec now;

	emit_table(emit, "entries", NULL, columns, ARRAY_SIZE(columns), "no events");
	clock_gettime(CLOCK_MONOTONIC, &now);
	taking.now_ns = (uint64_t)now.tv_sec * 1000000000u + now.tv_nsec;
	ring = ring_buffer__new(view->plane.map_fd[PLANE_xm_events], on_event, &taking, NULL);
	if (!ring)
		return err_set(err, -errno, "xm_events cannot be read: %s", strerror(errno));
	ring_buffer__consume(ring);
	ring_buffer__free(ring);
	*ret_n = taking.n;
	return 0;
}

int eventview_rate(const struct view *view, struct emit *emit, size_t *ret_n, struct err *err)
{
	static const struct emit_column columns[] = {
		{ "cpu", "CPU", true }, { "window_ns", "WINDOW (NS, MONOTONIC)", true }, { "count", "COUNT", true },
	};
	int n_cpus = libbpf_num_possible_cpus();
	auto_free struct xm_event_rate *rates = n_cpus > 0 ? calloc(n_cpus, sizeof(*rates)) : NULL;
	uint32_t zero = 0;

	emit_table(emit, "entries", NULL, columns, ARRAY_SIZE(columns), "no entries");
	if (!rates)
		return err_set(err, -ENOMEM, "out of memory");
	if (bpf_map_lookup_elem(view->plane.map_fd[PLANE_xm_event_rate], &zero, rates))
		return err_set(err, -errno, "xm_event_rate cannot be read: %s", strerror(errno));
	for (int i = 0; i < n_cpus; i++) {
		emit_row(emit);
		emit_cell_number(emit, i);
		emit_cell_number(emit, rates[i].window_ns);
		emit_cell_number(emit, rates[i].count);
	}
	*ret_n = n_cpus;
	return 0;
}

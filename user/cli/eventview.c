/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The ring buffer of drops and exceptions, and the rate limit in front of it. */
#include "cli/eventview.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include "agent/lock.h"
#include "cli/serviceview.h"
#include "core/addr.h"
#include "core/defs.h"
#include "core/text.h"

static const char *const reason_texts[] = {
#define TEXT(name, text, kind, what) text,
	XM_REASONS(TEXT)
#undef TEXT
};
static const unsigned char reason_kinds[] = {
#define KIND(name, text, kind, what) XM_KIND_##kind,
	XM_REASONS(KIND)
#undef KIND
};
static const char *const reason_whats[] = {
#define WHAT(name, text, kind, what) what,
	XM_REASONS(WHAT)
#undef WHAT
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
	auto_close int lock = -1;
	struct timespec now;
	int code = lock_take_events(view->config, &lock, err);

	if (code)
		return code;
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

/* ---- one by one ------------------------------------------------------------------------------ */

static bool makes_events(uint16_t reason)
{
	return reason_kinds[reason] == XM_KIND_DROP || reason == XM_STACK_TOO_BIG || reason == XM_FLOW_NEW;
}

int eventview_reason(const char *text, uint16_t *ret_reason, struct err *err)
{
	const char *words[XM_REASON_COUNT + 1];
	const char *near;
	size_t n = 0;

	for (uint16_t i = 0; i < XM_REASON_COUNT; i++) {
		if (!strcmp(reason_texts[i], text) && makes_events(i)) {
			*ret_reason = i;
			return 0;
		}
		if (!strcmp(reason_texts[i], text))
			return err_set(err, -EINVAL, "%s is counted (see `xmesh map dump xm_counters`), but makes "
				       "no events", text);
		if (makes_events(i))
			words[n++] = reason_texts[i];
	}
	words[n] = NULL;
	near = text_nearest(text, words);
	return err_set(err, -EINVAL, "there is no reason %s%s%s", text, near ? ": did you mean " : "",
		       near ? near : "");
}

static bool has_addr(const struct xm_prefix *prefix, const struct xm_addr *addr)
{
	return !xm_addr_is_zero(addr) && prefix_contains(prefix, addr);
}

bool eventview_matches(const struct eventview_filter *filter, const struct xm_event *event)
{
	if (event->reason >= XM_REASON_COUNT || event->hook >= XM_HOOK_COUNT)
		return false;
	if (!(event->reason == XM_FLOW_NEW ? filter->flows : filter->drops))
		return false;
	if (filter->has_reason && event->reason != filter->reason)
		return false;
	if (filter->cluster && event->cluster != filter->cluster)
		return false;
	return !filter->has_addr || has_addr(&filter->addr, &event->src) ||
	       has_addr(&filter->addr, &event->dst) || has_addr(&filter->addr, &event->outer_src);
}

static const char *type_text(const struct xm_event *event)
{
	if (event->reason == XM_FLOW_NEW)
		return "flow";
	return reason_kinds[event->reason] == XM_KIND_DROP ? "drop" : "exception";
}

/* The node whose tunnel it came through, NULL when it came through none. */
static const struct xm_node_name *node_of(const struct view *view, const struct xm_addr *outer)
{
	if (xm_addr_is_zero(outer))
		return NULL;
	for (size_t i = 0; i < view->actual->n_names; i++) {
		const struct xm_node_name *name = &view->actual->names[i].name;

		for (uint32_t k = 0; k < MIN(name->n_addrs, (uint32_t)ARRAY_SIZE(name->addr)); k++)
			if (xm_addr_eq(&name->addr[k], outer))
				return name;
	}
	return NULL;
}

const char *eventview_time(uint64_t wall_ms, char buf[40])
{
	time_t seconds = wall_ms / 1000;
	struct tm tm;
	size_t n;

	localtime_r(&seconds, &tm);
	n = strftime(buf, 30, "%F %T", &tm);
	snprintf(buf + n, 40 - n, ".%03u", (unsigned int)(wall_ms % 1000));
	return buf;
}

void eventview_line(FILE *out, const struct view *view, const struct xm_event *event, uint64_t wall_ms)
{
	const struct xm_node_name *node = node_of(view, &event->outer_src);
	char when[40], src[SERVICEVIEW_ENDPOINT_MAX], dst[SERVICEVIEW_ENDPOINT_MAX], text[ADDR_TEXT_MAX], proto[8];

	fprintf(out, "%s %s %s %s", eventview_time(wall_ms, when), type_text(event), hook_texts[event->hook],
		reason_texts[event->reason]);
	if (!xm_addr_is_zero(&event->src) || !xm_addr_is_zero(&event->dst))
		fprintf(out, " %s %s -> %s", serviceview_proto(event->proto, proto),
			serviceview_endpoint(&event->src, event->sport, src),
			serviceview_endpoint(&event->dst, event->dport, dst));
	fprintf(out, ", %u bytes", event->len);
	if (event->limit)
		fprintf(out, " (limit %u)", event->limit);
	if (!xm_addr_is_zero(&event->outer_src))
		fprintf(out, ", from %s", addr_format(&event->outer_src, text));
	if (node)
		fprintf(out, ", node %s", node->name);
	if (event->cluster)
		fprintf(out, ", cluster %s", view_cluster_name(view, event->cluster));
	if (event->ifindex)
		fprintf(out, ", on %s", view_ifname(event->ifindex, text));
	fprintf(out, ": %s\n", reason_whats[event->reason]);
}

static void put_text(json_object *o, const char *key, const char *text)
{
	json_object_object_add(o, key, text ? json_object_new_string(text) : NULL);
}

static void put_number(json_object *o, const char *key, uint64_t n)
{
	json_object_object_add(o, key, json_object_new_uint64(n));
}

json_object *eventview_json(const struct view *view, const struct xm_event *event, uint64_t wall_ms)
{
	const struct xm_node_name *node = node_of(view, &event->outer_src);
	json_object *o = json_object_new_object();
	char text[ADDR_TEXT_MAX], proto[8];

	put_text(o, "type", type_text(event));
	put_number(o, "time_ms", wall_ms);
	put_text(o, "hook", hook_texts[event->hook]);
	put_text(o, "reason", reason_texts[event->reason]);
	put_text(o, "protocol", serviceview_proto(event->proto, proto));
	put_text(o, "source", view_addr(&event->src, text));
	put_number(o, "source_port", ntohs(event->sport));
	put_text(o, "destination", view_addr(&event->dst, text));
	put_number(o, "destination_port", ntohs(event->dport));
	put_number(o, "length", event->len);
	put_number(o, "limit", event->limit);
	put_text(o, "outer_source", view_addr(&event->outer_src, text));
	put_text(o, "node", node ? node->name : NULL);
	put_text(o, "cluster", event->cluster ? view_cluster_name(view, event->cluster) : NULL);
	put_text(o, "interface", event->ifindex ? view_ifname(event->ifindex, text) : NULL);
	return o;
}

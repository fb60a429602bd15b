/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the programs remember of routes and pods: which address, on which CPU, and whether it counts. */
#include "cli/memoview.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "core/addr.h"
#include "core/defs.h"

static int read_epoch(const struct view *view, uint32_t *ret_epoch, struct err *err)
{
	uint32_t zero = 0;

	if (bpf_map_lookup_elem(view->plane.map_fd[PLANE_xm_epoch], &zero, ret_epoch))
		return err_set(err, -errno, "xm_epoch cannot be read: %s", strerror(errno));
	return 0;
}

/* Both memos begin with address and epoch; @write adds the rest of a row. */
static int emit_memo(const struct view *view, enum plane_map map, size_t size,
		     const struct map_key *key,
		     void (*write)(const struct view *, struct emit *, const void *),
		     struct emit *emit, size_t *ret_n, struct err *err)
{
	int n_cpus = libbpf_num_possible_cpus();
	auto_free char *values = n_cpus > 0 ? calloc(n_cpus, size) : NULL;
	char text[ADDR_TEXT_MAX];
	uint32_t epoch;
	size_t n = 0;
	int code;

	if (!values)
		return err_set(err, -ENOMEM, "out of memory");
	code = read_epoch(view, &epoch, err);
	if (code)
		return code;
	for (uint32_t slot = 0; slot < XM_MEMO_SLOTS; slot++) {
		if (key->set && slot != xm_memo_slot(&key->addr))
			continue;
		if (bpf_map_lookup_elem(view->plane.map_fd[map], &slot, values))
			return err_set(err, -errno, "%s cannot be read: %s", plane_map_names[map],
				       strerror(errno));
		for (int cpu = 0; cpu < n_cpus; cpu++) {
			const struct xm_pod_memo *memo = (const void *)(values + cpu * size);

			if (!memo->epoch || (key->set && !xm_addr_eq(&memo->addr, &key->addr)))
				continue;
			emit_row(emit);
			emit_cell_text(emit, addr_format(&memo->addr, text));
			emit_cell_number(emit, cpu);
			emit_cell_bool(emit, memo->epoch == epoch + 1);
			write(view, emit, memo);
			n++;
		}
	}
	*ret_n = n;
	return 0;
}

static void write_route(const struct view *view, struct emit *emit, const void *memo)
{
	const struct xm_route *route = &((const struct xm_route_memo *)memo)->route;

	emit_cell_text(emit, view_cluster_name(view, route->cluster));
	emit_cell_number(emit, route->node);
}

int memoview_routes(const struct view *view, const struct map_key *key, struct emit *emit,
		    size_t *ret_n, struct err *err)
{
	static const struct emit_column columns[] = {
		{ "address", "ADDRESS", false }, { "cpu", "CPU", true },
		{ "valid", "VALID", false },     { "cluster", "CLUSTER", false },
		{ "number", "NUMBER", true },
	};

	emit_table(emit, "entries", NULL, columns, ARRAY_SIZE(columns), "no entries");
	return emit_memo(view, PLANE_xm_route_memo, sizeof(struct xm_route_memo), key, write_route,
			 emit, ret_n, err);
}

static void write_pod(const struct view *view, struct emit *emit, const void *memo)
{
	const struct xm_pod *pod = &((const struct xm_pod_memo *)memo)->pod;
	char name[IF_NAMESIZE];

	emit_cell_number(emit, pod->ifindex);
	emit_cell_text(emit, if_indextoname(pod->ifindex, name) ? name : "");
}

int memoview_pods(const struct view *view, const struct map_key *key, struct emit *emit,
		  size_t *ret_n, struct err *err)
{
	static const struct emit_column columns[] = {
		{ "address", "ADDRESS", false }, { "cpu", "CPU", true },
		{ "valid", "VALID", false },     { "ifindex", "IFINDEX", true },
		{ "interface", "INTERFACE", false },
	};

	emit_table(emit, "entries", NULL, columns, ARRAY_SIZE(columns), "no entries");
	return emit_memo(view, PLANE_xm_pod_memo, sizeof(struct xm_pod_memo), key, write_pod, emit,
			 ret_n, err);
}

int memoview_epoch(const struct view *view, struct emit *emit, size_t *ret_n, struct err *err)
{
	static const struct emit_column columns[] = { { "epoch", "EPOCH", true } };
	uint32_t epoch;
	int code = read_epoch(view, &epoch, err);

	emit_table(emit, "entries", NULL, columns, ARRAY_SIZE(columns), "no entries");
	if (code)
		return code;
	emit_row(emit);
	emit_cell_number(emit, epoch);
	*ret_n = 1;
	return 0;
}

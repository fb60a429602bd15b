/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The source check's memory: which address each interface sent from last, on which CPU. */
#include "cli/sourceview.h"

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

	if (bpf_map_lookup_elem(view->plane.map_fd[PLANE_xm_pods_epoch], &zero, ret_epoch))
		return err_set(err, -errno, "xm_pods_epoch cannot be read: %s", strerror(errno));
	return 0;
}

static void emit_source(struct emit *emit, const struct xm_source *source, int cpu, uint32_t epoch)
{
	char text[ADDR_TEXT_MAX], name[IF_NAMESIZE];

	emit_row(emit);
	emit_cell_number(emit, source->ifindex);
	emit_cell_text(emit, if_indextoname(source->ifindex, name) ? name : "");
	emit_cell_text(emit, addr_format(&source->addr, text));
	emit_cell_number(emit, cpu);
	emit_cell_bool(emit, source->epoch == epoch);
}

int sourceview_emit(const struct view *view, const struct map_key *key, struct emit *emit, size_t *ret_n,
		    struct err *err)
{
	static const struct emit_column columns[] = {
		{ "ifindex", "IFINDEX", true }, { "interface", "INTERFACE", false },
		{ "address", "ADDRESS", false }, { "cpu", "CPU", true }, { "valid", "VALID", false },
	};
	int n_cpus = libbpf_num_possible_cpus();
	auto_free struct xm_source *sources = n_cpus > 0 ? calloc(n_cpus, sizeof(*sources)) : NULL;
	uint32_t epoch;
	size_t n = 0;
	int code;

	emit_table(emit, "entries", NULL, columns, ARRAY_SIZE(columns), "no entries");
	if (!sources)
		return err_set(err, -ENOMEM, "out of memory");
	code = read_epoch(view, &epoch, err);
	if (code)
		return code;
	for (uint32_t slot = 0; slot < XM_SOURCE_SLOTS; slot++) {
		if (key->set && slot != XM_SOURCE_SLOT(key->number, 0) && slot != XM_SOURCE_SLOT(key->number, 1))
			continue;
		if (bpf_map_lookup_elem(view->plane.map_fd[PLANE_xm_sources], &slot, sources))
			return err_set(err, -errno, "xm_sources cannot be read: %s", strerror(errno));
		for (int cpu = 0; cpu < n_cpus; cpu++) {
			if (!sources[cpu].ifindex || (key->set && sources[cpu].ifindex != key->number))
				continue;
			emit_source(emit, &sources[cpu], cpu, epoch);
			n++;
		}
	}
	*ret_n = n;
	return 0;
}

int sourceview_epoch(const struct view *view, struct emit *emit, size_t *ret_n, struct err *err)
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

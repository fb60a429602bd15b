/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the files behind cli/mapview.h share. Not for: anyone but mapview*.c. */
#ifndef XMESH_CLI_MAPVIEW_PARTS_H
#define XMESH_CLI_MAPVIEW_PARTS_H

#include "cli/mapview.h"
#include "core/defs.h"

/* By enum xm_reason and enum xm_hook. mapview_key.c */
extern const char *const mapview_reasons[XM_REASON_COUNT];
extern const char *const mapview_hooks[XM_HOOK_COUNT];

/* One table on its way out. */
struct mapview_out {
	const struct view *view;
	const struct map_key *key;
	struct emit *emit;
	size_t n;
};

#define MAPVIEW_TABLE(out, columns)                                                                \
	emit_table((out)->emit, "entries", NULL, columns, ARRAY_SIZE(columns),                     \
		   (out)->key->set ? NULL : "no entries")

static inline void mapview_row(struct mapview_out *out)
{
	emit_row(out->emit);
	out->n++;
}

static inline bool mapview_wants_number(const struct mapview_out *out, uint32_t number)
{
	return !out->key->set || out->key->number == number;
}

static inline bool mapview_wants_addr(const struct mapview_out *out, const struct xm_addr *addr)
{
	return !out->key->set || xm_addr_eq(&out->key->addr, addr);
}

/* The cells of a next hop: via, interface, mtu, vtep_mac. */
void mapview_cells_path(struct mapview_out *out, const struct xm_route *route);

/* mapview_node.c */
int mapview_paths(struct mapview_out *out, struct err *err);
int mapview_probes(struct mapview_out *out, struct err *err);
/* mapview_service.c */
int mapview_services(struct mapview_out *out, struct err *err);
int mapview_maglev(struct mapview_out *out, struct err *err);
int mapview_backends(struct mapview_out *out, struct err *err);
int mapview_service_names(struct mapview_out *out, struct err *err);
int mapview_vip_filter(struct mapview_out *out, struct err *err);
/* mapview_flow.c */
int mapview_affinity(struct mapview_out *out, struct err *err);
int mapview_sock_origin(struct mapview_out *out, struct err *err);
int mapview_flows(struct mapview_out *out, struct err *err);
int mapview_frags(struct mapview_out *out, struct err *err);
int mapview_flow_hint(struct mapview_out *out, struct err *err);
/* mapview_latency.c; @hooks: their names, by enum xm_hook */
int mapview_latency(struct mapview_out *out, struct err *err);
int mapview_syn(struct mapview_out *out, struct err *err);
int mapview_syn_timeouts(struct mapview_out *out, struct err *err);
int mapview_probe_rtt(struct mapview_out *out, struct err *err);
int mapview_program_time(struct mapview_out *out, const char *const *hooks, struct err *err);
int mapview_watch(struct mapview_out *out, struct err *err);

#endif

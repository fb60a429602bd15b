/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the programs remember of clients: xm_flows, xm_frags, xm_affinity, xm_sock_origin, hints. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/mapview_parts.h"
#include "cli/serviceview.h"
#include "core/addr.h"
#include "plane/flows.h"
#include "plane/mapio.h"

/* Seconds since @seen_ns of the monotonic clock. */
static uint64_t idle_s(uint64_t seen_ns)
{
	struct timespec ts;
	uint64_t now;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	now = (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
	return now > seen_ns ? (now - seen_ns) / 1000000000u : 0;
}

/* "netns COOKIE" for clients at sockets (bpf/socket.h), no address begins so; else the address. */
static const char *client_text(const struct xm_addr *client, char buf[ADDR_TEXT_MAX])
{
	if (client->d[0] < UINT64_MAX - 1)
		return addr_format(client, buf);
	snprintf(buf, ADDR_TEXT_MAX, "netns %llu", (unsigned long long)client->d[1]);
	return buf;
}

int mapview_affinity(struct mapview_out *out, struct err *err)
{
	static const struct emit_column columns[] = {
		{ "client", "CLIENT", false },	 { "service", "SERVICE", true },
		{ "port", "PORT", true },	 { "protocol", "PROTOCOL", false },
		{ "scope", "SCOPE", false },	 { "backend", "BACKEND", true },
		{ "generation", "GENERATION", true }, { "idle_s", "IDLE", true },
	};
	char text[ADDR_TEXT_MAX], proto[8];
	struct mapio io;
	int code;

	MAPVIEW_TABLE(out, columns);
	code = mapio_read(&out->view->plane, PLANE_xm_affinity, &io, err);
	if (code)
		return code;
	for (size_t i = 0; i < io.n; i++) {
		const struct xm_affinity_key *k = &((const struct xm_affinity_key *)io.keys)[i];
		const struct xm_affinity *v = &((const struct xm_affinity *)io.values)[i];

		if (!mapview_wants_addr(out, &k->client))
			continue;
		mapview_row(out);
		emit_cell_text(out->emit, client_text(&k->client, text));
		emit_cell_number(out->emit, k->service);
		emit_cell_number(out->emit, ntohs(k->port));
		emit_cell_text(out->emit, serviceview_proto(k->proto, proto));
		emit_cell_text(out->emit, serviceview_scope(k->scope));
		emit_cell_number(out->emit, v->backend);
		emit_cell_number(out->emit, v->generation);
		emit_cell_age(out->emit, idle_s(v->seen_ns));
	}
	mapio_done(&io);
	return 0;
}

int mapview_sock_origin(struct mapview_out *out, struct err *err)
{
	static const struct emit_column columns[] = {
		{ "cookie", "COOKIE", true }, { "peer", "PEER", false }, { "vip", "VIP", false },
		{ "service", "SERVICE", true }, { "backend", "BACKEND", true },
		{ "generation", "GENERATION", true },
	};
	char peer[SERVICEVIEW_ENDPOINT_MAX], vip[SERVICEVIEW_ENDPOINT_MAX];
	struct mapio io;
	int code;

	MAPVIEW_TABLE(out, columns);
	code = mapio_read(&out->view->plane, PLANE_xm_sock_origin, &io, err);
	if (code)
		return code;
	for (size_t i = 0; i < io.n; i++) {
		const struct xm_sock_key *k = &((const struct xm_sock_key *)io.keys)[i];
		const struct xm_sock_origin *v = &((const struct xm_sock_origin *)io.values)[i];

		if (!mapview_wants_addr(out, &k->addr))
			continue;
		mapview_row(out);
		emit_cell_number(out->emit, k->cookie);
		emit_cell_text(out->emit, serviceview_endpoint(&k->addr, k->port, peer));
		emit_cell_text(out->emit, serviceview_endpoint(&v->vip, v->port, vip));
		emit_cell_number(out->emit, v->service);
		emit_cell_number(out->emit, v->backend);
		emit_cell_number(out->emit, v->generation);
	}
	mapio_done(&io);
	return 0;
}

int mapview_flows(struct mapview_out *out, struct err *err)
{
	static const struct emit_column columns[] = {
		{ "direction", "DIRECTION", false }, { "protocol", "PROTOCOL", false },
		{ "source", "SOURCE", false },	     { "destination", "DESTINATION", false },
		{ "kind", "KIND", false },	     { "translation", "TRANSLATION", false },
		{ "node", "NODE", false },	     { "backend", "BACKEND", true },
		{ "generation", "GENERATION", true }, { "state", "STATE", false },
		{ "hairpin", NULL, false },	     { "via_entry", NULL, false },
		{ "idle_s", "IDLE", true },
	};
	auto_free struct flow_entry *flows = NULL;
	char a[SERVICEVIEW_ENDPOINT_MAX], b[SERVICEVIEW_ENDPOINT_MAX], proto[8];
	size_t n;
	int code;

	MAPVIEW_TABLE(out, columns);
	code = flows_read(&out->view->plane, &flows, &n, err);
	if (code)
		return code;
	for (size_t i = 0; i < n; i++) {
		const struct xm_flow_key *k = &flows[i].key;
		const struct xm_flow *f = &flows[i].flow;

		if (!mapview_wants_addr(out, &k->src) && !mapview_wants_addr(out, &k->dst))
			continue;
		mapview_row(out);
		emit_cell_text(out->emit, k->dir == XM_FLOW_ORIG ? "orig" : "reply");
		emit_cell_text(out->emit, serviceview_proto(k->proto, proto));
		emit_cell_text(out->emit, serviceview_endpoint(&k->src, k->sport, a));
		emit_cell_text(out->emit, serviceview_endpoint(&k->dst, k->dport, b));
		emit_cell_text(out->emit, serviceview_flow_kind(f->kind));
		emit_cell_text(out->emit, f->kind == XM_FLOW_EDGE ?
						  NULL :
						  serviceview_endpoint(&f->addr, f->port, a));
		emit_cell_text(out->emit, f->node ? view_node_name(out->view, f->node) : NULL);
		emit_cell_number(out->emit, f->backend);
		emit_cell_number(out->emit, f->generation);
		emit_cell_text(out->emit, serviceview_flow_state(k, f));
		emit_cell_bool(out->emit, f->flags & XM_FLOW_HAIRPIN);
		emit_cell_bool(out->emit, f->flags & XM_FLOW_VIA_ENTRY);
		emit_cell_age(out->emit, idle_s(f->seen_ns));
	}
	return 0;
}

int mapview_frags(struct mapview_out *out, struct err *err)
{
	static const struct emit_column columns[] = {
		{ "source", "SOURCE", false }, { "destination", "DESTINATION", false },
		{ "id", "ID", true }, { "protocol", "PROTOCOL", false }, { "age_s", "AGE", true },
	};
	char src[SERVICEVIEW_ENDPOINT_MAX], dst[SERVICEVIEW_ENDPOINT_MAX], proto[8];
	struct mapio io;
	int code;

	MAPVIEW_TABLE(out, columns);
	code = mapio_read(&out->view->plane, PLANE_xm_frags, &io, err);
	if (code)
		return code;
	for (size_t i = 0; i < io.n; i++) {
		const struct xm_frag_key *k = &((const struct xm_frag_key *)io.keys)[i];
		const struct xm_frag *v = &((const struct xm_frag *)io.values)[i];
		struct xm_addr from = xm_addr_v4(k->src), to = xm_addr_v4(k->dst);

		if (!mapview_wants_addr(out, &from) && !mapview_wants_addr(out, &to))
			continue;
		mapview_row(out);
		emit_cell_text(out->emit, serviceview_endpoint(&from, v->sport, src));
		emit_cell_text(out->emit, serviceview_endpoint(&to, v->dport, dst));
		emit_cell_number(out->emit, ntohs(k->id));
		emit_cell_text(out->emit, serviceview_proto(k->proto, proto));
		emit_cell_age(out->emit, idle_s(v->seen_ns));
	}
	mapio_done(&io);
	return 0;
}

int mapview_flow_hint(struct mapview_out *out, struct err *err)
{
	static const struct emit_column columns[] = {
		{ "slot", "SLOT", true }, { "pods", "PODS", false },
	};
	const struct view *view = out->view;

	MAPVIEW_TABLE(out, columns);
	for (uint32_t slot = 0; slot < XM_FLOW_HINTS; slot++) {
		char pods[4 * ADDR_TEXT_MAX] = "", text[ADDR_TEXT_MAX];
		size_t len = 0;
		uint32_t set;

		if (!mapview_wants_number(out, slot))
			continue;
		if (bpf_map_lookup_elem(view->plane.map_fd[PLANE_xm_flow_hint], &slot, &set))
			return err_set(err, -errno, "xm_flow_hint cannot be read: %s",
				       strerror(errno));
		if (!set)
			continue;
		for (size_t i = 0; i < view->actual->n_pods && len < sizeof(pods); i++)
			if (xm_addr_hash16(&view->actual->pods[i].addr) == slot)
				len += (size_t)snprintf(pods + len, sizeof(pods) - len, "%s%s",
							len ? " " : "",
							addr_format(&view->actual->pods[i].addr,
								    text));
		mapview_row(out);
		emit_cell_number(out->emit, slot);
		emit_cell_text(out->emit, len ? pods : NULL);
	}
	return 0;
}

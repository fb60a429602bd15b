/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* xm_services, xm_maglev, xm_backends, xm_service_names, xm_vip_filter as tables. */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/mapview_parts.h"
#include "cli/serviceview.h"
#include "core/addr.h"
#include "plane/balance.h"

static void free_tables(struct service_tables **tables)
{
	service_tables_free(*tables);
}

#define SLOTS_AT_ONCE 65536u
#define auto_tables __attribute__((cleanup(free_tables)))

static void service_text(const struct service_entry *s, char *buf, size_t size)
{
	snprintf(buf, size, "%.63s/%.63s", s->name.space, s->name.name);
}

int mapview_services(struct mapview_out *out, struct err *err)
{
	static const struct emit_column columns[] = {
		{ "frontend", "FRONTEND", false }, { "protocol", "PROTOCOL", false },
		{ "scope", "SCOPE", false },	   { "cluster", "CLUSTER", false },
		{ "service", "SERVICE", false },   { "number", "NUMBER", true },
		{ "kind", "KIND", false },	   { "targets", "TARGETS", true },
		{ "slot", "SLOT", true },	   { "slots", "SLOTS", true },
		{ "affinity_s", "AFFINITY", true }, { "age_s", "AGE", true },
	};
	auto_tables struct service_tables *tables = NULL;
	char text[SERVICEVIEW_ENDPOINT_MAX], name[132], proto[8];
	int code;

	MAPVIEW_TABLE(out, columns);
	code = balance_read(&out->view->plane, &tables, err);
	if (code)
		return code;
	for (size_t i = 0; i < tables->n_services; i++) {
		const struct service_entry *s = &tables->services[i];

		service_text(s, name, sizeof(name));
		for (size_t k = 0; k < s->n_frontends; k++) {
			const struct service_frontend_entry *f = &s->frontends[k];

			if (!mapview_wants_addr(out, &f->key.addr))
				continue;
			mapview_row(out);
			emit_cell_text(out->emit,
				       serviceview_endpoint(&f->key.addr, f->key.port, text));
			emit_cell_text(out->emit, serviceview_proto(f->key.proto, proto));
			emit_cell_text(out->emit, serviceview_scope(f->key.scope));
			emit_cell_text(out->emit, view_cluster_name(out->view, f->key.cluster));
			emit_cell_text(out->emit, name);
			emit_cell_number(out->emit, f->service.number);
			emit_cell_text(out->emit, serviceview_kind(f->service.kind));
			emit_cell_number(out->emit, f->service.n_targets);
			emit_cell_number(out->emit, f->service.where >> 32);
			emit_cell_number(out->emit, (uint32_t)f->service.where);
			emit_cell_number(out->emit, f->service.affinity_s);
			emit_cell_age(out->emit, view_age(out->view, f->service.since_s));
		}
	}
	return 0;
}

int mapview_maglev(struct mapview_out *out, struct err *err)
{
	static const struct emit_column columns[] = {
		{ "slot", "SLOT", true }, { "backend", "BACKEND", true },
	};
	const uint32_t first = out->key->set ? out->key->number : 0;
	auto_free uint32_t *numbers = calloc(SLOTS_AT_ONCE, sizeof(*numbers));
	auto_tables struct service_tables *tables = NULL;
	uint32_t end = out->key->set ? first + 1 : 0, n;
	int code;

	MAPVIEW_TABLE(out, columns);
	if (!numbers)
		return err_set(err, -ENOMEM, "out of memory");
	/* Behind the last slice there is nothing: most of the array is never looked at. */
	code = balance_read(&out->view->plane, &tables, err);
	if (code)
		return code;
	for (size_t i = 0; !out->key->set && i < tables->n_services; i++)
		for (size_t k = 0; k < tables->services[i].n_frontends; k++) {
			uint64_t where = tables->services[i].frontends[k].service.where;

			end = MAX(end, (uint32_t)(where >> 32) + (uint32_t)where);
		}
	end = MIN(end, XM_MAGLEV_SLOTS);
	for (uint32_t slot = first; slot < end; slot += n) {
		n = MIN(end - slot, SLOTS_AT_ONCE);
		code = balance_slots(&out->view->plane, slot, n, numbers, err);
		if (code)
			return code;
		for (uint32_t i = 0; i < n; i++) {
			if (!numbers[i] && !out->key->set)
				continue;
			mapview_row(out);
			emit_cell_number(out->emit, slot + i);
			emit_cell_number(out->emit, numbers[i]);
		}
	}
	return 0;
}

int mapview_backends(struct mapview_out *out, struct err *err)
{
	static const struct emit_column columns[] = {
		{ "number", "NUMBER", true },	{ "service", "SERVICE", false },
		{ "address", "ADDRESS", false }, { "protocol", "PROTOCOL", false },
		{ "cluster", "CLUSTER", false }, { "node", "NODE", false },
		{ "state", "STATE", false },	{ "why", "WHY", false },
		{ "is_node", "IS NODE", false }, { "local", "LOCAL", false },
		{ "generation", "GENERATION", true }, { "age_s", "AGE", true },
	};
	auto_tables struct service_tables *tables = NULL;
	char text[SERVICEVIEW_ENDPOINT_MAX], name[132], proto[8];
	int code;

	MAPVIEW_TABLE(out, columns);
	code = balance_read(&out->view->plane, &tables, err);
	if (code)
		return code;
	for (size_t i = 0; i < tables->n_services; i++) {
		const struct service_entry *s = &tables->services[i];

		service_text(s, name, sizeof(name));
		for (size_t k = 0; k < s->n_backends; k++) {
			const struct xm_backend *b = &s->backends[k].backend;

			if (!mapview_wants_number(out, s->backends[k].number))
				continue;
			mapview_row(out);
			emit_cell_number(out->emit, s->backends[k].number);
			emit_cell_text(out->emit, name);
			emit_cell_text(out->emit, serviceview_endpoint(&b->addr, b->port, text));
			emit_cell_text(out->emit, serviceview_proto(b->proto, proto));
			emit_cell_text(out->emit, view_cluster_name(out->view, b->cluster));
			emit_cell_text(out->emit, b->node ? view_node_name(out->view, b->node) : NULL);
			emit_cell_text(out->emit, serviceview_state(b->state));
			emit_cell_text(out->emit, serviceview_why(b->why));
			emit_cell_bool(out->emit, b->flags & XM_BACKEND_IS_NODE);
			emit_cell_bool(out->emit, b->flags & XM_BACKEND_IS_LOCAL);
			emit_cell_number(out->emit, b->generation);
			emit_cell_age(out->emit, view_age(out->view, b->since_s));
		}
	}
	return 0;
}

int mapview_service_names(struct mapview_out *out, struct err *err)
{
	static const struct emit_column columns[] = {
		{ "number", "NUMBER", true },	{ "service", "SERVICE", false },
		{ "prefer", "PREFER", false },	{ "weights", "WEIGHTS", false },
		{ "affinity_s", "AFFINITY", true }, { "age_s", "AGE", true },
	};
	auto_tables struct service_tables *tables = NULL;
	char name[132];
	int code;

	MAPVIEW_TABLE(out, columns);
	code = balance_read(&out->view->plane, &tables, err);
	if (code)
		return code;
	for (size_t i = 0; i < tables->n_services; i++) {
		const struct service_entry *s = &tables->services[i];

		if (!mapview_wants_number(out, s->number))
			continue;
		service_text(s, name, sizeof(name));
		mapview_row(out);
		emit_cell_number(out->emit, s->number);
		emit_cell_text(out->emit, name);
		emit_cell_text(out->emit, s->name.prefer[0] ? s->name.prefer : NULL);
		emit_cell_text(out->emit, s->name.weights[0] ? s->name.weights : NULL);
		emit_cell_number(out->emit, s->name.affinity_s);
		emit_cell_age(out->emit, view_age(out->view, s->name.since_s));
	}
	return 0;
}

static uint64_t count_bits(const __u64 *bits)
{
	uint64_t n = 0;

	for (size_t i = 0; i < XM_VIP_FILTER_BITS / 64; i++)
		n += (uint64_t)__builtin_popcountll(bits[i]);
	return n;
}

int mapview_vip_filter(struct mapview_out *out, struct err *err)
{
	static const struct emit_column columns[] = {
		{ "scope", "SCOPE", false }, { "bits_set", "BITS SET", true }, { "bits", "OF", true },
	};
	auto_free struct xm_vip_filter *filter = calloc(1, sizeof(*filter));
	uint32_t zero = 0;

	MAPVIEW_TABLE(out, columns);
	if (!filter)
		return err_set(err, -ENOMEM, "out of memory");
	if (bpf_map_lookup_elem(out->view->plane.map_fd[PLANE_xm_vip_filter], &zero, filter))
		return err_set(err, -errno, "xm_vip_filter cannot be read: %s", strerror(errno));
	for (uint8_t scope = XM_SCOPE_CLIENT; scope <= XM_SCOPE_NODE; scope++) {
		mapview_row(out);
		emit_cell_text(out->emit, serviceview_scope(scope));
		emit_cell_number(out->emit, count_bits(scope == XM_SCOPE_CLIENT ? filter->client :
						       scope == XM_SCOPE_EDGE	? filter->edge :
										  filter->node));
		emit_cell_number(out->emit, XM_VIP_FILTER_BITS);
	}
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Services and slices out of pinned tables: such that services_update() makes of them what is
 * installed. What is pinned is input: text is not trusted to end, counts are bounded.
 */
#include "model/recover_services.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/defs.h"
#include "core/vec.h"
#include "model/policy.h"

static const char *node_name(const struct wanted *actual, uint32_t number)
{
	size_t low = 0, high = actual->n_names;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (actual->names[mid].number < number)
			low = mid + 1;
		else
			high = mid;
	}
	return number && low < actual->n_names && actual->names[low].number == number
		       ? actual->names[low].name.name : NULL;
}

static bool is_endpoint(const struct service_backend_entry *e)
{
	const struct xm_backend *b = &e->backend;

	return !(b->flags & XM_BACKEND_IS_NODE) && b->state != XM_BACKEND_GONE &&
	       b->state != XM_BACKEND_FREE;
}

static bool same_group(const struct xm_backend *a, const struct xm_backend *b)
{
	return a->proto == b->proto && a->port_name == b->port_name &&
	       !xm_addr_is_v4(&a->addr) == !xm_addr_is_v4(&b->addr);
}

/* Those that others were preferred to were as good as those that were chosen. */
static bool last_resort(const struct service_entry *entry, const struct xm_backend *b)
{
	for (size_t i = 0; i < entry->n_backends; i++)
		if (is_endpoint(&entry->backends[i]) && same_group(&entry->backends[i].backend, b) &&
		    entry->backends[i].backend.why == XM_WHY_LAST_RESORT_TERMINATING)
			return true;
	return false;
}

static void conditions(const struct service_entry *entry, const struct xm_backend *b,
		       struct endpoint_object *e)
{
	bool chosen_among = b->why == XM_WHY_OTHER_TIER || b->why == XM_WHY_OTHER_WEIGHTED;

	e->ready = e->serving = true;
	if (b->why == XM_WHY_LAST_RESORT_TERMINATING || b->why == XM_WHY_READY_ELSEWHERE ||
	    (chosen_among && last_resort(entry, b))) {
		e->ready = false;
		e->terminating = true;
	} else if (b->why == XM_WHY_NOT_READY) {
		e->ready = e->serving = false;
	} else if (b->why == XM_WHY_TERMINATING) {
		e->ready = e->serving = false;
		e->terminating = true;
	}
}

/* One slice per port, with all endpoints that serve it. */
static int fill_slices(const struct wanted *actual, const struct service_entry *entry,
		       uint16_t cluster, const struct service_object *o, struct snapshot *s)
{
	size_t first = s->n_slices;

	for (size_t i = 0; i < entry->n_backends; i++) {
		const struct xm_backend *b = &entry->backends[i].backend;
		const char *node = node_name(actual, b->node);
		struct endpoint_object e = { .addr = b->addr };
		struct slice_object *slice = NULL;

		if (!is_endpoint(&entry->backends[i]) || b->cluster != cluster)
			continue;
		for (size_t k = first; k < s->n_slices && !slice; k++)
			if (s->slices[k].ports[0].name == b->port_name &&
			    s->slices[k].ports[0].proto == b->proto &&
			    s->slices[k].ports[0].port == ntohs(b->port))
				slice = &s->slices[k];
		if (!slice) {
			if (vec_grow(&s->slices, s->n_slices, sizeof(*s->slices)))
				return -ENOMEM;
			slice = &s->slices[s->n_slices++];
			memset(slice, 0, sizeof(*slice));
			memcpy(slice->space, o->space, sizeof(slice->space));
			memcpy(slice->service, o->name, sizeof(slice->service));
			slice->ports = calloc(1, sizeof(*slice->ports));
			if (!slice->ports)
				return -ENOMEM;
			slice->ports[slice->n_ports++] = (struct port_object){
				.name = b->port_name, .port = ntohs(b->port), .proto = b->proto };
		}
		conditions(entry, b, &e);
		e.node = node ? strndup(node, XM_NAME_LEN - 1) : NULL;
		if ((node && !e.node) ||
		    vec_grow(&slice->endpoints, slice->n_endpoints, sizeof(*slice->endpoints))) {
			free(e.node);
			return -ENOMEM;
		}
		slice->endpoints[slice->n_endpoints++] = e;
	}
	return 0;
}

/*
 * The name of a frontend's port: as its slice says; for one without, that of the backends with its
 * number, else of any with its protocol.
 */
static uint32_t port_name(const struct service_entry *entry, const struct service_frontend_entry *f)
{
	uint32_t name = xm_port_name_hash("");
	bool found = false;

	/* Another frontend of the same port may have a slice that is not empty. */
	for (size_t i = 0; i < entry->n_frontends; i++)
		if (entry->frontends[i].port_name && entry->frontends[i].key.port == f->key.port &&
		    entry->frontends[i].key.proto == f->key.proto &&
		    entry->frontends[i].key.cluster == f->key.cluster)
			return entry->frontends[i].port_name;
	for (size_t i = 0; i < entry->n_backends; i++) {
		const struct xm_backend *b = &entry->backends[i].backend;

		if (!is_endpoint(&entry->backends[i]) || b->proto != f->key.proto)
			continue;
		if (b->port == f->key.port)
			return b->port_name;
		if (!found)
			name = b->port_name;
		found = true;
	}
	return name;
}

static int fill_frontends(const struct service_entry *entry, uint16_t cluster, bool own,
			  struct service_object *o)
{
	for (size_t i = 0; i < entry->n_frontends; i++) {
		const struct service_frontend_entry *f = &entry->frontends[i];
		struct port_object port = { .port = ntohs(f->key.port), .proto = f->key.proto };
		bool vip = false, known = false;

		/* What is served at the edge is a client's VIP, or a node's of a peer, too. */
		if (f->key.cluster != cluster || f->key.scope == XM_SCOPE_EDGE)
			continue;
		for (size_t k = 0; k < o->n_vips; k++)
			vip |= xm_addr_eq(&o->vips[k].addr, &f->key.addr);
		if (!vip && o->n_vips < SNAPSHOT_MAX_VIPS) {
			if (vec_grow(&o->vips, o->n_vips, sizeof(*o->vips)))
				return -ENOMEM;
			o->vips[o->n_vips++] = (struct vip_object){ f->key.addr, f->service.kind };
		}
		for (size_t k = 0; k < o->n_ports; k++)
			known |= o->ports[k].port == port.port && o->ports[k].proto == port.proto;
		if (!known && o->n_ports < SNAPSHOT_MAX_PORTS) {
			port.name = port_name(entry, f);
			if (vec_grow(&o->ports, o->n_ports, sizeof(*o->ports)))
				return -ENOMEM;
			o->ports[o->n_ports++] = port;
		}
		if (f->service.kind == XM_VIP_CLUSTERSET_IP) {
			o->imported = own;
		} else {
			o->has_service = o->global = true;
		}
	}
	return 0;
}

static int fill_policy(const struct xm_service_name *name, struct service_object *o)
{
	char prefer[sizeof(name->prefer) + 1], weights[sizeof(name->weights) + 1];
	int rc;

	snprintf(prefer, sizeof(prefer), "%.*s", (int)sizeof(name->prefer), name->prefer);
	snprintf(weights, sizeof(weights), "%.*s", (int)sizeof(name->weights), name->weights);
	/* A text that was cut for want of room is no policy: then that of a service without one. */
	rc = policy_parse_prefer(prefer, &o->prefer, &o->n_prefer, NULL);
	o->nearest = policy_is_nearest(weights);
	if ((!rc || rc == -EINVAL) && !o->nearest)
		rc = policy_parse_weights(weights, &o->weights, &o->n_weights, NULL);
	o->affinity_s = name->affinity_s;
	return rc == -EINVAL ? 0 : rc;
}

static int fill_service(const struct wanted *actual, const struct service_entry *entry,
			uint16_t cluster, bool own, struct snapshot *s)
{
	struct service_object *o;
	bool any = false;
	int rc;

	if (vec_grow(&s->services, s->n_services, sizeof(*s->services)))
		return -ENOMEM;
	o = &s->services[s->n_services];
	memset(o, 0, sizeof(*o));
	snprintf(o->space, sizeof(o->space), "%.63s", entry->name.space);
	snprintf(o->name, sizeof(o->name), "%.63s", entry->name.name);
	snprintf(o->source, sizeof(o->source), "pinned state");
	o->shared = true;
	s->n_services++;
	for (size_t i = 0; i < entry->n_backends; i++) {
		const struct service_backend_entry *e = &entry->backends[i];

		if (!is_endpoint(e) || e->backend.cluster != cluster)
			continue;
		any = o->global = true;
		o->shared = o->shared && e->backend.why != XM_WHY_NOT_SHARED;
	}
	rc = fill_frontends(entry, cluster, own, o);
	if (!rc && own)
		rc = fill_policy(&entry->name, o);
	if (!rc && any)
		rc = fill_slices(actual, entry, cluster, o, s);
	return rc;
}

static bool concerns(const struct service_entry *entry, uint16_t cluster)
{
	for (size_t i = 0; i < entry->n_frontends; i++)
		if (entry->frontends[i].key.cluster == cluster)
			return true;
	for (size_t i = 0; i < entry->n_backends; i++)
		if (is_endpoint(&entry->backends[i]) && entry->backends[i].backend.cluster == cluster)
			return true;
	return false;
}

int recover_services(const struct wanted *actual, const struct service_tables *tables,
		     uint16_t cluster, bool own, struct snapshot *s)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < tables->n_services; i++)
		if (concerns(&tables->services[i], cluster))
			rc = fill_service(actual, &tables->services[i], cluster, own, s);
	s->counts.services = s->n_services;
	for (size_t i = 0; i < s->n_services; i++)
		s->counts.global_services += s->services[i].global;
	return rc;
}

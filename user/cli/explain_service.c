/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which service and backend a packet got, with the arithmetic that led there, in words. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "cli/explain.h"
#include "cli/serviceview.h"
#include "core/addr.h"
#include "core/defs.h"

static const struct service_entry *service_by(const struct explain_case *c, uint32_t number)
{
	for (size_t i = 0; number && i < c->tables->n_services; i++)
		if (c->tables->services[i].number == number)
			return &c->tables->services[i];
	return NULL;
}

static const struct service_backend_entry *backend_by(const struct service_entry *s, uint32_t number)
{
	for (size_t i = 0; number && i < s->n_backends; i++)
		if (s->backends[i].number == number)
			return &s->backends[i];
	return NULL;
}

int explain_shares(const struct explain_case *c, const struct xm_trace *t, struct explain_shares *ret_shares)
{
	const int fd = c->view->plane.map_fd[PLANE_xm_maglev];
	const struct service_entry *s = service_by(c, t->service);
	const struct service_backend_entry *chosen = s ? backend_by(s, t->backend) : NULL;
	struct explain_shares shares = { .slots = t->slice_size };

	if (!chosen || !t->slice_size)
		return -ENOENT;
	for (uint32_t slot = t->slice_slot; slot < t->slice_slot + t->slice_size; slot++) {
		const struct service_backend_entry *b;
		const uint32_t at = slot >> 1;
		struct xm_maglev_pair pair;

		if (bpf_map_lookup_elem(fd, &at, &pair))
			return -errno;
		shares.backend += pair.backend[slot & 1] == t->backend;
		b = backend_by(s, pair.backend[slot & 1]);
		shares.cluster += b && b->backend.cluster == chosen->backend.cluster;
	}
	*ret_shares = shares;
	return 0;
}

static size_t count_state(const struct service_entry *s, enum xm_backend_state state)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n_backends; i++)
		n += !(s->backends[i].backend.flags & XM_BACKEND_IS_NODE) && s->backends[i].backend.state == state;
	return n;
}

/* Why nothing is usable: the first backends with what is in their way. */
static int say_refused(const struct explain_case *c, const struct service_entry *s, const char *step,
		       struct explain_story *story)
{
	const size_t most = 8;
	size_t n = 0;
	int code = explain_say(story, step, 0, "no backend of %s/%s can be used: refused at once (%zu draining, %zu down)",
			       s->name.space, s->name.name, count_state(s, XM_BACKEND_DRAINING),
			       count_state(s, XM_BACKEND_DOWN));

	for (size_t i = 0; !code && i < s->n_backends && n < most; i++) {
		const struct xm_backend *b = &s->backends[i].backend;
		char text[SERVICEVIEW_ENDPOINT_MAX];

		if (b->flags & XM_BACKEND_IS_NODE || b->state == XM_BACKEND_GONE)
			continue;
		n++;
		code = explain_say(story, step, b->cluster, "%s of %s is %s: %s", serviceview_endpoint(&b->addr, b->port, text),
				   view_cluster_name(c->view, b->cluster), serviceview_state(b->state), serviceview_why(b->why));
	}
	if (!code && n == most)
		code = explain_say(story, step, 0, "see `xmesh service get %s/%s` for all of them", s->name.space, s->name.name);
	return code;
}

/* Different backends in the slice that @t was chosen from. */
static uint32_t count_targets(const struct service_entry *s, const struct xm_trace *t)
{
	for (size_t i = 0; i < s->n_frontends; i++)
		if (s->frontends[i].service.where == ((__u64)t->slice_slot << 32 | t->slice_size))
			return s->frontends[i].service.n_targets;
	return 0;
}

/* Why these clusters have the slots that they have. */
static int say_weights(const struct service_entry *s, const struct xm_trace *t, const char *step, uint16_t own,
		       struct explain_story *story)
{
	const uint32_t n = count_targets(s, t);

	if (!s->name.prefer[0] && !s->name.weights[0])
		return explain_say(story, step, own, "%u targets share the slots, all of the same weight", n);
	return explain_say(story, step, own, "%u targets share the slots, as told by%s%s%s%s%s", n,
			   s->name.prefer[0] ? " prefer " : "", s->name.prefer,
			   s->name.prefer[0] && s->name.weights[0] ? " and" : "", s->name.weights[0] ? " weights " : "",
			   s->name.weights);
}

static int say_maglev(const struct explain_case *c, const struct service_entry *s, const struct xm_trace *t,
		      const struct xm_backend *b, const char *step, struct explain_story *story)
{
	struct explain_shares shares = { 0 };
	int code = explain_say(story, step, 0, "hash 0x%08x * %u slots >> 32 = slot %u (xm_maglev from %u on)%s", t->hash,
			       t->slice_size, t->slot, t->slice_slot,
			       !strcmp(step, "socket") && c->ask->proto == IPPROTO_TCP ?
				       "; of a TCP socket the hash is random each time" : "");

	if (!code)
		code = explain_shares(c, t, &shares);
	if (!code)
		code = explain_say(story, step, b->cluster,
				   "that backend has %u of %u slots, %.1f %% of new connections; its cluster %s has %u, %.1f %%",
				   shares.backend, shares.slots, 100.0 * shares.backend / shares.slots,
				   view_cluster_name(c->view, b->cluster), shares.cluster,
				   100.0 * shares.cluster / shares.slots);
	return code ? code : say_weights(s, t, step, c->view->actual->config.cluster, story);
}

static int say_backend(const struct explain_case *c, const struct service_entry *s, const struct xm_trace *t,
		       const char *step, struct explain_story *story)
{
	const struct service_backend_entry *entry = backend_by(s, t->backend);
	const struct xm_backend *b;
	char text[SERVICEVIEW_ENDPOINT_MAX];
	int code;

	if (!entry)
		return say_refused(c, s, step, story);
	b = &entry->backend;
	code = explain_say(story, step, b->cluster, "%s gets %s %s of %s, on node %s (%s, %s)",
			   !strcmp(step, "socket") ? "a socket" : "a packet",
			   b->flags & XM_BACKEND_IS_NODE ? "node" : "backend", serviceview_endpoint(&b->addr, b->port, text),
			   view_cluster_name(c->view, b->cluster), b->node ? view_node_name(c->view, b->node) : "?",
			   serviceview_state(b->state), serviceview_why(b->why));
	if (code)
		return code;
	if (t->from_flow == XM_TRACE_FLOW)
		return explain_say(story, step, 0,
				   "because its flow was placed there before (`xmesh flow list`): Maglev was not asked");
	if (t->from_flow == XM_TRACE_AFFINITY)
		return explain_say(story, step, 0,
				   "because this client was there less than %u s ago (ClientIP affinity): Maglev was not asked",
				   s->name.affinity_s);
	return t->slice_size ? say_maglev(c, s, t, b, step, story) : 0;
}

/* An address that is a VIP at another port is the usual mistake. */
static int say_no_frontend(const struct explain_case *c, const char *step, struct explain_story *story)
{
	char text[SERVICEVIEW_ENDPOINT_MAX], other[SERVICEVIEW_ENDPOINT_MAX], proto[8], asked[8];

	serviceview_endpoint(&c->ask->dst, htons(c->ask->dport), text);
	for (size_t i = 0; i < c->tables->n_services; i++) {
		const struct service_entry *s = &c->tables->services[i];

		for (size_t k = 0; k < s->n_frontends; k++) {
			const struct xm_service_key *key = &s->frontends[k].key;

			if (!xm_addr_eq(&key->addr, &c->ask->dst))
				continue;
			return explain_say(story, step, key->cluster,
					   "%s/%s is no frontend for this sender, though %s/%s has %s/%s for %s: see "
					   "`xmesh service get`", text, serviceview_proto(c->ask->proto, asked),
					   s->name.space, s->name.name,
					   serviceview_endpoint(&key->addr, key->port, other),
					   serviceview_proto(key->proto, proto), serviceview_scope(key->scope));
		}
	}
	return explain_say(story, step, 0, "%s is no frontend of a global service", text);
}

int explain_service(const struct explain_case *c, const struct dryrun_result *result, const char *step,
		    struct explain_story *story)
{
	const struct xm_trace *t = &result->trace;
	const struct service_entry *s = service_by(c, t->service);
	char text[SERVICEVIEW_ENDPOINT_MAX], proto[8];
	int code;

	if (!s)
		return say_no_frontend(c, step, story);
	code = explain_say(story, step, c->view->actual->config.cluster, "%s/%s is a frontend of %s/%s",
			   serviceview_endpoint(&c->ask->dst, htons(c->ask->dport), text),
			   serviceview_proto(c->ask->proto, proto), s->name.space, s->name.name);
	return code ? code : say_backend(c, s, t, step, story);
}

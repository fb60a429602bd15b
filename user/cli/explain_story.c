/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What became of a packet that was only asked about, step by step, in words. Services: explain_service.c. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/explain.h"
#include "cli/serviceview.h"
#include "core/addr.h"
#include "core/defs.h"
#include "core/vec.h"
#include "plane/actual.h"
#include "plane/sockets.h"
#include "xmesh/wire.h"

static const struct { const char *text, *what; uint8_t kind; } reasons[XM_REASON_COUNT] = {
#define ROW(name, text, kind, what) { text, what, XM_KIND_##kind },
	XM_REASONS(ROW)
#undef ROW
};

static const char *const kinds[] = {
	[XM_KIND_PASS] = "pass", [XM_KIND_FORWARD] = "forward", [XM_KIND_STACK] = "stack",
	[XM_KIND_DROP] = "drop", [XM_KIND_NOTE] = "note",	[XM_KIND_ANSWER] = "answer",
};

int explain_say(struct explain_story *story, const char *step, uint16_t cluster, const char *fmt, ...)
{
	struct explain_step *s;
	va_list args;
	int code = vec_grow(&story->steps, story->n_steps, sizeof(*story->steps));

	if (code)
		return code;
	s = &story->steps[story->n_steps++];
	*s = (struct explain_step){ .step = step, .cluster = cluster };
	va_start(args, fmt);
	vsnprintf(s->text, sizeof(s->text), fmt, args);
	va_end(args);
	return 0;
}

void explain_story_done(struct explain_story *story)
{
	free(story->steps);
	*story = (struct explain_story){ 0 };
}

/* ---- where it comes in ---- */

static int say_entry(const struct explain_case *c, struct explain_story *story)
{
	const struct explain_entry *e = c->entry;
	const char *program = plane_prog_names[e->prog == DRYRUN_FROM_POD ? PLANE_FROM_POD : PLANE_FROM_NET];
	char src[ADDR_TEXT_MAX], dst[ADDR_TEXT_MAX];
	struct wanted_route route;
	const struct xm_cluster *cluster;
	uint16_t id = 0;

	switch (e->from) {
	case EXPLAIN_POD:
		return explain_say(story, "hook", 0, "sent by the pod behind %s: %s judges it there", e->hook.ifname, program);
	case EXPLAIN_HOST:
		return explain_say(story, "hook", 0,
				   "sent by this host itself: no program sees it, the kernel's routes decide");
	case EXPLAIN_OUTSIDE:
		return explain_say(story, "hook", 0, "comes in from outside on %s, not in the tunnel: %s judges it there%s",
				   e->hook.ifname, program,
				   e->xdp ? ", and xm_xdp before it, by the same tables" : "");
	case EXPLAIN_PEER:
		break;
	}
	if (!actual_route_get(&c->view->plane, &c->ask->src, &route, NULL))
		id = route.route.cluster;
	cluster = view_cluster(c->view, id);
	if (!e->tunnelled)
		return explain_say(story, "hook", id, "comes in on %s as %s sends it, without encapsulation: %s judges it there",
				   e->hook.ifname, cluster ? cluster->name : "its node", program);
	return explain_say(story, "hook", id, "comes in on %s in the tunnel, %s -> %s port %u, network %u: %s judges it there",
			   e->hook.ifname, addr_format(&e->tunnel.src, src), addr_format(&e->tunnel.dst, dst),
			   e->tunnel.port, e->tunnel.vni, program);
}

/* ---- who is believed ---- */

static const struct wanted_pod *pod_of(const struct view *view, const struct xm_addr *addr)
{
	for (size_t i = 0; i < view->actual->n_pods; i++)
		if (xm_addr_eq(&view->actual->pods[i].addr, addr))
			return &view->actual->pods[i];
	return NULL;
}

static const struct xm_node *node_of(const struct view *view, const struct xm_addr *addr)
{
	for (size_t i = 0; i < view->actual->n_nodes; i++)
		if (xm_addr_eq(&view->actual->nodes[i].addr, addr))
			return &view->actual->nodes[i].node;
	return NULL;
}

/* "10.1.1.2, fd00::2": what is known behind an interface. */
static const char *addresses_of(const struct view *view, uint32_t ifindex, char *buf, size_t size)
{
	char text[ADDR_TEXT_MAX];
	size_t len = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < view->actual->n_pods; i++) {
		if (view->actual->pods[i].pod.ifindex != ifindex)
			continue;
		if (len + ADDR_TEXT_MAX + 8 > size) {
			snprintf(buf + len, size - len, ", ...");
			break;
		}
		len += snprintf(buf + len, size - len, "%s%s", len ? ", " : "",
				addr_format(&view->actual->pods[i].addr, text));
	}
	return buf;
}

static int say_pod_source(const struct explain_case *c, struct explain_story *story)
{
	const struct wanted_pod *pod = pod_of(c->view, &c->ask->src);
	const struct attach_hook *hook = &c->entry->hook;
	const bool checked = c->view->actual->config.flags & XM_CFG_SOURCE_CHECK;
	char text[ADDR_TEXT_MAX], known[200], ifname[24];

	addr_format(&c->ask->src, text);
	if (pod && pod->pod.ifindex == hook->ifindex)
		return explain_say(story, "source", 0, "%s is the pod behind %s (xm_pods%s): believed%s", text, hook->ifname,
				   pod->pod.flags & XM_POD_STATIC ? ", by `endpoint add`" : "",
				   pod->pod.flags & XM_POD_STACK ? "; pods.path is stack here" : "");
	addresses_of(c->view, hook->ifindex, known, sizeof(known));
	if (!known[0])
		return explain_say(story, "source", 0, "no address is known behind %s yet: nothing is judged", hook->ifname);
	return explain_say(story, "source", 0, "%s is not behind %s%s%s, which has %s: %s", text, hook->ifname,
			   pod ? " but behind " : "", pod ? view_ifname(pod->pod.ifindex, ifname) : "", known,
			   checked ? "not believed" : "let through, for pods.source_check is off");
}

static int say_net_source(const struct explain_case *c, struct explain_story *story)
{
	const struct explain_entry *e = c->entry;
	const struct xm_node *node = node_of(c->view, e->tunnelled ? &e->tunnel.src : &c->ask->src);
	char text[ADDR_TEXT_MAX], outer[ADDR_TEXT_MAX], prefix[PREFIX_TEXT_MAX];
	struct wanted_route route;
	bool routed = !actual_route_get(&c->view->plane, &c->ask->src, &route, NULL);

	addr_format(&c->ask->src, text);
	if (e->tunnelled && !node)
		return explain_say(story, "source", 0, "the tunnel's sender %s is no node of the mesh",
				   addr_format(&e->tunnel.src, outer));
	if (routed && e->tunnelled)
		return explain_say(story, "source", node->cluster, "%s is node %s of %s (xm_nodes), and %s is in %s of %s (xm_routes): %s",
				   addr_format(&e->tunnel.src, outer), view_node_name(c->view, node->number),
				   view_cluster_name(c->view, node->cluster), text, prefix_format(&route.prefix, prefix),
				   view_cluster_name(c->view, route.route.cluster),
				   route.route.cluster == node->cluster ? "believed" : "not believed");
	if (routed)
		return explain_say(story, "source", route.route.cluster, "%s is in %s of %s, whose mode is %s: %s", text,
				   prefix_format(&route.prefix, prefix), view_cluster_name(c->view, route.route.cluster),
				   view_mode(&route.route),
				   route.route.flags & (XM_ROUTE_STACK | XM_ROUTE_LOCAL) ? "not judged, the kernel carries it" :
				   route.route.mode == XM_MODE_NATIVE ? "believed without the tunnel" :
									"not believed without the tunnel");
	if (node)
		return explain_say(story, "source", node->cluster, "%s is node %s of %s (xm_nodes)", text,
				   view_node_name(c->view, node->number), view_cluster_name(c->view, node->cluster));
	return explain_say(story, "source", 0, "%s is in no prefix of the mesh and no node of it: somebody outside", text);
}

/* ---- where it goes ---- */

/* What the packet is for by now, after a service was chosen. */
static const struct xm_addr *target_of(const struct explain_case *c)
{
	const struct xm_trace *t = c->result ? &c->result->trace : NULL;

	return t && !xm_addr_is_zero(&t->dst) ? &t->dst : &c->ask->dst;
}

static int say_pod(const struct explain_case *c, struct explain_story *story)
{
	const struct wanted_pod *pod = pod_of(c->view, target_of(c));
	char text[ADDR_TEXT_MAX], ifname[24];

	addr_format(target_of(c), text);
	if (pod)
		return explain_say(story, "pod", 0, "%s is a pod of this node, behind %s (xm_pods)%s", text,
				   view_ifname(pod->pod.ifindex, ifname),
				   pod->pod.flags & XM_POD_STACK ? "; pods.path is stack here" : "");
	if (node_of(c->view, target_of(c)))
		return explain_say(story, "pod", 0, "%s is this host", text);
	return explain_say(story, "pod", 0, "%s is no pod of this node: see `xmesh endpoint list`", text);
}

static int say_way(const struct explain_case *c, const struct xm_route *r, const char *whose, struct explain_story *story)
{
	char outer[ADDR_TEXT_MAX], ifname[24];

	if (r->flags & XM_ROUTE_STACK || !r->ifindex)
		return explain_say(story, "route", r->cluster, "%s: the kernel's own route is used", whose);
	return explain_say(story, "route", r->cluster, "%s, on node %s: mode %s, %s %s on %s, MTU %u", whose,
			   view_node_name(c->view, r->node), view_mode(r),
			   r->mode == XM_MODE_TUNNEL ? "in the tunnel to" : "to", addr_format(&r->outer, outer),
			   view_ifname(r->ifindex, ifname), r->mtu);
}

static int say_route(const struct explain_case *c, struct explain_story *story)
{
	const struct xm_addr *dst = target_of(c);
	const struct xm_node *node = node_of(c->view, dst);
	char text[ADDR_TEXT_MAX], prefix[PREFIX_TEXT_MAX], whose[256];
	struct wanted_route route;

	addr_format(dst, text);
	if (!actual_route_get(&c->view->plane, dst, &route, NULL)) {
		const char *cluster = view_cluster_name(c->view, route.route.cluster);

		if (route.route.flags & XM_ROUTE_LOCAL)
			return explain_say(story, "route", route.route.cluster, "%s is in %s of %s, a prefix of this node", text,
					   prefix_format(&route.prefix, prefix), cluster) ?: say_pod(c, story);
		snprintf(whose, sizeof(whose), "%s is in %s of %.63s", text, prefix_format(&route.prefix, prefix), cluster);
		return say_way(c, &route.route, whose, story);
	}
	if (node && node->number != c->view->actual->config.node) {
		snprintf(whose, sizeof(whose), "%s is a node of %.63s", text, view_cluster_name(c->view, node->cluster));
		route.route = node->path;
		route.route.node = node->number;
		route.route.cluster = node->cluster;
		return say_way(c, &route.route, whose, story);
	}
	if (pod_of(c->view, dst))
		return say_pod(c, story);
	return explain_say(story, "route", 0, "%s is in no prefix of the mesh and no node of it: %s", text,
			   c->entry->from == EXPLAIN_HOST ? "not a matter of xmesh" : "left to the kernel");
}

static int say_size(const struct explain_case *c, struct explain_story *story)
{
	const struct xm_trace *t = &c->result->trace;

	if (!t->limit)
		return 0;
	return explain_say(story, "mtu", 0, "%u bytes, and %u fit: %s", t->size, t->limit,
			   t->size > t->limit ? "too big" : "it fits");
}

/* What has become of the frame. */
static int say_output(const struct explain_case *c, struct explain_story *story)
{
	const uint16_t port = ntohs(c->view->actual->config.port);
	char src[ADDR_TEXT_MAX], dst[ADDR_TEXT_MAX], a[SERVICEVIEW_ENDPOINT_MAX], b[SERVICEVIEW_ENDPOINT_MAX];
	struct explain_seen seen;
	int code;

	if (reasons[c->result->trace.reason].kind != XM_KIND_FORWARD ||
	    !explain_read(c->result->out, c->result->out_len, port, &seen))
		return 0;
	if (seen.tunnelled) {
		code = explain_say(story, "encapsulation", 0,
				   "VXLAN network %u in UDP, %s port %u -> %s port %u, %u bytes", seen.vni,
				   addr_format(&seen.outer_src, src), seen.outer_sport,
				   addr_format(&seen.outer_dst, dst), seen.outer_dport, seen.outer_len);
		if (code)
			return code;
	} else if (c->entry->tunnelled) {
		code = explain_say(story, "decapsulation", 0, "out of the tunnel: %u bytes left", seen.len);
		if (code)
			return code;
	}
	return explain_say(story, "output", 0, "%s -> %s, TTL %u",
			   serviceview_endpoint(&seen.src, htons(seen.sport), a),
			   serviceview_endpoint(&seen.dst, htons(seen.dport), b), seen.ttl);
}

static int say_host_path(const struct explain_case *c, struct explain_story *story)
{
	char hop[ADDR_TEXT_MAX], ifname[24];

	if (!c->path || !c->path->reachable)
		return explain_say(story, "kernel", 0, "the kernel has no route there");
	return explain_say(story, "kernel", 0, "the kernel sends it to %s on %s%s", addr_format(&c->path->next_hop, hop),
			   view_ifname(c->path->ifindex, ifname),
			   !strcmp(ifname, c->view->config->device) ? ", xmesh's own device: it gets into the tunnel there" : "");
}

/* ---- sockets ---- */

static int say_socket(const struct explain_case *c, struct explain_story *story)
{
	if (!c->socket || !c->socket->trace.service)
		return 0;
	if (!c->n_cgroups)
		return explain_say(story, "socket", 0,
				   "socket programs are in no cgroup: each packet is translated, as below");
	return explain_say(story, "socket", 0, "socket programs are in %s%s: a socket of theirs chooses once, when it connects",
			   c->cgroups[0].path, c->n_cgroups > 1 ? " and others" : "") ?:
	       explain_service(c, c->socket, "socket", story);
}

/* ---- the whole of it ---- */

static bool arrives(const struct explain_case *c, uint32_t reason)
{
	switch ((enum xm_kind)reasons[reason].kind) {
	case XM_KIND_FORWARD:
	case XM_KIND_PASS:
		return true;
	case XM_KIND_STACK:
		/* Linux sends with DF, as we do: what is too big is answered. */
		return reason != XM_STACK_TOO_BIG && reason != XM_STACK_TTL;
	case XM_KIND_DROP:
	case XM_KIND_ANSWER:
	case XM_KIND_NOTE:
		return false;
	}
	return false;
}

static int tell_host(const struct explain_case *c, struct explain_story *story)
{
	int code = say_socket(c, story);

	if (!code && c->socket && !c->socket->trace.service)
		code = explain_service(c, c->socket, "service", story);
	if (!code)
		code = say_route(c, story);
	if (!code)
		code = say_host_path(c, story);
	story->kind = "kernel";
	story->what = "the kernel decides; xmesh has put its routes there";
	story->arrives = c->path && c->path->reachable;
	return code;
}

static int tell_judged(const struct explain_case *c, struct explain_story *story)
{
	const uint32_t reason = c->result->trace.reason;
	const bool outgoing = c->entry->from == EXPLAIN_POD;
	int code = outgoing ? say_pod_source(c, story) : say_net_source(c, story);

	if (reason >= XM_REASON_COUNT)
		return -EPROTO;
	if (!code)
		code = say_socket(c, story);
	if (!code)
		code = explain_service(c, c->result, "service", story);
	/* A refusal goes nowhere: there is no route to tell of. */
	if (!code && reason != XM_ANSWER_REFUSED && reason != XM_DROP_NO_BACKEND) {
		if (outgoing)
			code = say_route(c, story);
		else
			code = c->result->trace.has_peer && reasons[reason].kind == XM_KIND_FORWARD && reason != XM_FWD_LOCAL ?
				       0 : say_pod(c, story);
	}
	if (!code)
		code = say_size(c, story);
	if (!code)
		code = say_output(c, story);
	story->reason = reasons[reason].text;
	story->kind = kinds[reasons[reason].kind];
	story->what = reasons[reason].what;
	story->arrives = arrives(c, reason);
	return code;
}

int explain_story(const struct explain_case *c, struct explain_story *ret_story)
{
	struct explain_story story = { 0 };
	char flow[EXPLAIN_FLOW_MAX];
	int code = explain_say(&story, "packet", 0, "%s, %u bytes", explain_flow(c->ask, flow), c->ask->size);

	if (!code)
		code = say_entry(c, &story);
	if (!code)
		code = c->entry->from == EXPLAIN_HOST ? tell_host(c, &story) : tell_judged(c, &story);
	if (code) {
		explain_story_done(&story);
		return code;
	}
	*ret_story = story;
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the kernel's own tables are to hold: routes, neighbours that are their gateways, rules that
 * lead pods to the routes which are theirs alone. Not for: whether a node is reached and how.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/defs.h"
#include "model/wanted_parts.h"
#include "xmesh/wire.h"

/* ---- routes and neighbours ---- */

/*
 * The gateway on xmesh0 for @prefix: it only has to resolve to the node's inner MAC, so a family
 * that the node lacks is served by a link-local address made of that MAC (RFC 4291, appendix A).
 */
static struct xm_addr gateway(const struct wanted_member *m, const struct xm_prefix *prefix)
{
	struct xm_addr a = { .b = { 0xfe, 0x80 } };
	const __u8 *mac = m->vtep_mac;

	if (prefix_is_v4(prefix) && !xm_addr_is_zero(&m->object->addr4))
		return m->object->addr4;
	a.b[8] = mac[0] ^ 0x02;
	a.b[9] = mac[1];
	a.b[10] = mac[2];
	a.b[11] = 0xff;
	a.b[12] = 0xfe;
	a.b[13] = mac[3];
	a.b[14] = mac[4];
	a.b[15] = mac[5];
	return a;
}

static void add_kneigh(struct wanted *w, const struct xm_addr *addr, const __u8 mac[6])
{
	/* A node's entries follow each other: two looks back find what it has already. */
	for (size_t i = w->n_kneighs; i > 0 && i + 2 > w->n_kneighs; i--) {
		if (xm_addr_eq(&w->kneighs[i - 1].addr, addr))
			return;
	}
	w->kneighs[w->n_kneighs].addr = *addr;
	memcpy(w->kneighs[w->n_kneighs++].mac, mac, 6);
}

/*
 * What the programs refuse as larger than the underlay said lately, the kernel shall answer with the
 * same size. Forwarding IPv4, it heeds the route's MTU and not what path MTU discovery found
 * (ip_dst_mtu_maybe_forward(), net.ipv4.ip_forward_use_pmtu): that would be lost without a word.
 */
static uint32_t kernel_mtu(const struct wanted_member *m, const struct wanted_reach *reach)
{
	uint32_t overhead = xm_addr_is_v4(&reach->outer) ? XM_OVERHEAD_V4 : XM_OVERHEAD_V6;

	return m->pmtu > overhead ? MIN(m->pmtu - overhead, reach->mtu) : reach->mtu;
}

static void add_kroute(struct wanted_builder *b, const struct wanted_member *m,
		       const struct wanted_reach *reach, const struct wanted_kroute *kroute)
{
	struct wanted *w = b->wanted;
	struct wanted_kroute *k = &w->kroutes[w->n_kroutes++];

	*k = *kroute;
	k->src = *wanted_own_addr(b->facts, prefix_is_v4(&k->prefix));
	k->mtu = reach->mtu;
	if (k->tunnel) {
		k->mtu = kernel_mtu(m, reach);
		k->ifindex = b->facts->device_ifindex;
		k->outer = reach->outer;
		k->identity = m->object->identity_bits;
		k->gateway = gateway(m, &k->prefix);
		add_kneigh(w, &k->gateway, m->vtep_mac);
	} else {
		k->ifindex = reach->path->ifindex;
		k->gateway = reach->outer;
	}
}

void wanted_kroute(struct wanted_builder *b, const struct wanted_member *m,
		   const struct xm_prefix *prefix, bool tunnel, const struct wanted_reach *reach)
{
	struct wanted_kroute k = { .prefix = *prefix, .tunnel = tunnel };

	if (b->facts->device_ifindex && (tunnel || reach->path->onlink))
		add_kroute(b, m, reach, &k);
}

void wanted_kroute_of_pods(struct wanted_builder *b, const struct wanted_member *m,
			   const struct xm_addr *addr, const struct wanted_reach *reach)
{
	struct wanted_kroute k = { .prefix = { .plen = 128, .addr = *addr },
				   .pods_only = true,
				   .tunnel = true };

	if (b->facts->device_ifindex)
		add_kroute(b, m, reach, &k);
}

/* ---- before and after ---- */

int wanted_kernel_allocate(struct wanted_builder *b)
{
	struct wanted *w = b->wanted;
	/* One for each prefix, and one for each of the two addresses of a node. */
	size_t n = b->n_cidrs + 2 * b->n_members;

	w->kroutes = calloc(n, sizeof(*w->kroutes));
	w->kneighs = calloc(n, sizeof(*w->kneighs));
	w->krules = calloc(b->n_cidrs + 1, sizeof(*w->krules));
	return w->kroutes && w->kneighs && w->krules ? 0 : -ENOMEM;
}

/* By prefix, then that of the main table: the first two fields. */
static int compare_kroute(const void *va, const void *vb)
{
	const struct wanted_kroute *a = va, *b = vb;
	int diff = memcmp(&a->prefix, &b->prefix, sizeof(a->prefix));

	return diff ? diff : (int)a->pods_only - (int)b->pods_only;
}

static int compare_krule(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct wanted_krule));
}

static int compare_kneigh(const void *a, const void *b)
{
	return memcmp(&((const struct wanted_kneigh *)a)->addr,
		      &((const struct wanted_kneigh *)b)->addr, sizeof(struct xm_addr));
}

static bool has_kroute_of_pods(const struct wanted *w, bool v4)
{
	for (size_t i = 0; i < w->n_kroutes; i++)
		if (w->kroutes[i].pods_only && prefix_is_v4(&w->kroutes[i].prefix) == v4)
			return true;
	return false;
}

static void add_krules(struct wanted_builder *b)
{
	const struct node_object *own = b->own->object;
	struct wanted *w = b->wanted;
	bool has[2] = { has_kroute_of_pods(w, false), has_kroute_of_pods(w, true) };

	for (size_t i = 0; own && i < own->n_cidrs; i++) {
		bool v4 = prefix_is_v4(&own->cidrs[i]);

		/* The host's own packets to nodes must never go that way, whatever its prefixes are. */
		if (has[v4] && !prefix_contains(&own->cidrs[i], wanted_own_addr(b->facts, v4)))
			w->krules[w->n_krules++].from = own->cidrs[i];
	}
}

void wanted_kernel_end(struct wanted_builder *b)
{
	struct wanted *w = b->wanted;
	size_t kept = 0;

	add_krules(b);
	qsort(w->kroutes, w->n_kroutes, sizeof(*w->kroutes), compare_kroute);
	qsort(w->krules, w->n_krules, sizeof(*w->krules), compare_krule);
	qsort(w->kneighs, w->n_kneighs, sizeof(*w->kneighs), compare_kneigh);
	/* Two nodes with one inner MAC share its link-local gateway. */
	for (size_t i = 0; i < w->n_kneighs; i++) {
		if (!kept || !xm_addr_eq(&w->kneighs[kept - 1].addr, &w->kneighs[i].addr))
			w->kneighs[kept++] = w->kneighs[i];
	}
	w->n_kneighs = kept;
}

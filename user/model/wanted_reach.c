/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The way to a node: outer family, next hop, MTU, or the note that there is none. Not for: what
 * is sent there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/defs.h"
#include "model/wanted_parts.h"
#include "xmesh/wire.h"

/* Below this no IPv4 host need receive a packet whole (RFC 791, 3.2). */
#define MTU_LEAST 68

static int compare_path(const void *key, const void *element)
{
	return memcmp(key, &((const struct fact_path *)element)->dst, sizeof(struct xm_addr));
}

static const struct fact_path *find_path(const struct facts *facts, const struct xm_addr *dst)
{
	const struct fact_path *path;

	/* bsearch() takes no NULL, not even for nothing. */
	if (!facts->n_paths)
		return NULL;
	path = bsearch(dst, facts->paths, facts->n_paths, sizeof(*path), compare_path);
	return path && path->reachable ? path : NULL;
}

bool wanted_family(const struct wanted_builder *b, const struct node_object *node, bool *ret_v4)
{
	enum config_family family = b->mesh->config->tunnel_family;
	bool both4 = !xm_addr_is_zero(&b->facts->addr4) && !xm_addr_is_zero(&node->addr4);
	bool both6 = !xm_addr_is_zero(&b->facts->addr6) && !xm_addr_is_zero(&node->addr6);

	if (family != CONFIG_FAMILY_IPV6 && both4)
		*ret_v4 = true;
	else if (family != CONFIG_FAMILY_IPV4 && both6)
		*ret_v4 = false;
	else
		return false;
	return true;
}

int wanted_left_out(struct wanted_builder *b, const struct wanted_member *m, const char *why)
{
	if (b->quiet)
		return 0;
	return wanted_note(&b->notes, "Node %s of cluster %s gets no route: %s", m->name,
			   m->cluster->config->name, why);
}

static int reach_address(struct wanted_builder *b, const struct wanted_member *m,
			 const struct xm_addr *addr, uint32_t overhead,
			 struct wanted_reach *ret_reach)
{
	const struct fact_path *path = find_path(b->facts, addr);
	char text[ADDR_TEXT_MAX], why[160];
	uint32_t mtu;

	if (!path) {
		snprintf(why, sizeof(why), "the underlay has no way to %s",
			 addr_format(addr, text));
		return wanted_left_out(b, m, why);
	}
	/* A device without a limit (loopback has 65536) still ends at what IP can say. */
	mtu = MIN(path->mtu ? path->mtu : b->facts->underlay_mtu, 65535u);
	if (mtu < overhead + MTU_LEAST) {
		snprintf(why, sizeof(why), "the MTU %u towards %s is too small for the tunnel", mtu,
			 addr_format(addr, text));
		return wanted_left_out(b, m, why);
	}
	ret_reach->outer = *addr;
	ret_reach->path = path;
	ret_reach->mtu = mtu - overhead;
	return 0;
}

int wanted_reach_tunnel(struct wanted_builder *b, const struct wanted_member *m,
			struct wanted_reach *ret_reach)
{
	bool v4;

	if (!wanted_family(b, m->object, &v4))
		return wanted_left_out(b, m,
				       "it and we share no address family that tunnel.family allows");
	return reach_address(b, m, wanted_node_addr(m->object, v4),
			     v4 ? XM_OVERHEAD_V4 : XM_OVERHEAD_V6, ret_reach);
}

int wanted_reach_native(struct wanted_builder *b, const struct wanted_member *m, bool v4,
			struct wanted_reach *ret_reach)
{
	const struct xm_addr *addr = wanted_node_addr(m->object, v4);

	if (xm_addr_is_zero(addr))
		return wanted_left_out(b, m, v4 ? "its mode is native but it has no IPv4 address" :
						  "its mode is native but it has no IPv6 address");
	return reach_address(b, m, addr, 0, ret_reach);
}

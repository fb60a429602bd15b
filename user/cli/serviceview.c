/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Numbers of the service maps into words. */
#include "cli/serviceview.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

#include "core/addr.h"
#include "core/defs.h"

const char *serviceview_endpoint(const struct xm_addr *addr, uint16_t port_be,
				 char buf[SERVICEVIEW_ENDPOINT_MAX])
{
	char text[ADDR_TEXT_MAX];

	addr_format(addr, text);
	if (!port_be)
		snprintf(buf, SERVICEVIEW_ENDPOINT_MAX, "%s", text);
	else
		snprintf(buf, SERVICEVIEW_ENDPOINT_MAX, xm_addr_is_v4(addr) ? "%s:%u" : "[%s]:%u",
			 text, ntohs(port_be));
	return buf;
}

const char *serviceview_proto(uint8_t proto, char buf[8])
{
	switch (proto) {
	case IPPROTO_TCP:
		return "tcp";
	case IPPROTO_UDP:
		return "udp";
	case IPPROTO_SCTP:
		return "sctp";
	}
	snprintf(buf, 8, "%u", proto);
	return buf;
}

#define WORD(name, text) text,
static const char *const scopes[] = { "client", "edge", "node" };
static const char *const kinds[] = { XM_VIP_KINDS(WORD) };
static const char *const states[] = { XM_BACKEND_STATES(WORD) };
static const char *const whys[] = { XM_BACKEND_WHYS(WORD) };
static const char *const flow_kinds[] = { "pod", "edge", "node" };
#undef WORD

#define PICK(table, index) ((index) < ARRAY_SIZE(table) ? (table)[index] : "?")

const char *serviceview_scope(uint8_t scope)
{
	return PICK(scopes, scope);
}

const char *serviceview_kind(uint8_t kind)
{
	return PICK(kinds, kind);
}

const char *serviceview_state(uint8_t state)
{
	return PICK(states, state);
}

const char *serviceview_why(uint8_t why)
{
	return PICK(whys, why);
}

const char *serviceview_flow_kind(uint8_t kind)
{
	return PICK(flow_kinds, kind);
}

const char *serviceview_flow_state(const struct xm_flow_key *key, const struct xm_flow *flow)
{
	uint8_t fins = flow->flags & (XM_FLOW_FIN_ORIG | XM_FLOW_FIN_REPLY);

	if (key->proto == IPPROTO_TCP) {
		if (flow->flags & XM_FLOW_RST || fins == (XM_FLOW_FIN_ORIG | XM_FLOW_FIN_REPLY))
			return "closed";
		if (fins)
			return "half_closed";
	}
	/* An entry node sees one direction only. */
	if (flow->flags & XM_FLOW_REPLIED || flow->kind == XM_FLOW_EDGE ||
	    key->dir == XM_FLOW_REPLY)
		return "established";
	return "new";
}

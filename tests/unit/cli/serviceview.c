/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Words for numbers of the service maps. */
#include "../core/rows.h"

#include <arpa/inet.h>

#include "cli/serviceview.h"
#include "core/addr.h"

static const struct endpoint_row { const char *name, *addr; uint16_t port; const char *text; } endpoints[] = {
	{ "IPv4 with a port", "10.0.0.1", 80, "10.0.0.1:80" },
	{ "IPv4 without", "10.0.0.1", 0, "10.0.0.1" },
	{ "IPv6 with a port", "fd00::1", 65535, "[fd00::1]:65535" },
	{ "IPv6 without", "fd00::1", 0, "fd00::1" },
	{ "the longest fits", "1111:2222:3333:4444:5555:6666:7777:8888", 65535,
	  "[1111:2222:3333:4444:5555:6666:7777:8888]:65535" },
};

static void endpoint(void **state)
{
	const struct endpoint_row *row = *state;
	char buf[SERVICEVIEW_ENDPOINT_MAX];
	struct xm_addr addr;

	assert_int_equal(addr_parse(row->addr, &addr, NULL), 0);
	assert_string_equal(serviceview_endpoint(&addr, htons(row->port), buf), row->text);
}

static const struct flow_row { const char *name; uint8_t proto, kind, dir, flags; const char *text; } flows[] = {
	{ "nothing came back yet", IPPROTO_TCP, XM_FLOW_POD, XM_FLOW_ORIG, 0, "new" },
	{ "a reply came", IPPROTO_TCP, XM_FLOW_POD, XM_FLOW_ORIG, XM_FLOW_REPLIED, "established" },
	{ "a reply is there itself", IPPROTO_UDP, XM_FLOW_POD, XM_FLOW_REPLY, 0, "established" },
	{ "an entry node sees one side", IPPROTO_TCP, XM_FLOW_EDGE, XM_FLOW_ORIG, 0, "established" },
	{ "one FIN", IPPROTO_TCP, XM_FLOW_POD, XM_FLOW_ORIG, XM_FLOW_REPLIED | XM_FLOW_FIN_REPLY, "half_closed" },
	{ "both", IPPROTO_TCP, XM_FLOW_POD, XM_FLOW_ORIG, XM_FLOW_FIN_ORIG | XM_FLOW_FIN_REPLY, "closed" },
	{ "a reset", IPPROTO_TCP, XM_FLOW_NODE, XM_FLOW_REPLY, XM_FLOW_RST, "closed" },
	{ "UDP has no end", IPPROTO_UDP, XM_FLOW_POD, XM_FLOW_ORIG, XM_FLOW_REPLIED | XM_FLOW_RST, "established" },
};

static void flow(void **state)
{
	const struct flow_row *row = *state;
	struct xm_flow_key key = { .proto = row->proto, .dir = row->dir };
	struct xm_flow f = { .kind = row->kind, .flags = row->flags };

	assert_string_equal(serviceview_flow_state(&key, &f), row->text);
}

static void words_and_beyond_their_end(void **state)
{
	char buf[8];

	assert_string_equal(serviceview_proto(IPPROTO_SCTP, buf), "sctp");
	assert_string_equal(serviceview_proto(255, buf), "255");
	assert_string_equal(serviceview_scope(XM_SCOPE_NODE), "node");
	assert_string_equal(serviceview_scope(XM_SCOPE_NODE + 1), "?");
	assert_string_equal(serviceview_kind(XM_VIP_LOAD_BALANCER), "load_balancer");
	assert_string_equal(serviceview_kind(XM_VIP_KIND_COUNT), "?");
	assert_string_equal(serviceview_state(XM_BACKEND_GONE), "gone");
	assert_string_equal(serviceview_state(XM_BACKEND_STATE_COUNT), "?");
	assert_string_equal(serviceview_why(XM_WHY_NODE_DOWN), "its node does not answer probes");
	assert_string_equal(serviceview_why(XM_WHY_COUNT), "?");
	assert_string_equal(serviceview_flow_kind(XM_FLOW_EDGE), "edge");
	assert_string_equal(serviceview_flow_kind(255), "?");
}

int main(void)
{
	struct rows rows = { 0 };

	ROWS_ADD_TABLE(&rows, endpoint, endpoints);
	ROWS_ADD_TABLE(&rows, flow, flows);
	ROWS_ADD_TEST(&rows, words_and_beyond_their_end);
	return rows_run("serviceview", &rows);
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Rows of VIP traffic from outside: at the entry node in XDP and tc, at the node with the backends, and
 * on the way back. The VIP 203.0.113.10 (2001:db8:f0::10) has west's first node as its node.
 */
#include "vip_frames.h"

#include <bpf/bpf.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "core/defs.h"
#include "xmesh/wire.h"

void vip_set_path(enum load load, uint32_t node, uint32_t ifindex, const char *outer)
{
	struct xm_path path = { .route = { .node = node, .cluster = 2, .flags = XM_ROUTE_ONLINK,
					   .ifindex = ifindex, .mtu = 1450 } };

	path.route.outer = fix_addr(outer);
	xm_vtep_mac(&path.route.outer, path.route.vtep_mac);
	pkt_mac(MAC_NEXT, path.next_mac);
	pkt_mac(MAC_HOST, path.own_mac);
	assert_int_equal(bpf_map_update_elem(fix_map(load, "xm_paths"), &node, &path, BPF_ANY), 0);
}

void vip_services(enum load load)
{
	static const struct fix_backend west = { "192.0.2.3", 0, NODE_WEST, 2, XM_BACKEND_ACTIVE,
						 XM_BACKEND_IS_NODE, 1 };
	static const struct fix_backend self = { "192.0.2.1", 0, NODE_SELF, 1, XM_BACKEND_ACTIVE,
						 XM_BACKEND_IS_NODE, 1 };
	static const struct fix_service s[] = {
		{ VIP, 80, IPPROTO_TCP, XM_SCOPE_EDGE, .backends = { N_WEST } },
		{ VIP, 80, IPPROTO_UDP, XM_SCOPE_EDGE, .backends = { N_WEST } },
		{ VIP6, 80, IPPROTO_TCP, XM_SCOPE_EDGE, .backends = { N_WEST } },
		{ VIP6, 80, IPPROTO_UDP, XM_SCOPE_EDGE, .backends = { N_WEST } },
		{ VIP_HERE, 80, IPPROTO_UDP, XM_SCOPE_EDGE, .backends = { N_SELF } },
		{ VIP_HERE, 80, IPPROTO_UDP, XM_SCOPE_NODE, .backends = { B_POD_A } },
		/* West's VIP, of which pod A is a backend. */
		{ VIP, 80, IPPROTO_UDP, XM_SCOPE_NODE, 2, .backends = { B_POD_A } },
		{ VIP_EMPTY, 80, IPPROTO_TCP, XM_SCOPE_EDGE, .backends = { 0 } },
		{ VIP_EMPTY6, 80, IPPROTO_TCP, XM_SCOPE_EDGE, .backends = { 0 } },
	};

	fix_services_default(load);
	fix_backend_put(load, N_WEST, &west);
	fix_backend_put(load, N_SELF, &self);
	for (size_t i = 0; i < ARRAY_SIZE(s); i++)
		fix_service_put(load, &s[i]);
}

void vip_at_tc(enum load load)
{
	vip_services(load);
	vip_set_path(load, NODE_WEST, fix_ifindex(IF_UL), "192.0.2.3");
}

/* A test run in XDP comes in by interface 1. */
void vip_at_xdp(enum load load)
{
	vip_services(load);
	vip_set_path(load, NODE_WEST, 1, "192.0.2.3");
}

static void at_xdp_other_port(enum load load)
{
	vip_at_tc(load);
}

static const struct fix_flow orig = { CLIENT, VIP, 40000, 80, IPPROTO_UDP, XM_FLOW_ORIG };

void vip_west_has_it(enum load load)
{
	struct xm_flow flow = { .seen_ns = fix_now_ns(), .backend = N_WEST, .generation = 1,
				.node = NODE_WEST, .kind = XM_FLOW_EDGE };

	vip_at_tc(load);
	fix_flow_set(load, &orig, &flow);
}

static void is_edge_flow(enum load load)
{
	struct xm_flow flow;

	assert_true(fix_flow_get(load, &orig, &flow));
	assert_int_equal(flow.kind, XM_FLOW_EDGE);
	assert_int_equal(flow.node, NODE_WEST);
}

static void is_node_flow(enum load load)
{
	static const struct fix_flow back = { "10.1.0.2", CLIENT, 8080, 40000, IPPROTO_UDP,
					      XM_FLOW_REPLY };
	struct xm_flow flow;

	assert_true(fix_flow_get(load, &back, &flow));
	assert_int_equal(flow.kind, XM_FLOW_NODE);
	assert_int_equal(flow.node, NODE_WEST);
	assert_true(flow.flags & XM_FLOW_VIA_ENTRY);
}

/* Pod A has what west sent it. */
void vip_pod_has_it(enum load load)
{
	static const struct fix_flow back = { "10.1.0.2", CLIENT, 8080, 40000, IPPROTO_UDP,
					      XM_FLOW_REPLY };
	struct xm_flow flow = { .addr = fix_addr(VIP), .port = htons(80), .seen_ns = fix_now_ns(),
				.backend = B_POD_A, .generation = 1, .node = NODE_WEST,
				.kind = XM_FLOW_NODE, .flags = XM_FLOW_VIA_ENTRY | XM_FLOW_REPLIED };
	struct xm_addr pod = fix_addr("10.1.0.2");
	uint32_t slot = xm_addr_hash16(&pod), one = 1;

	vip_at_tc(load);
	fix_flow_set(load, &back, &flow);
	assert_int_equal(bpf_map_update_elem(fix_map(load, "xm_flow_hint"), &slot, &one, BPF_ANY), 0);
}

void vip_route(enum load load)
{
	assert_int_equal(system("echo 1 > /proc/sys/net/ipv4/ip_forward;"
				"ip addr replace 192.0.2.200/24 dev ul0;"
				"ip route replace 198.51.100.0/24 via 192.0.2.3 dev ul0;"
				"echo 1 > /proc/sys/net/ipv6/conf/all/forwarding;"
				"ip -6 route replace 2001:db8:c::/48 via fe80::3 dev ul0"), 0);
}

void vip_unroute(enum load load)
{
	assert_int_equal(system("ip -6 route del 2001:db8:c::/48;"
				"echo 0 > /proc/sys/net/ipv6/conf/all/forwarding;"
				"ip route del 198.51.100.0/24; ip addr del 192.0.2.200/24 dev ul0;"
				"echo 0 > /proc/sys/net/ipv4/ip_forward"), 0);
}

static void west_has_it_and_route(enum load load)
{
	vip_west_has_it(load);
	vip_route(load);
}

static void pod_has_it_directly(enum load load)
{
	static const struct fix_flow back = { "10.1.0.2", CLIENT, 8080, 40000, IPPROTO_UDP,
					      XM_FLOW_REPLY };
	struct xm_flow flow;

	vip_pod_has_it(load);
	assert_true(fix_flow_get(load, &back, &flow));
	flow.flags &= ~XM_FLOW_VIA_ENTRY;
	fix_flow_set(load, &back, &flow);
	vip_route(load);
}

/* Fewer flows than none are left of this second's budget, on every CPU. */
static void spend_flows(enum load load)
{
	struct xm_event_rate rates[256];
	uint32_t what = XM_RATE_FLOWS;

	vip_at_xdp(load);
	for (size_t i = 0; i < ARRAY_SIZE(rates); i++)
		rates[i] = (struct xm_event_rate){ fix_now_ns(), XM_EDGE_FLOWS_PER_SECOND };
	assert_int_equal(bpf_map_update_elem(fix_map(load, "xm_event_rate"), &what, rates, BPF_ANY), 0);
}

static void give_flows(enum load load)
{
	static struct xm_event_rate rates[256];
	uint32_t what = XM_RATE_FLOWS;

	assert_int_equal(fix_flow_count(load), 0);
	assert_int_equal(bpf_map_update_elem(fix_map(load, "xm_event_rate"), &what, rates, BPF_ANY), 0);
}

const struct row vip_rows[] = {
	{ "XDP: a packet to a VIP goes on to its node where it came in", AT_XDP,
	  PKT(ETH(), IP4(CLIENT, VIP), UDP(40000, 80), DATA(40)), .verdict = XDP_IS_TX,
	  .reason = XM_FWD_VIP, .note = XM_FLOW_NEW, .peer = NODE_WEST, .before = vip_at_xdp,
	  .out = PKT(X_OUT4, IP4(CLIENT, VIP, .ttl = 63), UDP(40000, 80), DATA(40)),
	  .after = is_edge_flow },
	{ "XDP: so does one over IPv6", AT_XDP,
	  PKT(ETH(), IP6(CLIENT6, VIP6), UDP(40000, 80), DATA(40)), .verdict = XDP_IS_TX,
	  .reason = XM_FWD_VIP, .note = XM_FLOW_NEW, .peer = NODE_WEST, .before = vip_at_xdp,
	  .out = PKT(X_OUT4, IP6(CLIENT6, VIP6, .ttl = 63), UDP(40000, 80), DATA(40)) },
	{ "XDP: what leaves by another interface is left to tc", AT_XDP,
	  PKT(ETH(), IP4(CLIENT, VIP), UDP(40000, 80), DATA(40)), .verdict = XDP_IS_PASS,
	  .reason = XM_PASS, .note = XM_FLOW_NEW, .before = at_xdp_other_port },
	{ "XDP: another port of a VIP is left alone", AT_XDP,
	  PKT(ETH(), IP4(CLIENT, VIP), UDP(40000, 81), DATA(40)), .verdict = XDP_IS_PASS,
	  .reason = XM_PASS, .before = vip_at_xdp },
	{ "XDP: a VIP without backends refuses", AT_XDP,
	  PKT(ETH(), IP4(CLIENT, VIP_EMPTY), TCP(40000, 80, .flags = T_SYN)), .verdict = XDP_IS_TX,
	  .reason = XM_ANSWER_REFUSED, .before = vip_at_xdp,
	  .out = PKT(BACK, IP4(VIP_EMPTY, CLIENT, .df = true), RESET(40000)) },
	{ "XDP: a VIP without backends refuses over IPv6", AT_XDP,
	  PKT(ETH(), IP6(CLIENT6, VIP_EMPTY6), TCP(40000, 80, .flags = T_SYN)),
	  .verdict = XDP_IS_TX, .reason = XM_ANSWER_REFUSED, .before = vip_at_xdp,
	  .out = PKT(BACK, IP6(VIP_EMPTY6, CLIENT6), RESET(40000)) },
	{ "a packet to a VIP goes on to its node", FROM_UL,
	  PKT(ETH(), IP4(CLIENT, VIP), UDP(40000, 80), DATA(40)), .verdict = REDIRECT,
	  .reason = XM_FWD_VIP, .note = XM_FLOW_NEW, .peer = NODE_WEST, .before = vip_at_tc,
	  .out = PKT(OUT4(), IP4(CLIENT, VIP, .ttl = 63), UDP(40000, 80), DATA(40)),
	  .after = is_edge_flow },
	{ "a VIP without backends refuses", FROM_UL,
	  PKT(ETH(), IP4(CLIENT, VIP_EMPTY), TCP(40000, 80, .flags = T_SYN)), .verdict = REDIRECT,
	  .reason = XM_ANSWER_REFUSED, .before = vip_at_tc,
	  .out = PKT(BACK, IP4(VIP_EMPTY, CLIENT, .df = true), RESET(40000)) },
	{ "a packet to a VIP of this node's pods is delivered", FROM_UL,
	  PKT(ETH(), IP4(CLIENT, VIP_HERE), UDP(40000, 80), DATA(40)), .verdict = REDIRECT,
	  .reason = XM_FWD_LOCAL, .notes = { { XM_FLOW_NEW, 2 }, { XM_TRANSLATED, 1 } },
	  .before = vip_at_tc,
	  .out = PKT(TO_A, IP4(CLIENT, "10.1.0.2", .ttl = 63), UDP(40000, 8080), DATA(40)) },
	{ "what an entry node sends is given to a pod", FROM_UL,
	  PKT(IN4(), IP4(CLIENT, VIP, .ttl = 60), UDP(40000, 80), DATA(40)), .verdict = REDIRECT,
	  .reason = XM_FWD_LOCAL, .notes = { { XM_FLOW_NEW, 2 }, { XM_TRANSLATED, 1 } },
	  .peer = NODE_WEST, .before = vip_at_tc,
	  .out = PKT(TO_A, IP4(CLIENT, "10.1.0.2", .ttl = 59), UDP(40000, 8080), DATA(40)),
	  .after = is_node_flow },
	{ "the pod's reply goes back through the entry node", FROM_A,
	  PKT(ETH(), IP4("10.1.0.2", CLIENT), UDP(8080, 40000), DATA(40)), .verdict = REDIRECT,
	  .reason = XM_FWD_VIP_RETURN, .note = XM_TRANSLATED, .peer = NODE_WEST,
	  .before = vip_pod_has_it,
	  .out = PKT(OUT4(), IP4(VIP, CLIENT, .ttl = 63), UDP(80, 40000), DATA(40)) },
	{ "a reply of a flow that was not sent to that node is not believed", FROM_UL,
	  PKT(IN4(), IP4(VIP, CLIENT), UDP(80, 40000), DATA(40)), .verdict = SHOT,
	  .reason = XM_DROP_PEER_SOURCE, .peer = NODE_WEST, .before = vip_at_tc },
	{ "a reply of a flow that was sent there, but to a client without a route, goes to the stack",
	  FROM_UL, PKT(IN4(), IP4(VIP, CLIENT), UDP(80, 40000), DATA(40)), .verdict = TO_STACK,
	  .reason = XM_STACK_SERVICE, .peer = NODE_WEST, .before = vip_west_has_it,
	  .out = PKT(ETH(), IP4(VIP, CLIENT), UDP(80, 40000), DATA(40)) },
	{ "a reply of a flow that was sent there goes out to the client", FROM_UL,
	  PKT(IN4(), IP4(VIP, CLIENT), UDP(80, 40000), DATA(40)), .verdict = REDIRECT,
	  .reason = XM_FWD_VIP_REPLY, .peer = NODE_WEST, .before = west_has_it_and_route,
	  .after = vip_unroute,
	  .out = PKT(ETH(), IP4(VIP, CLIENT, .ttl = 63), UDP(80, 40000), DATA(40)) },
	{ "the pod's reply goes straight to the client (DSR)", FROM_A,
	  PKT(ETH(), IP4("10.1.0.2", CLIENT), UDP(8080, 40000), DATA(40)), .verdict = REDIRECT,
	  .reason = XM_FWD_VIP_REPLY, .note = XM_TRANSLATED, .before = pod_has_it_directly,
	  .after = vip_unroute,
	  .out = PKT(ETH(), IP4(VIP, CLIENT, .ttl = 63), UDP(80, 40000), DATA(40)) },
	{ "XDP: too big for the path to the node is answered", AT_XDP,
	  PKT(ETH(), IP4(CLIENT, VIP, .df = true), UDP(40000, 80), DATA(1423)),
	  .verdict = XDP_IS_TX, .reason = XM_ANSWER_TOO_BIG, .note = XM_FLOW_NEW,
	  .before = vip_at_xdp,
	  .out = PKT(BACK, IP4(VIP, CLIENT, .df = true),
		     ICMP(3, .code = 4, .rest = 1450, .quote = 128),
		     IP4(CLIENT, VIP, .df = true), UDP(40000, 80), DATA(1423)) },
	{ "XDP: too big over IPv6 is answered", AT_XDP,
	  PKT(ETH(), IP6(CLIENT6, VIP6), UDP(40000, 80), DATA(1403)), .verdict = XDP_IS_TX,
	  .reason = XM_ANSWER_TOO_BIG, .note = XM_FLOW_NEW, .before = vip_at_xdp,
	  .out = PKT(BACK, IP6(VIP6, CLIENT6), ICMP6(2, .rest = 1450, .quote = 128),
		     IP6(CLIENT6, VIP6), UDP(40000, 80), DATA(1403)) },
	{ "too big for the path to the node is answered", FROM_UL,
	  PKT(ETH(), IP4(CLIENT, VIP, .df = true), UDP(40000, 80), DATA(1423)),
	  .verdict = REDIRECT, .reason = XM_ANSWER_TOO_BIG, .note = XM_FLOW_NEW,
	  .peer = NODE_WEST, .before = vip_at_tc,
	  .out = PKT(BACK, IP4(VIP, CLIENT, .df = true),
		     ICMP(3, .code = 4, .rest = 1450, .quote = 128),
		     IP4(CLIENT, VIP, .df = true), UDP(40000, 80), DATA(1423)) },
	{ "XDP: above the rate of new flows Maglev alone decides", AT_XDP,
	  PKT(ETH(), IP4(CLIENT, VIP), UDP(40000, 80), DATA(40)), .verdict = XDP_IS_TX,
	  .reason = XM_FWD_VIP, .note = XM_FLOW_UNRECORDED, .peer = NODE_WEST,
	  .before = spend_flows, .after = give_flows,
	  .out = PKT(X_OUT4, IP4(CLIENT, VIP, .ttl = 63), UDP(40000, 80), DATA(40)) },
	{ "another packet of that flow makes no new one", FROM_UL,
	  PKT(ETH(), IP4(CLIENT, VIP), UDP(40000, 80), DATA(40)), .verdict = REDIRECT,
	  .reason = XM_FWD_VIP, .peer = NODE_WEST, .before = vip_west_has_it,
	  .out = PKT(OUT4(), IP4(CLIENT, VIP, .ttl = 63), UDP(40000, 80), DATA(40)) },
	{ "a packet to a VIP goes on to its node over IPv6", FROM_UL,
	  PKT(ETH(), IP6(CLIENT6, VIP6), UDP(40000, 80), DATA(40)), .verdict = REDIRECT,
	  .reason = XM_FWD_VIP, .note = XM_FLOW_NEW, .peer = NODE_WEST, .before = vip_at_tc,
	  .out = PKT(OUT4(), IP6(CLIENT6, VIP6, .ttl = 63), UDP(40000, 80), DATA(40)) },
	{ "a packet to a VIP whose TTL is over is left to the kernel", FROM_UL,
	  PKT(ETH(), IP4(CLIENT, VIP, .ttl = 1), UDP(40000, 80), DATA(40)), .verdict = TO_STACK,
	  .reason = XM_STACK_TTL, .note = XM_FLOW_NEW, .peer = NODE_WEST, .before = vip_at_tc },
	{ "a later fragment to a VIP whose first was not seen is dropped", FROM_UL,
	  PKT(ETH(), IP4(CLIENT, VIP, .proto = IPPROTO_UDP, .frag_off = 100), DATA(40)),
	  .verdict = SHOT, .reason = XM_DROP_FRAGMENT, .before = vip_at_tc },
	{ "behind xmesh0, what an entry node sends is given to a pod", OUT_OF_WEST,
	  PKT(ETH(), IP4(CLIENT, VIP, .ttl = 60), UDP(40000, 80), DATA(40)), .verdict = REDIRECT,
	  .reason = XM_FWD_LOCAL, .notes = { { XM_FLOW_NEW, 2 }, { XM_TRANSLATED, 1 } },
	  .peer = NODE_WEST, .before = vip_at_tc,
	  .out = PKT(TO_A, IP4(CLIENT, "10.1.0.2", .ttl = 59), UDP(40000, 8080), DATA(40)),
	  .after = is_node_flow },
	{ "behind xmesh0, a VIP that west does not have is not believed", OUT_OF_WEST,
	  PKT(ETH(), IP4(CLIENT, VIP_HERE), UDP(40000, 80), DATA(40)), .verdict = SHOT,
	  .reason = XM_DROP_PEER_SOURCE, .peer = NODE_WEST, .before = vip_at_tc },
	{ "behind xmesh0, a reply of a flow that was sent there goes out to the client", OUT_OF_WEST,
	  PKT(ETH(), IP4(VIP, CLIENT), UDP(80, 40000), DATA(40)), .verdict = REDIRECT,
	  .reason = XM_FWD_VIP_REPLY, .peer = NODE_WEST, .before = west_has_it_and_route,
	  .after = vip_unroute,
	  .out = PKT(ETH(), IP4(VIP, CLIENT, .ttl = 63), UDP(80, 40000), DATA(40)) },
};

const size_t n_vip_rows = ARRAY_SIZE(vip_rows);

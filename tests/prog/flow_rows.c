/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Rows of how flows of pods begin, are kept, end and begin anew; and what the rows need before. */
#include "service_frames.h"

#include <netinet/in.h>
#include <string.h>

#include "core/defs.h"

void send_packet(const struct run *run, const struct layer *layers)
{
	static struct outcome outcome;
	static struct pkt in;

	pkt_build(layers, NULL, &in);
	fix_run(run, &in, &outcome);
	if (outcome.err)
		fail_msg("an earlier packet: errno %d", -outcome.err);
}

static const struct run from_a = FROM_A, from_b = FROM_B, from_west = FROM_WEST_DEV;

void tcp_flow(enum load load)
{
	fix_services_default(load);
	send_packet(&from_a, PKT(ETH(), IP4(A4, "10.96.0.1"), TCP(1000, 80, .flags = T_SYN)));
}

void tcp_flow_of_b(enum load load)
{
	fix_services_default(load);
	send_packet(&from_b, PKT(ETH(), IP4(B4, "10.96.0.1"), TCP(1000, 80, .flags = T_SYN)));
}

void udp_flow(enum load load)
{
	fix_services_default(load);
	send_packet(&from_a, PKT(ETH(), IP4(A4, "10.96.0.1"), UDP(1000, 80)));
}

void udp6_flow(enum load load)
{
	fix_services_default(load);
	send_packet(&from_a, PKT(ETH(), IP6(A6, "fd00:96::1"), UDP(1000, 80)));
}

void local_flow(enum load load)
{
	fix_services_default(load);
	send_packet(&from_a, PKT(ETH(), IP4(A4, "10.96.0.2"), TCP(1000, 80, .flags = T_SYN)));
}

void hairpin_flow(enum load load)
{
	fix_services_default(load);
	send_packet(&from_a, PKT(ETH(), IP4(A4, "10.96.0.3"), TCP(1000, 80, .flags = T_SYN)));
}

void first_fragment(enum load load)
{
	fix_services_default(load);
	send_packet(&from_a, PKT(ETH(), IP4(A4, "10.96.0.1", .id = 9, .mf = true), UDP(1000, 80),
				 DATA(800)));
}

void first_fragment_long_ago(enum load load)
{
	first_fragment(load);
	fix_age(load, XM_FRAG_S + 1);
}

void first_fragment_elsewhere(enum load load)
{
	fix_services_default(load);
	send_packet(&from_a, PKT(ETH(), IP4(A4, "10.96.0.1", .id = 9, .mf = true), UDP(1000, 81),
				 DATA(800)));
}

void reply_fragment(enum load load)
{
	udp_flow(load);
	send_packet(&from_west, PKT(ETH(), IP4(WEST4, A4, .id = 4, .mf = true), UDP(8080, 1000),
				    DATA(800)));
}

static void tcp_packet(bool client, uint8_t flags)
{
	if (client)
		send_packet(&from_a, PKT(ETH(), IP4(A4, "10.96.0.1"), TCP(1000, 80, .flags = flags)));
	else
		send_packet(&from_west, PKT(ETH(), IP4(WEST4, A4), TCP(8080, 1000, .flags = flags)));
}

static const struct fix_flow orig = { A4, "10.96.0.1", 1000, 80, IPPROTO_TCP, XM_FLOW_ORIG };
static const struct fix_flow reply = { WEST4, A4, 8080, 1000, IPPROTO_TCP, XM_FLOW_REPLY };

static void drained(enum load load)
{
	tcp_flow(load);
	fix_backend_state(load, B_WEST, XM_BACKEND_DRAINING, 1);
}

/* The service has another backend now, and the flow's is @state, of @generation. */
static void moved(enum load load, uint8_t state, uint32_t generation)
{
	tcp_flow(load);
	fix_service_put(load, &(struct fix_service){ .vip = "10.96.0.1", .port = 80, .proto = IPPROTO_TCP,
						     .backends = { B_WEST6 } });
	fix_backend_state(load, B_WEST, state, generation);
}

static void moved_on(enum load load)
{
	moved(load, XM_BACKEND_ACTIVE, 1);
}

static void down(enum load load)
{
	moved(load, XM_BACKEND_DOWN, 1);
}

static void gone(enum load load)
{
	moved(load, XM_BACKEND_GONE, 1);
}

static void given_away(enum load load)
{
	moved(load, XM_BACKEND_ACTIVE, 2);
}

static void closed(enum load load)
{
	moved_on(load);
	tcp_packet(true, T_FIN | T_ACK);
	tcp_packet(false, T_FIN | T_ACK);
}

static void reset(enum load load)
{
	moved_on(load);
	tcp_packet(false, T_RST);
}

static void answered(enum load load)
{
	moved_on(load);
	tcp_packet(false, T_SYN | T_ACK);
}

static void idle_new(enum load load)
{
	moved_on(load);
	fix_age(load, XM_FLOW_TCP_NEW_S + 1);
}

static void idle_answered(enum load load)
{
	answered(load);
	fix_age(load, XM_FLOW_TCP_NEW_S + 1);
}

static void idle_long(enum load load)
{
	answered(load);
	fix_age(load, XM_FLOW_TCP_S + 1);
}

static void closed_for_long(enum load load)
{
	closed(load);
	fix_age(load, XM_FLOW_TCP_CLOSED_S + 1);
}

static void half_closed(enum load load)
{
	moved_on(load);
	tcp_packet(true, T_FIN | T_ACK);
	fix_age(load, XM_FLOW_TCP_NEW_S + 1);
}

static void kept_by_replies(enum load load)
{
	answered(load);
	fix_age(load, XM_FLOW_TCP_S - 1);
	tcp_packet(false, T_ACK);
	fix_age(load, 2);
}

static void clash(enum load load)
{
	tcp_flow(load);
}

static void clash_over(enum load load)
{
	tcp_flow(load);
	fix_age(load, XM_FLOW_TCP_NEW_S + 1);
}

static void clash_elsewhere(enum load load)
{
	tcp_flow(load);
	fix_service_put(load, &(struct fix_service){ .vip = "10.96.0.9", .port = 80, .proto = IPPROTO_TCP,
						     .backends = { B_WEST, B_WEST6 } });
	/* Where this one falls by itself does not matter: only one of the two is free. */
}

static void both_entries_closed(enum load load)
{
	struct xm_flow o, r;

	assert_true(fix_flow_get(load, &orig, &o));
	assert_true(fix_flow_get(load, &reply, &r));
	assert_true(o.flags & XM_FLOW_FIN_ORIG);
	assert_true(r.flags & XM_FLOW_FIN_ORIG);
	assert_false(o.flags & XM_FLOW_REPLIED);
}

static void both_entries_made(enum load load)
{
	struct xm_addr vip = fix_addr("10.96.0.1"), west = fix_addr(WEST4);
	struct xm_flow o, r;

	assert_true(fix_flow_get(load, &orig, &o));
	assert_true(fix_flow_get(load, &reply, &r));
	assert_true(xm_addr_eq(&o.addr, &west));
	assert_int_equal(ntohs(o.port), 8080);
	assert_int_equal(o.backend, B_WEST);
	assert_int_equal(o.generation, 1);
	assert_int_equal(o.cluster, 2);
	assert_int_equal(o.kind, XM_FLOW_POD);
	assert_int_equal(o.flags, 0);
	assert_true(xm_addr_eq(&r.addr, &vip));
	assert_int_equal(ntohs(r.port), 80);
	assert_int_equal(fix_flow_count(load), 2);
}

static void two_entries(enum load load)
{
	assert_int_equal(fix_flow_count(load), 2);
}

static void no_entries(enum load load)
{
	assert_int_equal(fix_flow_count(load), 0);
}

static void answered_is_noted(enum load load)
{
	struct xm_flow o, r;

	assert_true(fix_flow_get(load, &orig, &o));
	assert_true(fix_flow_get(load, &reply, &r));
	assert_true(o.flags & XM_FLOW_REPLIED);
	assert_true(r.flags & XM_FLOW_REPLIED);
}

static const struct run *const from_a_run = &from_a;

/* A client of the service with affinity was given west's second node, whatever Maglev says. */
static void affine(enum load load, uint64_t age_s)
{
	fix_services_default(load);
	fix_service_put(load, &(struct fix_service){ .vip = "10.96.0.6", .port = 80, .proto = IPPROTO_UDP,
						     .affinity_s = 10, .backends = { B_WEST6 } });
	send_packet(from_a_run, PKT(ETH(), IP4(A4, "10.96.0.6"), UDP(999, 80)));
	fix_service_put(load, &(struct fix_service){ .vip = "10.96.0.6", .port = 80, .proto = IPPROTO_UDP,
						     .affinity_s = 10, .backends = { B_WEST } });
	fix_age(load, age_s);
}

static void affinity_fresh(enum load load)
{
	affine(load, 9);
}

static void affinity_over(enum load load)
{
	affine(load, 10);
}

static void affinity_drained(enum load load)
{
	affine(load, 1);
	fix_backend_state(load, B_WEST6, XM_BACKEND_DRAINING, 1);
}

static void affinity_given_away(enum load load)
{
	affine(load, 1);
	fix_backend_state(load, B_WEST6, XM_BACKEND_ACTIVE, 2);
}

#define SEGMENT(f) PKT(ETH(), IP4(A4, "10.96.0.1"), TCP(1000, 80, .flags = (f)))
#define AT_WEST(f) PKT(OUT4(), IP4(A4, WEST4, .ttl = 63), TCP(1000, 8080, .flags = (f)))
#define AT_WEST6(f) PKT(OUT6(), IP4(A4, "10.2.1.9", .ttl = 63), TCP(1000, 8080, .flags = (f)))
#define TO_WEST6 .verdict = REDIRECT, .reason = XM_FWD_TUNNEL, .peer = NODE_WEST6
#define ANEW .notes = { { XM_TRANSLATED, 1 }, { XM_FLOW_NEW, 2 }, { XM_FLOW_ENDED, 2 } }
#define KEPT .note = XM_TRANSLATED

const struct row flow_rows[] = {
	{ "a new flow has both its entries", FROM_A, SEGMENT(T_SYN), TO_WEST, NEW,
	  .out = AT_WEST(T_SYN), .before = fix_services_default, .after = both_entries_made },
	{ "a flow keeps its backend when the service's table changes", FROM_A, SEGMENT(T_ACK),
	  TO_WEST, KEPT, .out = AT_WEST(T_ACK), .before = moved_on },
	{ "a flow keeps a backend that is being drained", FROM_A, SEGMENT(T_ACK), TO_WEST, KEPT,
	  .out = AT_WEST(T_ACK), .before = drained },
	{ "a flow whose backend is down is placed anew", FROM_A, SEGMENT(T_ACK), TO_WEST6, ANEW,
	  .out = AT_WEST6(T_ACK), .before = down, .after = two_entries },
	{ "a flow whose backend is gone is placed anew", FROM_A, SEGMENT(T_ACK), TO_WEST6, ANEW,
	  .out = AT_WEST6(T_ACK), .before = gone, .after = two_entries },
	{ "a flow whose backend's number is another's now is placed anew", FROM_A, SEGMENT(T_ACK),
	  TO_WEST6, ANEW, .out = AT_WEST6(T_ACK), .before = given_away, .after = two_entries },
	{ "a SYN on the ports of a closed connection is placed anew", FROM_A, SEGMENT(T_SYN),
	  TO_WEST6, ANEW, .out = AT_WEST6(T_SYN), .before = closed, .after = two_entries },
	{ "a SYN after a reset too", FROM_A, SEGMENT(T_SYN), TO_WEST6, ANEW,
	  .out = AT_WEST6(T_SYN), .before = reset, .after = two_entries },
	{ "a SYN again in a flow that goes on stays with its backend", FROM_A, SEGMENT(T_SYN),
	  TO_WEST, KEPT, .out = AT_WEST(T_SYN), .before = answered },
	{ "the last acknowledgement of a closed connection stays with its backend", FROM_A,
	  SEGMENT(T_ACK), TO_WEST, KEPT, .out = AT_WEST(T_ACK), .before = closed },
	{ "a closed connection is over after its time", FROM_A, SEGMENT(T_ACK), TO_WEST6, ANEW,
	  .out = AT_WEST6(T_ACK), .before = closed_for_long, .after = two_entries },
	{ "a connection closed on one side lives on", FROM_A, SEGMENT(T_ACK), TO_WEST, KEPT,
	  .out = AT_WEST(T_ACK), .before = half_closed },
	{ "a flow that was never answered is over soon", FROM_A, SEGMENT(T_ACK), TO_WEST6, ANEW,
	  .out = AT_WEST6(T_ACK), .before = idle_new, .after = two_entries },
	{ "one that was answered is not", FROM_A, SEGMENT(T_ACK), TO_WEST, KEPT,
	  .out = AT_WEST(T_ACK), .before = idle_answered },
	{ "an idle connection is over after its time", FROM_A, SEGMENT(T_ACK), TO_WEST6, ANEW,
	  .out = AT_WEST6(T_ACK), .before = idle_long, .after = two_entries },
	{ "replies keep a flow whose client is silent", FROM_A, SEGMENT(T_ACK), TO_WEST, KEPT,
	  .out = AT_WEST(T_ACK), .before = kept_by_replies },
	{ "a FIN is noted in both entries", FROM_A, SEGMENT(T_FIN | T_ACK), TO_WEST, KEPT,
	  .out = AT_WEST(T_FIN | T_ACK), .before = tcp_flow, .after = both_entries_closed },
	{ "an answer is noted in both entries", FROM_WEST_DEV,
	  PKT(ETH(), IP4(WEST4, A4), TCP(8080, 1000, .flags = T_SYN | T_ACK)), .verdict = REDIRECT,
	  .reason = XM_FWD_LOCAL, .peer = NODE_WEST, KEPT, .before = tcp_flow,
	  .after = answered_is_noted,
	  .out = PKT(TO_A, IP4("10.96.0.1", A4, .ttl = 63),
		     TCP(80, 1000, .flags = T_SYN | T_ACK)) },
	{ "a reply of a flow that is over keeps its source", FROM_WEST_DEV,
	  PKT(ETH(), IP4(WEST4, A4), TCP(8080, 1000, .flags = T_ACK)), .verdict = REDIRECT,
	  .reason = XM_FWD_LOCAL, .peer = NODE_WEST, .before = clash_over,
	  .out = PKT(TO_A, IP4(WEST4, A4, .ttl = 63), TCP(8080, 1000, .flags = T_ACK)) },
	{ "the same port to the same backend by another VIP is dropped, for it has no other",
	  FROM_A, PKT(ETH(), IP4(A4, "10.96.0.9"), TCP(1000, 80, .flags = T_SYN)),
	  .verdict = SHOT, .reason = XM_DROP_PORT_CLASH, .before = clash, .after = two_entries },
	{ "with another backend it goes to that", FROM_A,
	  PKT(ETH(), IP4(A4, "10.96.0.9"), TCP(1000, 80, .flags = T_SYN)), TO_WEST6, NEW,
	  .before = clash_elsewhere,
	  .out = PKT(OUT6(), IP4(A4, "10.2.1.9", .ttl = 63), TCP(1000, 8080, .flags = T_SYN)) },
	{ "once the other flow is over, the port is free", FROM_A,
	  PKT(ETH(), IP4(A4, "10.96.0.9"), TCP(1000, 80, .flags = T_SYN)), TO_WEST, ANEW,
	  .before = clash_over, .after = two_entries,
	  .out = PKT(OUT4(), IP4(A4, WEST4, .ttl = 63), TCP(1000, 8080, .flags = T_SYN)) },
	{ "and once the other flow has ended", FROM_A,
	  PKT(ETH(), IP4(A4, "10.96.0.9"), TCP(1000, 80, .flags = T_SYN)), TO_WEST, ANEW,
	  .before = closed, .after = two_entries,
	  .out = PKT(OUT4(), IP4(A4, WEST4, .ttl = 63), TCP(1000, 8080, .flags = T_SYN)) },
	{ "a pod's own connection to the backend of a living flow, from its port, is dropped", FROM_A,
	  PKT(ETH(), IP4(A4, WEST4), TCP(1000, 8080, .flags = T_SYN)), .verdict = SHOT,
	  .reason = XM_DROP_PORT_CLASH, .before = tcp_flow, .after = two_entries },
	{ "once that flow has ended, it makes room", FROM_A,
	  PKT(ETH(), IP4(A4, WEST4), TCP(1000, 8080, .flags = T_SYN)), TO_WEST,
	  .notes = { { XM_FLOW_ENDED, 2 } }, .before = closed, .after = no_entries,
	  .out = PKT(OUT4(), IP4(A4, WEST4, .ttl = 63), TCP(1000, 8080, .flags = T_SYN)) },
	{ "what is refused makes no flow", FROM_A,
	  PKT(ETH(), IP4(A4, "10.96.0.5"), TCP(1000, 80, .flags = T_SYN)), REFUSED,
	  .before = fix_services_default, .after = no_entries,
	  .out = PKT(BACK, IP4("10.96.0.5", A4, .df = true), RESET(1000)) },

	/* ---- ClientIP affinity ---- */
	{ "a client with affinity goes where it went before", FROM_A,
	  PKT(ETH(), IP4(A4, "10.96.0.6"), UDP(1000, 80)), TO_WEST6, NEW, .before = affinity_fresh,
	  .out = PKT(OUT6(), IP4(A4, "10.2.1.9", .ttl = 63), UDP(1000, 8080)) },
	{ "until its time is over", FROM_A, PKT(ETH(), IP4(A4, "10.96.0.6"), UDP(1000, 80)),
	  TO_WEST, NEW, .before = affinity_over,
	  .out = PKT(OUT4(), IP4(A4, WEST4, .ttl = 63), UDP(1000, 8080)) },
	{ "another client goes elsewhere", FROM_B,
	  PKT(ETH(), IP4(B4, "10.96.0.6"), UDP(1000, 80)), TO_WEST, NEW, .before = affinity_fresh,
	  .out = PKT(OUT4(), IP4(B4, WEST4, .ttl = 63), UDP(1000, 8080)) },
	{ "affinity ends with a backend that is being drained", FROM_A,
	  PKT(ETH(), IP4(A4, "10.96.0.6"), UDP(1000, 80)), TO_WEST, NEW,
	  .before = affinity_drained,
	  .out = PKT(OUT4(), IP4(A4, WEST4, .ttl = 63), UDP(1000, 8080)) },
	{ "affinity ends when the backend's number is another's", FROM_A,
	  PKT(ETH(), IP4(A4, "10.96.0.6"), UDP(1000, 80)), TO_WEST, NEW,
	  .before = affinity_given_away,
	  .out = PKT(OUT4(), IP4(A4, WEST4, .ttl = 63), UDP(1000, 8080)) },
};

const size_t n_flow_rows = ARRAY_SIZE(flow_rows);

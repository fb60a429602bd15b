/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A packet is a list of layers, outermost first; pkt_build() sets every length, next-header field
 * and checksum, so that no test writes bytes by hand. The same lists say what must come out: a
 * field marked any_* takes its value from the packet that came out. Not for: running programs.
 */
#ifndef XMESH_TESTS_PROG_PKT_H
#define XMESH_TESTS_PROG_PKT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PKT_MAX 4096

enum layer_kind {
	L_END,
	L_ETH,
	L_VLAN,
	L_ARP,
	L_IP4,
	L_IP6,
	L_HBH,     /* IPv6 extension headers */
	L_DSTOPTS,
	L_ROUTING,
	L_FRAG6,
	L_UDP,
	L_TCP,
	L_SCTP,
	L_ICMP,
	L_ICMP6,
	L_VXLAN,
	L_PROBE,   /* xmesh/probe.h: rest is the nonce, seq the time; id makes the magic wrong */
	L_DATA,
};

/* TCP flags. */
#define T_FIN 0x01
#define T_SYN 0x02
#define T_RST 0x04
#define T_ACK 0x10

/* One header. Zero fields mean the ordinary value, which the comment names where it is not zero. */
struct layer {
	enum layer_kind kind;
	const char *src, *dst; /* addresses, MACs in L_ETH; L_ARP: protocol addresses */
	uint16_t sport, dport; /* UDP, TCP, SCTP */
	uint8_t ttl;           /* 64 */
	bool ttl_zero;
	uint8_t tos;           /* also the IPv6 traffic class */
	uint8_t proto;         /* as the next layer says */
	uint16_t ethertype;    /* as the next layer says */
	uint16_t id;           /* IPv4, L_FRAG6 */
	uint32_t flow;         /* IPv6 flow label */
	bool df, mf;
	uint16_t frag_off;     /* in 8-byte units */
	uint8_t version, ihl;  /* as the header is */
	uint16_t ip_len;       /* IPv4 total or IPv6 payload length, when it is to lie */
	uint8_t opt_words;     /* IPv4: that many options of four bytes */
	uint8_t opt_type;      /* router alert */
	const char *last_opt;  /* the last of them reads as this address */
	uint8_t flags;         /* TCP */
	uint32_t seq, ack;
	bool no_window;        /* TCP: 0, as in a reset */
	uint16_t mss;
	const char *opts;      /* TCP options, a letter each, see pkt.c */
	uint8_t doff;          /* TCP, when it is to lie */
	uint8_t type, code;    /* ICMP */
	uint32_t rest;         /* ICMP: second word, host order (MTU, or id and sequence) */
	uint16_t quote;        /* ICMP: at most so much of the quoted packet */
	uint32_t vni;
	bool no_flag_i;        /* VXLAN: flags zero */
	uint32_t vxlan_flags;  /* VXLAN: these beside I */
	bool csum_zero;        /* UDP */
	uint16_t len;          /* L_DATA */
	bool any_sport, any_id, any_mac, any_flow;
};

#define PKT(...) ((const struct layer[]){ __VA_ARGS__, { .kind = L_END } })
#define ETH(...) { .kind = L_ETH, ##__VA_ARGS__ }
#define VLAN(...) { .kind = L_VLAN, ##__VA_ARGS__ }
#define ARP(s, d) { .kind = L_ARP, .src = (s), .dst = (d) }
#define IP4(s, d, ...) { .kind = L_IP4, .src = (s), .dst = (d), ##__VA_ARGS__ }
#define IP6(s, d, ...) { .kind = L_IP6, .src = (s), .dst = (d), ##__VA_ARGS__ }
#define HBH(...) { .kind = L_HBH, ##__VA_ARGS__ }
#define DSTOPTS(...) { .kind = L_DSTOPTS, ##__VA_ARGS__ }
#define ROUTING(...) { .kind = L_ROUTING, ##__VA_ARGS__ }
#define FRAG6(...) { .kind = L_FRAG6, ##__VA_ARGS__ }
#define UDP(s, d, ...) { .kind = L_UDP, .sport = (s), .dport = (d), ##__VA_ARGS__ }
#define TCP(s, d, ...) { .kind = L_TCP, .sport = (s), .dport = (d), ##__VA_ARGS__ }
#define SCTP(s, d) { .kind = L_SCTP, .sport = (s), .dport = (d) }
#define ICMP(t, ...) { .kind = L_ICMP, .type = (t), ##__VA_ARGS__ }
#define ICMP6(t, ...) { .kind = L_ICMP6, .type = (t), ##__VA_ARGS__ }
#define VXLAN(v, ...) { .kind = L_VXLAN, .vni = (v), ##__VA_ARGS__ }
#define PROBE(t, ...) { .kind = L_PROBE, .type = (t), ##__VA_ARGS__ }
#define DATA(n) { .kind = L_DATA, .len = (n) }

struct pkt {
	uint8_t b[PKT_MAX];
	size_t len;
};

/*
 * Build @layers. @actual (may be NULL) is the packet that any_* fields are taken from, at the same
 * offset; one that is too short leaves them zero.
 */
void pkt_build(const struct layer *layers, const struct pkt *actual, struct pkt *ret_pkt);


/* Print both packets where they differ first, for people. False when they are equal. */
bool pkt_differ(const struct pkt *want, const struct pkt *got);

/* The ones' complement sum of RFC 1071 over @len bytes, folded, not inverted. */
uint16_t pkt_sum(const void *data, size_t len, uint32_t start);

/* The MAC "02:00:00:00:00:01"; aborts on anything else. */
void pkt_mac(const char *text, uint8_t ret_mac[6]);

#endif

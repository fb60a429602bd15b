/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The packet builder: an emit function per layer, which ends by setting lengths and checksums. */
#include "pkt.h"

#include <arpa/inet.h>
#include <linux/icmp.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "xmesh/probe.h"
#include "xmesh/wire.h"

struct build {
	struct pkt *pkt;
	const struct pkt *actual;
};

/* What a transport header needs of the IP header in front of it. */
struct pseudo {
	int family;
	const void *src, *dst;
};

static size_t emit(struct build *b, size_t off, const struct layer *l, const struct pseudo *up);

static void die(const char *what, const char *text)
{
	fprintf(stderr, "pkt: %s: %s\n", what, text ? text : "(null)");
	abort();
}

static void *room(struct build *b, size_t off, size_t len)
{
	if (off + len > PKT_MAX)
		die("packet too long", "");
	memset(b->pkt->b + off, 0, len);
	return b->pkt->b + off;
}

uint16_t pkt_sum(const void *data, size_t len, uint32_t start)
{
	const uint8_t *p = data;
	uint32_t sum = start;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	if (len & 1)
		sum += (uint32_t)p[len - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static uint16_t pseudo_sum(const struct pseudo *up, uint8_t proto, const void *data, size_t len)
{
	size_t alen = up->family == AF_INET ? 4 : 16;
	uint32_t sum = proto;

	sum = pkt_sum(up->src, alen, sum);
	sum = pkt_sum(up->dst, alen, sum);
	sum += len & 0xffff;
	return ~pkt_sum(data, len, sum);
}

/* CRC32c of RFC 9260, appendix A, bit by bit. */
static uint32_t crc32c(const uint8_t *p, size_t len)
{
	uint32_t crc = ~0u;

	for (size_t i = 0; i < len; i++) {
		crc ^= p[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	return ~crc;
}

void pkt_mac(const char *text, uint8_t ret_mac[6])
{
	unsigned int m[6];

	if (sscanf(text, "%x:%x:%x:%x:%x:%x", m, m + 1, m + 2, m + 3, m + 4, m + 5) != 6)
		die("not a MAC", text);
	for (int i = 0; i < 6; i++)
		ret_mac[i] = m[i];
}

static void address(int family, const char *text, void *ret_addr)
{
	if (!text || inet_pton(family, text, ret_addr) != 1)
		die("not an address", text);
}

static uint16_t ethertype_of(const struct layer *next)
{
	switch (next->kind) {
	case L_IP4:
		return ETH_P_IP;
	case L_IP6:
		return ETH_P_IPV6;
	case L_ARP:
		return ETH_P_ARP;
	case L_VLAN:
		return ETH_P_8021Q;
	case L_END:
	case L_ETH:
	case L_HBH:
	case L_DSTOPTS:
	case L_ROUTING:
	case L_FRAG6:
	case L_UDP:
	case L_TCP:
	case L_SCTP:
	case L_ICMP:
	case L_ICMP6:
	case L_VXLAN:
	case L_PROBE:
	case L_DATA:
		break;
	}
	return 0x88b5; /* IEEE 802, for experiments */
}

static uint8_t proto_of(const struct layer *next)
{
	switch (next->kind) {
	case L_HBH:
		return IPPROTO_HOPOPTS;
	case L_DSTOPTS:
		return IPPROTO_DSTOPTS;
	case L_ROUTING:
		return IPPROTO_ROUTING;
	case L_FRAG6:
		return IPPROTO_FRAGMENT;
	case L_UDP:
		return IPPROTO_UDP;
	case L_TCP:
		return IPPROTO_TCP;
	case L_SCTP:
		return IPPROTO_SCTP;
	case L_ICMP:
		return IPPROTO_ICMP;
	case L_ICMP6:
		return IPPROTO_ICMPV6;
	case L_IP4:
		return IPPROTO_IPIP;
	case L_IP6:
		return IPPROTO_IPV6;
	case L_END:
	case L_ETH:
	case L_VLAN:
	case L_ARP:
	case L_VXLAN:
	case L_PROBE:
	case L_DATA:
		break;
	}
	return 253; /* RFC 3692, for experiments */
}

/* The bytes of the packet that came out, for a field of any value. */
static const void *taken(const struct build *b, size_t off, size_t len)
{
	static const uint8_t zero[16];

	return b->actual && off + len <= b->actual->len ? b->actual->b + off : zero;
}

static size_t emit_eth(struct build *b, size_t off, const struct layer *l)
{
	struct ethhdr *eth = room(b, off, sizeof(*eth));

	pkt_mac(l->dst ? l->dst : "02:00:00:00:00:0d", eth->h_dest);
	pkt_mac(l->src ? l->src : "02:00:00:00:00:05", eth->h_source);
	if (l->any_mac)
		memcpy(eth, taken(b, off, 12), 12);
	eth->h_proto = htons(l->ethertype ? l->ethertype : ethertype_of(l + 1));
	return sizeof(*eth) + emit(b, off + sizeof(*eth), l + 1, NULL);
}

static size_t emit_vlan(struct build *b, size_t off, const struct layer *l)
{
	uint16_t tag[2] = { htons(5), htons(ethertype_of(l + 1)) };

	memcpy(room(b, off, 4), tag, 4);
	return 4 + emit(b, off + 4, l + 1, NULL);
}

static size_t emit_arp(struct build *b, size_t off, const struct layer *l)
{
	struct arphdr *arp = room(b, off, sizeof(*arp) + 20);
	uint8_t *body = (uint8_t *)(arp + 1);

	arp->ar_hrd = htons(ARPHRD_ETHER);
	arp->ar_pro = htons(ETH_P_IP);
	arp->ar_hln = ETH_ALEN;
	arp->ar_pln = 4;
	arp->ar_op = htons(ARPOP_REQUEST);
	pkt_mac("02:00:00:00:00:05", body);
	address(AF_INET, l->src, body + 6);
	address(AF_INET, l->dst, body + 16);
	return sizeof(*arp) + 20;
}

static size_t emit_ip4(struct build *b, size_t off, const struct layer *l)
{
	size_t hlen = sizeof(struct iphdr) + 4u * l->opt_words;
	struct iphdr *ip = room(b, off, hlen);
	struct pseudo up = { AF_INET, &ip->saddr, &ip->daddr };
	size_t len;

	ip->version = l->version ? l->version : 4;
	ip->ihl = l->ihl ? l->ihl : hlen / 4;
	ip->tos = l->tos;
	ip->id = l->any_id ? *(const uint16_t *)taken(b, off + 4, 2) : htons(l->id);
	ip->frag_off = htons((l->df ? 0x4000 : 0) | (l->mf ? 0x2000 : 0) | l->frag_off);
	ip->ttl = l->ttl_zero ? 0 : l->ttl ? l->ttl : 64;
	ip->protocol = l->proto ? l->proto : proto_of(l + 1);
	address(AF_INET, l->src, &ip->saddr);
	address(AF_INET, l->dst, &ip->daddr);
	for (int i = 0; i < l->opt_words; i++) {
		uint8_t *o = (uint8_t *)(ip + 1) + 4 * i;

		o[0] = l->opt_type ? l->opt_type : 0x94;
		o[1] = 4;
		if (l->last_opt && i == l->opt_words - 1)
			address(AF_INET, l->last_opt, o);
	}
	len = hlen + emit(b, off + hlen, l + 1, &up);
	ip->tot_len = htons(l->ip_len ? l->ip_len : len);
	ip->check = htons(~pkt_sum(ip, hlen, 0));
	return len;
}

static size_t emit_ip6(struct build *b, size_t off, const struct layer *l)
{
	struct ipv6hdr *ip = room(b, off, sizeof(*ip));
	struct pseudo up = { AF_INET6, &ip->saddr, &ip->daddr };
	uint32_t flow = l->flow;
	size_t len;

	if (l->any_flow)
		flow = ntohl(*(const uint32_t *)taken(b, off, 4)) & 0xfffff;
	*(uint32_t *)ip = htonl((uint32_t)(l->version ? l->version : 6) << 28 |
				(uint32_t)l->tos << 20 | flow);
	ip->nexthdr = l->proto ? l->proto : proto_of(l + 1);
	ip->hop_limit = l->ttl_zero ? 0 : l->ttl ? l->ttl : 64;
	address(AF_INET6, l->src, &ip->saddr);
	address(AF_INET6, l->dst, &ip->daddr);
	len = emit(b, off + sizeof(*ip), l + 1, &up);
	ip->payload_len = htons(l->ip_len ? l->ip_len : len);
	return sizeof(*ip) + len;
}

/* Hop-by-hop and destination options (one PadN) and a routing header with no segments left. */
static size_t emit_ext6(struct build *b, size_t off, const struct layer *l, const struct pseudo *up)
{
	uint8_t *h = room(b, off, 8);

	h[0] = l->proto ? l->proto : proto_of(l + 1);
	if (l->kind == L_FRAG6) {
		uint16_t frag = htons(l->frag_off << 3 | (l->mf ? 1 : 0));

		memcpy(h + 2, &frag, 2);
		h[7] = l->id;
	} else if (l->kind != L_ROUTING) {
		h[2] = 1;
		h[3] = 4;
	}
	return 8 + emit(b, off + 8, l + 1, up);
}

static size_t emit_udp(struct build *b, size_t off, const struct layer *l, const struct pseudo *up)
{
	struct udphdr *udp = room(b, off, sizeof(*udp));
	size_t len;

	udp->source = l->any_sport ? *(const uint16_t *)taken(b, off, 2) : htons(l->sport);
	udp->dest = htons(l->dport);
	len = sizeof(*udp) + emit(b, off + sizeof(*udp), l + 1, up);
	udp->len = htons(len);
	if (!l->csum_zero && up) {
		udp->check = htons(pseudo_sum(up, IPPROTO_UDP, udp, len));
		if (!udp->check)
			udp->check = 0xffff;
	}
	return len;
}

/*
 * TCP options: M = MSS, N = no-operation, E = end of list, S = SACK permitted, T = timestamps,
 * W = window scale; U = unknown, 6 bytes; Z, Y = unknown with length 0, 1; L = unknown with length
 * 40, longer than any option can be; K = an MSS option with length 3; m = a second MSS of 1460.
 */
static size_t tcp_options(uint8_t *o, const struct layer *l)
{
	size_t n = 0;

	for (const char *c = l->opts ? l->opts : ""; *c; c++) {
		switch (*c) {
		case 'M':
		case 'm':
			o[n++] = 2;
			o[n++] = 4;
			o[n++] = *c == 'M' ? l->mss >> 8 : 1460 >> 8;
			o[n++] = *c == 'M' ? l->mss & 0xff : 1460 & 0xff;
			break;
		case 'K':
			o[n++] = 2;
			o[n++] = 3;
			o[n++] = 0xff;
			break;
		case 'N':
			o[n++] = 1;
			break;
		case 'E':
			o[n++] = 0;
			break;
		case 'S':
			o[n++] = 4;
			o[n++] = 2;
			break;
		case 'T':
			o[n] = 8;
			o[n + 1] = 10;
			n += 10;
			break;
		case 'W':
			o[n++] = 3;
			o[n++] = 3;
			o[n++] = 7;
			break;
		case 'U':
			o[n] = 253;
			o[n + 1] = 6;
			n += 6;
			break;
		case 'Z':
		case 'Y':
			o[n++] = 253;
			o[n++] = *c == 'Y';
			break;
		case 'L':
			o[n++] = 253;
			o[n++] = 40;
			break;
		default:
			die("no such TCP option", c);
		}
	}
	return (n + 3) & ~(size_t)3;
}

static size_t emit_tcp(struct build *b, size_t off, const struct layer *l, const struct pseudo *up)
{
	uint8_t options[64] = { 0 };
	size_t hlen = sizeof(struct tcphdr) + tcp_options(options, l);
	struct tcphdr *tcp = room(b, off, hlen);
	size_t len;

	memcpy(tcp + 1, options, hlen - sizeof(*tcp));
	tcp->source = htons(l->sport);
	tcp->dest = htons(l->dport);
	tcp->seq = htonl(l->seq);
	tcp->doff = l->doff ? l->doff : hlen / 4;
	((uint8_t *)tcp)[13] = l->flags;
	tcp->ack_seq = htonl(l->ack);
	tcp->window = htons(l->no_window ? 0 : 65535);
	len = hlen + emit(b, off + hlen, l + 1, up);
	tcp->check = htons(pseudo_sum(up, IPPROTO_TCP, tcp, len));
	return len;
}

static size_t emit_sctp(struct build *b, size_t off, const struct layer *l, const struct pseudo *up)
{
	uint8_t *h = room(b, off, 12);
	uint16_t ports[2] = { htons(l->sport), htons(l->dport) };
	size_t len;
	uint32_t crc;

	memcpy(h, ports, 4);
	len = 12 + emit(b, off + 12, l + 1, up);
	crc = htole32(crc32c(h, len));
	memcpy(h + 8, &crc, 4);
	return len;
}

static size_t emit_icmp(struct build *b, size_t off, const struct layer *l, const struct pseudo *up)
{
	struct icmphdr *icmp = room(b, off, sizeof(*icmp));
	size_t len;

	icmp->type = l->type;
	icmp->code = l->code;
	icmp->un.gateway = htonl(l->rest);
	len = emit(b, off + sizeof(*icmp), l + 1, up);
	if (l->quote && len > l->quote)
		len = l->quote;
	len += sizeof(*icmp);
	icmp->checksum = htons(l->kind == L_ICMP ? (uint16_t)~pkt_sum(icmp, len, 0)
						 : pseudo_sum(up, IPPROTO_ICMPV6, icmp, len));
	return len;
}

static size_t emit_vxlan(struct build *b, size_t off, const struct layer *l)
{
	struct xm_vxlan *vx = room(b, off, sizeof(*vx));

	vx->flags = htonl((l->no_flag_i ? 0 : XM_VXLAN_FLAG_I) | l->vxlan_flags);
	vx->vni = htonl(l->vni << 8);
	return sizeof(*vx) + emit(b, off + sizeof(*vx), l + 1, NULL);
}

static size_t emit_probe(struct build *b, size_t off, const struct layer *l)
{
	struct xm_probe_packet *p = room(b, off, sizeof(*p));

	p->magic = htonl(XM_PROBE_MAGIC + l->id);
	p->version = l->version ? l->version : 1;
	p->type = l->type;
	p->nonce = l->rest;
	p->sent_ns = l->seq;
	return sizeof(*p) + emit(b, off + sizeof(*p), l + 1, NULL);
}

static size_t emit_data(struct build *b, size_t off, const struct layer *l, const struct pseudo *up)
{
	uint8_t *data = room(b, off, l->len);

	for (size_t i = 0; i < l->len; i++)
		data[i] = i * 7;
	return l->len + emit(b, off + l->len, l + 1, up);
}

static size_t emit(struct build *b, size_t off, const struct layer *l, const struct pseudo *up)
{
	switch (l->kind) {
	case L_END:
		return 0;
	case L_ETH:
		return emit_eth(b, off, l);
	case L_VLAN:
		return emit_vlan(b, off, l);
	case L_ARP:
		return emit_arp(b, off, l);
	case L_IP4:
		return emit_ip4(b, off, l);
	case L_IP6:
		return emit_ip6(b, off, l);
	case L_HBH:
	case L_DSTOPTS:
	case L_ROUTING:
	case L_FRAG6:
		return emit_ext6(b, off, l, up);
	case L_UDP:
		return emit_udp(b, off, l, up);
	case L_TCP:
		return emit_tcp(b, off, l, up);
	case L_SCTP:
		return emit_sctp(b, off, l, up);
	case L_ICMP:
	case L_ICMP6:
		return emit_icmp(b, off, l, up);
	case L_VXLAN:
		return emit_vxlan(b, off, l);
	case L_PROBE:
		return emit_probe(b, off, l);
	case L_DATA:
		return emit_data(b, off, l, up);
	}
	return 0;
}

void pkt_build(const struct layer *layers, const struct pkt *actual, struct pkt *ret_pkt)
{
	struct build b = { ret_pkt, actual };

	ret_pkt->len = emit(&b, 0, layers, NULL);
}

static void dump(const char *what, const struct pkt *p)
{
	fprintf(stderr, "%s (%zu bytes):", what, p->len);
	for (size_t i = 0; i < p->len && i < 160; i++)
		fprintf(stderr, "%s%02x", i % 32 ? " " : "\n  ", p->b[i]);
	fprintf(stderr, "\n");
}

bool pkt_differ(const struct pkt *want, const struct pkt *got)
{
	size_t n = want->len < got->len ? want->len : got->len;
	size_t at = 0;

	while (at < n && want->b[at] == got->b[at])
		at++;
	if (at == n && want->len == got->len)
		return false;
	fprintf(stderr, "packets differ from byte %zu on\n", at);
	dump("expected", want);
	dump("got", got);
	return true;
}

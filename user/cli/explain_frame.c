/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The bytes of a question, and what is in the bytes that came out. Pure. */
#include "cli/explain.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <string.h>

#include "xmesh/wire.h"

#define FRAME_TTL 64
#define SCTP_INIT 1

struct sctp_init {
	__be16 sport, dport;
	__be32 tag;
	__be32 crc;
	uint8_t type, flags;
	__be16 len;
	__be32 init_tag, window;
	__be16 out, in;
	__be32 tsn;
};

/* RFC 1071, of @len bytes on top of @sum, not folded. */
static uint32_t add(uint32_t sum, const void *data, size_t len)
{
	const uint8_t *b = data;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)b[i] << 8 | b[i + 1];
	if (len & 1)
		sum += (uint32_t)b[len - 1] << 8;
	return (sum & 0xffff) + (sum >> 16);
}

static __be16 fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons(~sum & 0xffff);
}

/* The pseudo header (RFC 9293, 3.1; RFC 8200, 8.1) and the payload at @l4. */
static __be16 l4_sum(const struct explain_ask *ask, const void *l4, size_t len)
{
	const bool v4 = xm_addr_is_v4(&ask->src);
	uint32_t sum = 0;

	sum = add(sum, v4 ? &ask->src.w[3] : ask->src.w, v4 ? 4 : 16);
	sum = add(sum, v4 ? &ask->dst.w[3] : ask->dst.w, v4 ? 4 : 16);
	sum += ask->proto + (uint32_t)len;
	return fold(add(sum, l4, len));
}

/* CRC32c (RFC 9260, appendix A), bit by bit: one packet. */
static uint32_t crc32c(const uint8_t *data, size_t len)
{
	uint32_t crc = ~0u;

	for (size_t i = 0; i < len; i++) {
		crc ^= data[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	return ~crc;
}

static size_t put_ethernet(uint8_t *buf, const struct explain_macs *macs, bool v4)
{
	struct ethhdr eth = { .h_proto = htons(v4 ? ETH_P_IP : ETH_P_IPV6) };

	memcpy(eth.h_dest, macs->dst, ETH_ALEN);
	memcpy(eth.h_source, macs->src, ETH_ALEN);
	memcpy(buf, &eth, sizeof(eth));
	return sizeof(eth);
}

/* @len: of the whole IP packet. @df: as Linux sends what is not fragmented. */
static size_t put_ip(uint8_t *buf, const struct xm_addr *src, const struct xm_addr *dst, uint8_t proto, size_t len,
		     bool df)
{
	if (xm_addr_is_v4(src)) {
		struct iphdr ip = { .version = 4, .ihl = 5, .tot_len = htons(len), .ttl = FRAME_TTL, .protocol = proto,
				    .frag_off = htons(df ? IP_DF : 0), .saddr = src->w[3], .daddr = dst->w[3] };

		ip.check = fold(add(0, &ip, sizeof(ip)));
		memcpy(buf, &ip, sizeof(ip));
		return sizeof(ip);
	}
	struct ip6_hdr ip = { .ip6_flow = htonl(6u << 28), .ip6_plen = htons(len - sizeof(ip)), .ip6_nxt = proto,
			      .ip6_hlim = FRAME_TTL };

	memcpy(&ip.ip6_src, src, sizeof(ip.ip6_src));
	memcpy(&ip.ip6_dst, dst, sizeof(ip.ip6_dst));
	memcpy(buf, &ip, sizeof(ip));
	return sizeof(ip);
}

static void put_tcp(uint8_t *l4, const struct explain_ask *ask, size_t len)
{
	struct tcphdr tcp = { .source = htons(ask->sport), .dest = htons(ask->dport), .seq = htonl(1), .doff = 5, .syn = 1,
			      .window = htons(65535) };

	memcpy(l4, &tcp, sizeof(tcp));
	tcp.check = l4_sum(ask, l4, len);
	memcpy(l4, &tcp, sizeof(tcp));
}

static void put_udp(uint8_t *l4, const struct explain_ask *ask, size_t len)
{
	struct udphdr udp = { .source = htons(ask->sport), .dest = htons(ask->dport), .len = htons(len) };

	memcpy(l4, &udp, sizeof(udp));
	udp.check = l4_sum(ask, l4, len);
	/* RFC 768: zero would say that there is none. */
	if (!udp.check)
		udp.check = 0xffff;
	memcpy(l4, &udp, sizeof(udp));
}

static void put_sctp(uint8_t *l4, const struct explain_ask *ask, size_t len)
{
	struct sctp_init init = { .sport = htons(ask->sport), .dport = htons(ask->dport), .type = SCTP_INIT,
				  .len = htons(20), .init_tag = htonl(1), .window = htonl(65535), .out = htons(1),
				  .in = htons(1), .tsn = htonl(1) };

	memcpy(l4, &init, sizeof(init));
	init.crc = htole32(crc32c(l4, len));
	memcpy(l4, &init, sizeof(init));
}

static void put_echo(uint8_t *l4, const struct explain_ask *ask, size_t len)
{
	struct icmphdr icmp = { .type = ask->proto == IPPROTO_ICMP ? ICMP_ECHO : ICMP6_ECHO_REQUEST };

	icmp.un.echo.id = icmp.un.echo.sequence = htons(1);
	memcpy(l4, &icmp, sizeof(icmp));
	icmp.checksum = ask->proto == IPPROTO_ICMP ? fold(add(0, l4, len)) : l4_sum(ask, l4, len);
	memcpy(l4, &icmp, sizeof(icmp));
}

static size_t put_packet(uint8_t *buf, const struct explain_ask *ask)
{
	size_t at;

	memset(buf, 0, ask->size);
	at = put_ip(buf, &ask->src, &ask->dst, ask->proto, ask->size, true);
	switch (ask->proto) {
	case IPPROTO_TCP: put_tcp(buf + at, ask, ask->size - at); break;
	case IPPROTO_UDP: put_udp(buf + at, ask, ask->size - at); break;
	case IPPROTO_SCTP: put_sctp(buf + at, ask, ask->size - at); break;
	default: put_echo(buf + at, ask, ask->size - at); break;
	}
	return ask->size;
}

/* Outer headers of the tunnel (RFC 7348) around an inner frame of @inner bytes. */
static size_t put_tunnel(uint8_t *buf, const struct explain_tunnel *tunnel, size_t inner)
{
	const bool v4 = xm_addr_is_v4(&tunnel->src);
	struct xm_vxlan vxlan = { .flags = htonl(XM_VXLAN_FLAG_I), .vni = htonl(tunnel->vni << 8) };
	struct udphdr udp = { .source = htons(XM_SOURCE_PORT_MIN), .dest = htons(tunnel->port),
			      .len = htons(sizeof(udp) + sizeof(vxlan) + inner) };
	size_t len = (v4 ? sizeof(struct iphdr) : sizeof(struct ip6_hdr)) + sizeof(udp) + sizeof(vxlan) + inner;
	size_t at = put_ip(buf, &tunnel->src, &tunnel->dst, IPPROTO_UDP, len, false);

	memcpy(buf + at, &udp, sizeof(udp));
	memcpy(buf + at + sizeof(udp), &vxlan, sizeof(vxlan));
	return at + sizeof(udp) + sizeof(vxlan);
}

size_t explain_build(const struct explain_ask *ask, const struct explain_macs *macs,
		     const struct explain_tunnel *tunnel, uint8_t *buf)
{
	const bool v4 = xm_addr_is_v4(&ask->src);
	size_t at;

	if (!tunnel) {
		at = put_ethernet(buf, macs, v4);
		return at + put_packet(buf + at, ask);
	}
	at = put_ethernet(buf, macs, xm_addr_is_v4(&tunnel->src));
	at += put_tunnel(buf + at, tunnel, ETH_HLEN + ask->size);
	at += put_ethernet(buf + at, &tunnel->macs, v4);
	return at + put_packet(buf + at, ask);
}

/* The IP packet at @data. Its payload's offset, 0: none. */
static size_t read_ip(const uint8_t *data, size_t len, uint16_t type, struct explain_seen *seen)
{
	size_t at;

	if (type == ETH_P_IP && len >= sizeof(struct iphdr)) {
		struct iphdr ip;

		memcpy(&ip, data, sizeof(ip));
		at = ip.ihl * 4;
		seen->src = xm_addr_v4(ip.saddr);
		seen->dst = xm_addr_v4(ip.daddr);
		seen->proto = ip.protocol;
		seen->ttl = ip.ttl;
		seen->len = ntohs(ip.tot_len);
	} else if (type == ETH_P_IPV6 && len >= sizeof(struct ip6_hdr)) {
		struct ip6_hdr ip;

		memcpy(&ip, data, sizeof(ip));
		at = sizeof(ip);
		memcpy(&seen->src, &ip.ip6_src, sizeof(seen->src));
		memcpy(&seen->dst, &ip.ip6_dst, sizeof(seen->dst));
		seen->proto = ip.ip6_nxt;
		seen->ttl = ip.ip6_hlim;
		seen->len = ntohs(ip.ip6_plen) + sizeof(ip);
	} else {
		return 0;
	}
	seen->sport = seen->dport = 0;
	if (seen->proto == IPPROTO_TCP || seen->proto == IPPROTO_UDP || seen->proto == IPPROTO_SCTP) {
		__be16 ports[2];

		if (len < at + sizeof(ports))
			return 0;
		memcpy(ports, data + at, sizeof(ports));
		seen->sport = ntohs(ports[0]);
		seen->dport = ntohs(ports[1]);
	}
	return at;
}

static size_t read_frame(const uint8_t *data, size_t len, struct explain_seen *seen)
{
	struct ethhdr eth;
	size_t at;

	if (len < sizeof(eth))
		return 0;
	memcpy(&eth, data, sizeof(eth));
	memcpy(seen->macs.dst, eth.h_dest, ETH_ALEN);
	memcpy(seen->macs.src, eth.h_source, ETH_ALEN);
	at = read_ip(data + sizeof(eth), len - sizeof(eth), ntohs(eth.h_proto), seen);
	return at ? at + sizeof(eth) : 0;
}

bool explain_read(const uint8_t *data, size_t len, uint16_t port, struct explain_seen *ret_seen)
{
	struct explain_seen seen = { 0 }, inner = { 0 };
	struct xm_vxlan vxlan;
	size_t at = read_frame(data, len, &seen);

	if (!at)
		return false;
	if (seen.proto == IPPROTO_UDP && seen.dport == port && len > at + sizeof(struct udphdr) + sizeof(vxlan)) {
		at += sizeof(struct udphdr);
		memcpy(&vxlan, data + at, sizeof(vxlan));
		at += sizeof(vxlan);
		if (vxlan.flags == htonl(XM_VXLAN_FLAG_I) && read_frame(data + at, len - at, &inner)) {
			inner.tunnelled = true;
			inner.macs = seen.macs;
			inner.outer_src = seen.src;
			inner.outer_dst = seen.dst;
			inner.outer_sport = seen.sport;
			inner.outer_dport = seen.dport;
			inner.outer_len = seen.len;
			inner.vni = ntohl(vxlan.vni) >> 8;
			seen = inner;
		}
	}
	*ret_seen = seen;
	return true;
}

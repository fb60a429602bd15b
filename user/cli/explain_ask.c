/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The words of `xmesh explain` into a question. Pure. */
#include "cli/explain.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "cli/serviceview.h"
#include "core/addr.h"
#include "core/defs.h"

static const struct { const char *name; uint8_t proto; bool ports; uint32_t header; } protos[] = {
	{ "tcp", IPPROTO_TCP, true, 20 },
	{ "udp", IPPROTO_UDP, true, 8 },
	{ "sctp", IPPROTO_SCTP, true, 32 }, /* common header and INIT */
	{ "icmp", IPPROTO_ICMP, false, 8 },
	{ "icmp6", IPPROTO_ICMPV6, false, 8 },
};

static int parse_port(const char *text, const char *whole, uint16_t *ret_port, struct err *err)
{
	char *end;
	unsigned long port;

	if (!*text || strspn(text, "0123456789") != strlen(text) || strlen(text) > 5)
		return err_set(err, -EINVAL, "%s: \"%s\" is no port: a number from 1 to 65535", whole, text);
	port = strtoul(text, &end, 10);
	if (!port || port > 65535)
		return err_set(err, -EINVAL, "%s: port %s is out of range: 1 to 65535", whole, text);
	*ret_port = port;
	return 0;
}

/* "ADDR", "ADDR4:PORT", "[ADDR6]", "[ADDR6]:PORT". Cuts @text up. */
static int parse_endpoint(char *text, const char *whole, struct xm_addr *ret_addr, uint16_t *ret_port, struct err *err)
{
	char *addr = text, *port = NULL, *colon;
	int code;

	if (*text == '[') {
		char *close = strchr(text, ']');

		if (!close || (close[1] && close[1] != ':'))
			return err_set(err, -EINVAL, "%s: brackets hold an IPv6 address, as in [fd00::1]:80", whole);
		*close = '\0';
		addr = text + 1;
		if (!strchr(addr, ':'))
			return err_set(err, -EINVAL, "%s: only an IPv6 address is in brackets", whole);
		if (close[1])
			port = close + 2;
	} else {
		colon = strchr(text, ':');
		/* More than one: all of it is an IPv6 address. */
		if (colon && !strchr(colon + 1, ':')) {
			*colon = '\0';
			port = colon + 1;
		}
	}
	code = addr_parse(addr, ret_addr, err);
	if (code)
		return code;
	return port ? parse_port(port, whole, ret_port, err) : 0;
}

static int parse_proto(const char *name, struct explain_ask *ask, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(protos); i++) {
		if (strcmp(protos[i].name, name))
			continue;
		ask->proto = protos[i].proto;
		if (!protos[i].ports)
			ask->proto = xm_addr_is_v4(&ask->dst) ? IPPROTO_ICMP : IPPROTO_ICMPV6;
		return 0;
	}
	return err_set(err, -EINVAL, "\"%s\" is no protocol that can be tried: tcp, udp, sctp or icmp", name);
}

static bool has_ports(uint8_t proto)
{
	for (size_t i = 0; i < ARRAY_SIZE(protos); i++)
		if (protos[i].proto == proto)
			return protos[i].ports;
	return false;
}

uint32_t explain_least(const struct explain_ask *ask)
{
	uint32_t ip = xm_addr_is_v4(&ask->src) ? 20 : 40;

	for (size_t i = 0; i < ARRAY_SIZE(protos); i++)
		if (protos[i].proto == ask->proto)
			return ip + protos[i].header;
	return ip;
}

static int parse_size(const char *text, struct explain_ask *ask, struct err *err)
{
	uint32_t least = explain_least(ask);
	unsigned long size;

	if (!*text || strspn(text, "0123456789") != strlen(text) || strlen(text) > 6)
		return err_set(err, -EINVAL, "--size %s: a number of bytes of the IP packet", text);
	size = strtoul(text, NULL, 10);
	if (size < least || size > EXPLAIN_SIZE_MAX)
		return err_set(err, -EINVAL, "--size %s: such a packet has %u to %u bytes, its IP header included", text,
			       least, EXPLAIN_SIZE_MAX);
	ask->size = size;
	return 0;
}

int explain_ask(const char *src, const char *dst, const char *size, struct explain_ask *ret_ask, struct err *err)
{
	auto_free char *from = strdup(src), *to = strdup(dst);
	struct explain_ask ask = { 0 };
	char *slash;
	int code;

	if (!from || !to)
		return err_set(err, -ENOMEM, "out of memory");
	slash = strchr(to, '/');
	if (slash)
		*slash++ = '\0';
	if (strchr(from, '/'))
		return err_set(err, -EINVAL, "%s: SRC is an address, with a port at most; the protocol stands behind DST", src);
	code = parse_endpoint(from, src, &ask.src, &ask.sport, err);
	if (!code)
		code = parse_endpoint(to, dst, &ask.dst, &ask.dport, err);
	if (code)
		return code;
	if (xm_addr_is_v4(&ask.src) != xm_addr_is_v4(&ask.dst))
		return err_set(err, -EINVAL, "%s and %s are of different families: no packet has both", src, dst);
	code = parse_proto(slash ? slash : ask.dport ? "tcp" : "icmp", &ask, err);
	if (code)
		return code;
	if (has_ports(ask.proto) && !ask.dport)
		return err_set(err, -EINVAL, "%s: %s needs a port, as in %s:80/%s; without both it is an ICMP echo", dst, slash,
			       xm_addr_is_v4(&ask.dst) ? to : "[ADDR]", slash);
	if (!has_ports(ask.proto) && (ask.dport || ask.sport))
		return err_set(err, -EINVAL, "ICMP has no ports: leave them out, or say /tcp, /udp or /sctp");
	if (has_ports(ask.proto) && !ask.sport)
		ask.sport = EXPLAIN_SPORT;
	ask.size = explain_least(&ask);
	code = size ? parse_size(size, &ask, err) : 0;
	if (code)
		return code;

	*ret_ask = ask;
	return 0;
}

const char *explain_flow(const struct explain_ask *ask, char buf[EXPLAIN_FLOW_MAX])
{
	char src[SERVICEVIEW_ENDPOINT_MAX], dst[SERVICEVIEW_ENDPOINT_MAX];
	const char *what = "?";

	switch (ask->proto) {
	case IPPROTO_TCP: what = "TCP SYN"; break;
	case IPPROTO_UDP: what = "UDP"; break;
	case IPPROTO_SCTP: what = "SCTP INIT"; break;
	case IPPROTO_ICMP: what = "ICMP echo"; break;
	case IPPROTO_ICMPV6: what = "ICMPv6 echo"; break;
	}
	snprintf(buf, EXPLAIN_FLOW_MAX, "%s %s -> %s", what, serviceview_endpoint(&ask->src, htons(ask->sport), src),
		 serviceview_endpoint(&ask->dst, htons(ask->dport), dst));
	return buf;
}

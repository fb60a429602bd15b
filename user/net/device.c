/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The life of xmesh0. What can be changed in place is (MAC, MTU, sysctls); what cannot (port, flags
 * fixed at creation) makes a new device, whose routes and neighbours the next sync brings back.
 * Not for: those routes and neighbours.
 */
#include "net/device.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "core/addr.h"
#include "core/defs.h"
#include "core/vec.h"
#include "net/parse.h"
#include "xmesh/wire.h"

#define ALIAS_MAX 64
#define DUMP_TRIES 10

#ifndef RTEXT_FILTER_SKIP_STATS
#define RTEXT_FILTER_SKIP_STATS (1 << 3)
#endif

union request {
	struct nlmsghdr nlh;
	char bytes[1024];
};

/* A device as found. */
struct found {
	struct link_fact link; /* ifindex 0: none of that name */
	char alias[ALIAS_MAX];
	bool external, learning, udp6_tx, udp6_rx;
	uint16_t port;
};

/* ---- looking --------------------------------------------------------------------------------- */

static bool parse_found(const struct nlmsghdr *nlh, struct found *ret_found)
{
	struct found f = { 0 };
	struct parse p, info, vxlan;
	uint8_t on;
	uint16_t port;

	if (nlh->nlmsg_type != RTM_NEWLINK || !parse_link(nlh, &f.link))
		return false;
	parse_message(nlh, sizeof(struct ifinfomsg), &p);
	parse_text(p.attr[IFLA_IFALIAS], f.alias, sizeof(f.alias));
	parse_nested(p.attr[IFLA_LINKINFO], &info);
	if (!strcmp(f.link.kind, "vxlan")) {
		parse_nested(info.attr[IFLA_INFO_DATA], &vxlan);
		f.external = parse_u8(vxlan.attr[IFLA_VXLAN_COLLECT_METADATA], &on) && on;
		f.learning = parse_u8(vxlan.attr[IFLA_VXLAN_LEARNING], &on) && on;
		f.udp6_tx = parse_u8(vxlan.attr[IFLA_VXLAN_UDP_ZERO_CSUM6_TX], &on) && on;
		f.udp6_rx = parse_u8(vxlan.attr[IFLA_VXLAN_UDP_ZERO_CSUM6_RX], &on) && on;
		if (parse_u16(vxlan.attr[IFLA_VXLAN_PORT], &port))
			f.port = (uint16_t)(port >> 8 | port << 8);
	}
	*ret_found = f;
	return true;
}

struct search {
	const char *name;     /* the device looked for */
	uint16_t port;        /* and the VXLAN device that holds this port: */
	struct found device, holder;
};

static int look_at(const struct nlmsghdr *nlh, void *data)
{
	struct search *s = data;
	struct found f;

	if (!parse_found(nlh, &f))
		return MNL_CB_OK;
	if (!strcmp(f.link.name, s->name))
		s->device = f;
	else if (!strcmp(f.link.kind, "vxlan") && f.port == s->port)
		s->holder = f;
	return MNL_CB_OK;
}

static struct ifinfomsg *request_init(union request *req, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(req->bytes);

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = flags;
	return mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
}

static int look(struct nl *nl, const char *name, uint16_t port, struct search *ret_search,
		struct err *err)
{
	struct search s;
	union request req;
	int code = -EINTR;

	for (int i = 0; i < DUMP_TRIES && code == -EINTR; i++) {
		s = (struct search){ .name = name, .port = port };
		request_init(&req, RTM_GETLINK, NLM_F_DUMP);
		mnl_attr_put_u32(&req.nlh, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
		code = nl_talk(nl, &req.nlh, look_at, &s, "reading the interfaces", err);
	}
	if (!code)
		*ret_search = s;
	return code;
}

static void alias_of(const char *instance, char buf[ALIAS_MAX])
{
	snprintf(buf, ALIAS_MAX, "xmesh %s", instance);
}

/*
 * The kernel takes no alias while it makes a device (rtnl_create_link(), 6.18): one of ours whose
 * maker died in between is still down and bears an MAC that only we give.
 */
static bool is_half_made(const struct found *f)
{
	return f->external && !f->link.up && !f->alias[0] && f->link.mac[0] == 0x02 &&
	       f->link.mac[1] == 0x78;
}

static int check_ours(const struct found *f, const char *instance, struct err *err)
{
	char alias[ALIAS_MAX];

	alias_of(instance, alias);
	if (!strcmp(f->link.kind, "vxlan") && (!strcmp(f->alias, alias) || is_half_made(f)))
		return 0;
	if (!strncmp(f->alias, "xmesh ", 6))
		return err_set(err, -EEXIST,
			       "device %s belongs to xmesh instance %s, this is %s: one agent per "
			       "network namespace, or set `device:` to another name",
			       f->link.name, f->alias + 6, instance);
	return err_set(err, -EEXIST,
		       "device %s exists and is not ours (kind %s, alias \"%s\"): remove it or set "
		       "`device:` to another name",
		       f->link.name, f->link.kind[0] ? f->link.kind : "none", f->alias);
}

/* ---- changing -------------------------------------------------------------------------------- */

static int create(struct nl *nl, const struct device_config *config, struct err *err)
{
	struct ifla_vxlan_port_range range = { .low = htons(XM_SOURCE_PORT_MIN),
					       .high = htons(XM_SOURCE_PORT_MAX) };
	struct nlattr *info, *data;
	char what[64];
	union request req;
	int code;

	request_init(&req, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
	mnl_attr_put_strz(&req.nlh, IFLA_IFNAME, config->name);
	mnl_attr_put(&req.nlh, IFLA_ADDRESS, sizeof(config->mac), config->mac);
	mnl_attr_put_u32(&req.nlh, IFLA_MTU, config->mtu);
	info = mnl_attr_nest_start(&req.nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(&req.nlh, IFLA_INFO_KIND, "vxlan");
	data = mnl_attr_nest_start(&req.nlh, IFLA_INFO_DATA);
	mnl_attr_put(&req.nlh, IFLA_VXLAN_PORT_RANGE, sizeof(range), &range);
	mnl_attr_put_u8(&req.nlh, IFLA_VXLAN_COLLECT_METADATA, 1);
	mnl_attr_put_u8(&req.nlh, IFLA_VXLAN_LEARNING, 0);
	mnl_attr_put_u16(&req.nlh, IFLA_VXLAN_PORT, htons(config->port));
	mnl_attr_put_u8(&req.nlh, IFLA_VXLAN_UDP_ZERO_CSUM6_TX, 1);
	mnl_attr_put_u8(&req.nlh, IFLA_VXLAN_UDP_ZERO_CSUM6_RX, 1);
	mnl_attr_nest_end(&req.nlh, data);
	mnl_attr_nest_end(&req.nlh, info);
	snprintf(what, sizeof(what), "making VXLAN device %s", config->name);
	code = nl_talk(nl, &req.nlh, NULL, NULL, what, err);
	if (code == -EOPNOTSUPP)
		err_in(err, code, "this kernel has no VXLAN (CONFIG_VXLAN, module vxlan)");
	return code;
}

/* Alias, MAC and MTU in one request, which the kernel takes while the device is up. */
static int change(struct nl *nl, const struct device_config *config, const struct found *f,
		  struct err *err)
{
	char alias[ALIAS_MAX], what[64];
	struct ifinfomsg *ifi;
	union request req;

	alias_of(config->instance, alias);
	if (!memcmp(f->link.mac, config->mac, 6) && f->link.mtu == config->mtu &&
	    !strcmp(f->alias, alias))
		return 0;
	ifi = request_init(&req, RTM_NEWLINK, 0);
	ifi->ifi_index = (int)f->link.ifindex;
	if (memcmp(f->link.mac, config->mac, 6))
		mnl_attr_put(&req.nlh, IFLA_ADDRESS, sizeof(config->mac), config->mac);
	if (f->link.mtu != config->mtu)
		mnl_attr_put_u32(&req.nlh, IFLA_MTU, config->mtu);
	if (strcmp(f->alias, alias))
		mnl_attr_put_str(&req.nlh, IFLA_IFALIAS, alias);
	snprintf(what, sizeof(what), "setting MAC and MTU %u of %s", config->mtu, config->name);
	return nl_talk(nl, &req.nlh, NULL, NULL, what, err);
}

static int delete(struct nl *nl, const struct found *f, struct err *err)
{
	struct ifinfomsg *ifi;
	union request req;
	char what[64];
	int code;

	ifi = request_init(&req, RTM_DELLINK, 0);
	ifi->ifi_index = (int)f->link.ifindex;
	snprintf(what, sizeof(what), "removing device %s", f->link.name);
	code = nl_talk(nl, &req.nlh, NULL, NULL, what, err);
	return code == -ENODEV ? 0 : code;
}

static int set_up(struct nl *nl, const struct device_config *config, const struct found *f,
		  struct err *err)
{
	struct ifinfomsg *ifi;
	union request req;
	char what[64];
	int code;

	if (f->link.up)
		return 0;
	ifi = request_init(&req, RTM_NEWLINK, 0);
	ifi->ifi_index = (int)f->link.ifindex;
	ifi->ifi_flags = IFF_UP;
	ifi->ifi_change = IFF_UP;
	snprintf(what, sizeof(what), "setting %s up", config->name);
	code = nl_talk(nl, &req.nlh, NULL, NULL, what, err);
	/* The UDP socket is bound when the device comes up, not before. */
	if (code == -EADDRINUSE)
		return err_set(err, code,
			       "UDP port %u is held by another program (`ss -ulnp sport = :%u` names "
			       "it): %s cannot receive; set tunnel.port to a free one, the same on "
			       "all nodes",
			       config->port, config->port, config->name);
	return code;
}

/* ---- sysctls --------------------------------------------------------------------------------- */

#define NO_SUCH_FAMILY 1 /* the kernel runs without that family */

/* @family "ipv4" or "ipv6", of this namespace. Returns 0, NO_SUCH_FAMILY or the error. */
static int sysctl_read(const char *family, const char *dev, const char *key, int *ret_value)
{
	char path[128], text[16] = "";
	auto_close int fd = -1;

	snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%s/%s", family, dev, key);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? NO_SUCH_FAMILY : -errno;
	if (read(fd, text, sizeof(text) - 1) <= 0)
		return -EIO;
	*ret_value = atoi(text);
	return 0;
}

static int sysctl_set(const char *family, const char *dev, const char *key, int value,
		      struct err *err)
{
	char path[128], text[16];
	auto_close int fd = -1;
	int is, code = sysctl_read(family, dev, key, &is), n;

	/* Read first: in a container /proc/sys may be read-only and right already. */
	if (code == NO_SUCH_FAMILY || (!code && is == value))
		return 0;
	snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%s/%s", family, dev, key);
	n = snprintf(text, sizeof(text), "%d\n", value);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, (size_t)n) != n)
		return err_set(err, -errno, "cannot set %s to %d: %s", path, value,
			       strerror(errno));
	return 0;
}

static int set_sysctls(const char *dev, struct err *err)
{
	static const struct {
		const char *family, *key;
		int value;
	} wanted[] = {
		/* The kernel takes the larger of `all` and this one, so that 2 (loose) undoes a 1:
		 * a peer node's address has its route back over the underlay, not through here. */
		{ "ipv4", "rp_filter", 2 },
		{ "ipv4", "forwarding", 1 },
		{ "ipv6", "disable_ipv6", 0 },
		{ "ipv6", "forwarding", 1 },
		{ "ipv6", "accept_ra", 0 },
		/* Its link-local address comes from our own MAC, and there is no one to ask. */
		{ "ipv6", "accept_dad", 0 },
	};
	int code;

	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
		if ((code = sysctl_set(wanted[i].family, dev, wanted[i].key, wanted[i].value, err)))
			return code;
	return 0;
}

/*
 * With rp_filter on, the kernel takes a device without any IPv4 address for one that every source
 * must be routed back through, also in loose mode (__fib_validate_source(), no_addr; 6.18). So it
 * gets one, of scope host: never a source, never announced.
 */
static int set_address(struct nl *nl, const struct device_config *config, const struct found *f,
		       struct err *err)
{
	static const __u8 address[4] = { 169, 254, 120, 109 };
	struct ifaddrmsg *ifa;
	union request req;
	char what[64];
	int code;

	mnl_nlmsg_put_header(req.bytes);
	req.nlh.nlmsg_type = RTM_NEWADDR;
	req.nlh.nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL;
	ifa = mnl_nlmsg_put_extra_header(&req.nlh, sizeof(*ifa));
	ifa->ifa_family = AF_INET;
	ifa->ifa_prefixlen = 32;
	ifa->ifa_scope = RT_SCOPE_HOST;
	ifa->ifa_index = f->link.ifindex;
	mnl_attr_put(&req.nlh, IFA_LOCAL, sizeof(address), address);
	snprintf(what, sizeof(what), "giving %s its address", config->name);
	code = nl_talk(nl, &req.nlh, NULL, NULL, what, err);
	return code == -EEXIST ? 0 : code;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static int check_port(const struct search *s, struct err *err)
{
	if (!s->holder.link.ifindex)
		return 0;
	return err_set(err, -EADDRINUSE,
		       "UDP port %u belongs to the VXLAN device %s already: set tunnel.port to a free "
		       "one, the same on all nodes",
		       s->port, s->holder.link.name);
}

/* What is fixed when the device is made. */
static bool is_as_made(const struct found *f, const struct device_config *config)
{
	return f->port == config->port && f->external && !f->learning && f->udp6_tx && f->udp6_rx;
}

static int bring_to(struct nl *nl, const struct device_config *config, const struct found *f,
		    struct err *err)
{
	int code;

	if ((code = change(nl, config, f, err)) || (code = set_sysctls(config->name, err)) ||
	    (code = set_address(nl, config, f, err)))
		return code;
	if (!f->link.up && config->guard && (code = config->guard(config->user, f->link.ifindex, err)))
		return code;
	return set_up(nl, config, f, err);
}

int device_ensure(struct nl *nl, const struct device_config *config, uint32_t *ret_ifindex,
		  struct err *err)
{
	bool made = false;
	struct search s;
	int code = look(nl, config->name, config->port, &s, err);

	if (code)
		return code;
	if (s.device.link.ifindex && (code = check_ours(&s.device, config->instance, err)))
		return code;
	if ((code = check_port(&s, err)))
		return code;
	if (s.device.link.ifindex && !is_as_made(&s.device, config)) {
		if ((code = delete(nl, &s.device, err)))
			return code;
		s.device.link.ifindex = 0;
	}
	if (!s.device.link.ifindex) {
		if ((code = create(nl, config, err)) ||
		    (code = look(nl, config->name, config->port, &s, err)))
			return code;
		made = true;
	}
	if (!s.device.link.ifindex)
		return err_set(err, -ENODEV, "device %s went away while it was made", config->name);
	code = bring_to(nl, config, &s.device, err);
	/* A device that cannot come up is of no use to anybody, and was not there before. */
	if (code && made)
		delete(nl, &s.device, NULL);
	if (code)
		return code;
	*ret_ifindex = s.device.link.ifindex;
	return 0;
}

int device_remove(struct nl *nl, const char *name, const char *instance, struct err *err)
{
	struct search s;
	int code = look(nl, name, 0, &s, err);

	if (code || !s.device.link.ifindex)
		return code;
	if ((code = check_ours(&s.device, instance, err)))
		return code;
	return delete(nl, &s.device, err);
}

/* ---- the host's own sysctls ------------------------------------------------------------------ */

static int check_forwarding(const char *family, const char *sysctl, char ***notes, size_t *n)
{
	int on;

	if (sysctl_read(family, "all", "forwarding", &on) || on)
		return 0;
	return vec_note(notes, n,
			"%s is 0: the kernel does not forward between pods and the mesh device, only "
			"the fast path works; set it to 1",
			sysctl);
}

int device_check_sysctls(const char *const *names, size_t n_names, char ***ret_notes, size_t *ret_n)
{
	char **notes = NULL;
	size_t n = 0;
	int all, own;

	if (check_forwarding("ipv4", "net.ipv4.ip_forward", &notes, &n) ||
	    check_forwarding("ipv6", "net.ipv6.conf.all.forwarding", &notes, &n))
		goto no_memory;
	for (size_t i = 0; i < n_names; i++) {
		if (sysctl_read("ipv4", "all", "rp_filter", &all) ||
		    sysctl_read("ipv4", names[i], "rp_filter", &own) || MAX(all, own) != 1)
			continue;
		if (vec_note(&notes, &n,
			     "rp_filter on %s is strict (1, of net.ipv4.conf.%s): packets that come "
			     "in there and are answered another way are dropped by the kernel; set "
			     "net.ipv4.conf.%s.rp_filter to 2",
			     names[i], own == 1 ? names[i] : "all", names[i]))
			goto no_memory;
	}
	*ret_notes = notes;
	*ret_n = n;
	return 0;

no_memory:
	vec_free_notes(notes, n);
	return -ENOMEM;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Listens to rtnetlink's multicast groups and tells, after a moment of quiet, that something
 * changed; what, is read anew by the one who is told. Neighbours flap between REACHABLE and STALE
 * all day: only a change of who is where counts. Not for: reading tables (tables.h).
 */
#include "net/watch.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

/* Out of memory: the caller of HASH_ADD sees the item not added (uthash 2.3). */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "core/defs.h"
#include "net/nl.h"
#include "net/parse.h"
#include "net/route.h"
#include "net/sync.h"

#define QUIET_MS 20
#define LATEST_MS 100
#define RECEIVE_BUFFER (4 * 1024 * 1024)
#define READS_PER_TURN 64    /* of the loop: a storm must not starve the others on it */
#define KNOWN_MAX 65536      /* neighbours remembered; beyond that every event of others counts */

/* Who is known to be where: neighbours by address, FDB entries by MAC. */
struct known_key {
	uint32_t ifindex, bridge; /* bridge: of FDB entries */
	struct xm_addr addr;      /* of an FDB entry: its MAC */
};

struct known {
	struct known_key key;
	__u8 mac[6];
	bool usable;
	UT_hash_handle hh;
};

struct watch {
	struct mnl_socket *sock;
	uv_poll_t poll;
	uv_timer_t quiet;
	unsigned int open_handles;
	uint64_t latest_ms; /* on the loop's clock, when a pending change is due; 0 = none pending */
	void (*changed)(void *user);
	void *user;
	struct known *known;
	bool blind;         /* not all neighbours are known: every event of an unknown one counts */
	char buf[65536] __attribute__((aligned(8)));
};

/* ---- neighbours ------------------------------------------------------------------------------ */

static void forget(struct watch *w, struct known *known)
{
	HASH_DEL(w->known, known);
	free(known);
}

static void remember(struct watch *w, const struct known *now)
{
	struct known *known;

	if (HASH_COUNT(w->known) >= KNOWN_MAX || !(known = calloc(1, sizeof(*known)))) {
		w->blind = true;
		return;
	}
	*known = *now;
	HASH_ADD(hh, w->known, key, sizeof(known->key), known);
	/* uthash leaves the table pointer empty when it could not add. */
	if (!known->hh.tbl) {
		free(known);
		w->blind = true;
	}
}

/* The key and state that a neighbour or FDB message tells. False: of no interest. */
static bool read_neigh(const struct nlmsghdr *nlh, struct known *ret_now)
{
	struct known now = { 0 };
	struct neigh_fact neigh;
	struct fdb_fact fdb;
	uint8_t protocol;
	struct parse p;

	parse_message(nlh, sizeof(struct ndmsg), &p);
	if (parse_u8(p.attr[NDA_PROTOCOL], &protocol) && protocol == NET_ROUTE_PROTO)
		return false;
	if (parse_neigh(nlh, &neigh)) {
		now.key.ifindex = neigh.ifindex;
		now.key.addr = neigh.addr;
		memcpy(now.mac, neigh.mac, sizeof(now.mac));
		now.usable = neigh.usable;
	} else if (parse_fdb(nlh, &fdb)) {
		now.key.ifindex = fdb.port;
		now.key.bridge = fdb.bridge;
		memcpy(now.key.addr.b, fdb.mac, sizeof(fdb.mac));
		now.usable = true;
	} else {
		return false;
	}
	if (nlh->nlmsg_type == RTM_DELNEIGH)
		now.usable = false;
	if (!now.usable)
		memset(now.mac, 0, sizeof(now.mac));
	*ret_now = now;
	return true;
}

/* True when a pod could have come, gone or moved. What is not usable is what was never heard of. */
static bool neigh_matters(struct watch *w, const struct nlmsghdr *nlh)
{
	struct known now, *known;

	if (!read_neigh(nlh, &now))
		return false;
	HASH_FIND(hh, w->known, &now.key, sizeof(now.key), known);
	if (!known) {
		if (now.usable)
			remember(w, &now);
		return now.usable || w->blind;
	}
	if (now.usable && !memcmp(now.mac, known->mac, sizeof(now.mac)))
		return false;
	if (now.usable)
		memcpy(known->mac, now.mac, sizeof(known->mac));
	else
		forget(w, known);
	return true;
}

static int know(const struct nlmsghdr *nlh, void *data)
{
	neigh_matters(data, nlh);
	return MNL_CB_OK;
}

static int know_family(struct watch *w, uint8_t family, struct nl *nl, struct err *err)
{
	char buf[256] __attribute__((aligned(8)));
	int code = -EINTR;

	for (int i = 0; i < 10 && code == -EINTR; i++) {
		struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
		struct ndmsg *ndm = mnl_nlmsg_put_extra_header(nlh, sizeof(*ndm));

		nlh->nlmsg_type = RTM_GETNEIGH;
		nlh->nlmsg_flags = NLM_F_DUMP;
		ndm->ndm_family = family;
		code = nl_talk(nl, nlh, know, w, "reading the neighbours", err);
	}
	return code;
}

/* What is there already, so that its end is seen as a change. */
static int know_all(struct watch *w, struct err *err)
{
	struct known *known, *next;
	struct nl *nl;
	int code = nl_open(&nl, err);

	if (code)
		return code;
	HASH_ITER(hh, w->known, known, next)
		forget(w, known);
	w->blind = false;
	if (!(code = know_family(w, AF_UNSPEC, nl, err)))
		code = know_family(w, AF_BRIDGE, nl, err);
	nl_close(nl);
	return code;
}

/* ---- events ---------------------------------------------------------------------------------- */

static bool matters(struct watch *w, const struct nlmsghdr *nlh)
{
	struct route_fact route;

	switch (nlh->nlmsg_type) {
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		return neigh_matters(w, nlh);
	case RTM_NEWROUTE:
		return !route_parse(nlh, &route) || route.protocol != NET_ROUTE_PROTO;
	case RTM_DELROUTE:
		/* Ours too: systemd-networkd removes routes and rules of others when it starts. */
	case RTM_DELRULE:
	case RTM_NEWTFILTER:
	case RTM_DELTFILTER:
	case RTM_DELQDISC: /* a clsact goes with its filters, which are not told one by one */
	case RTM_NEWLINK:
	case RTM_DELLINK:
	case RTM_NEWADDR:
	case RTM_DELADDR:
		return true;
	default:
		return false;
	}
}

static void tell(uv_timer_t *timer)
{
	struct watch *w = timer->data;

	w->latest_ms = 0;
	w->changed(w->user);
}

static void arm(struct watch *w)
{
	uint64_t now = uv_now(w->poll.loop);
	uint64_t wait = QUIET_MS;

	if (!w->latest_ms)
		w->latest_ms = now + LATEST_MS;
	if (now + wait > w->latest_ms)
		wait = w->latest_ms > now ? w->latest_ms - now : 0;
	uv_timer_start(&w->quiet, tell, wait, 0);
}

static bool digest(struct watch *w, ssize_t len)
{
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)w->buf;
	int left = (int)len;
	bool any = false;

	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left))
		any |= matters(w, nlh);
	return any;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct watch *w = poll->data;
	bool any = false;
	ssize_t len;

	/* An overrun shows as EPOLLERR, upon which libuv ends the polling (uv__poll_io(), 1.44); the
	 * recv() below takes the error off the socket. */
	if (status < 0)
		uv_poll_start(poll, UV_READABLE, on_readable);
	for (int i = 0; i < READS_PER_TURN; i++) {
		len = recv(mnl_socket_get_fd(w->sock), w->buf, sizeof(w->buf), MSG_DONTWAIT);
		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0 && errno == ENOBUFS) {
			/* Events were lost, and with them what we believed to be known. */
			if (know_all(w, NULL))
				w->blind = true;
			any = true;
			/* In a storm it comes again: not more than one such reading a turn of the loop. */
			break;
		}
		if (len < 0)
			break;
		any |= digest(w, len);
	}
	if (any)
		arm(w);
}

/* ---- life ------------------------------------------------------------------------------------ */

static int listen_to(struct watch *w, struct err *err)
{
	static const int groups[] = {
		RTNLGRP_LINK,	     RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
		RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,  RTNLGRP_NEIGH,
		RTNLGRP_IPV4_RULE,  RTNLGRP_IPV6_RULE,	 RTNLGRP_TC,
	};
	int fd, size = RECEIVE_BUFFER;

	w->sock = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!w->sock || mnl_socket_bind(w->sock, 0, MNL_SOCKET_AUTOPID) < 0)
		return err_set(err, -errno, "cannot listen to the kernel's tables: %s",
			       strerror(errno));
	fd = mnl_socket_get_fd(w->sock);
	/* FORCE needs CAP_NET_ADMIN; without it net.core.rmem_max is the limit. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i],
			       sizeof(groups[i])))
			return err_set(err, -errno, "cannot listen to the kernel's tables: %s",
				       strerror(errno));
	return 0;
}

static void free_watch(struct watch *w)
{
	struct known *known, *next;

	if (!w)
		return;
	HASH_ITER(hh, w->known, known, next)
		forget(w, known);
	if (w->sock)
		mnl_socket_close(w->sock);
	free(w);
}

static void on_closed(uv_handle_t *handle)
{
	struct watch *w = handle->data;

	if (!--w->open_handles)
		free_watch(w);
}

/* Listening comes before reading: what changes in between is seen twice rather than never. */
static int prepare(struct watch *w, struct err *err)
{
	int code = listen_to(w, err);

	return code ? code : know_all(w, err);
}

int watch_new(uv_loop_t *loop, void (*changed)(void *user), void *user, struct watch **ret_watch,
	      struct err *err)
{
	struct watch *w = calloc(1, sizeof(*w));
	int code;

	if (!w)
		return err_set(err, -ENOMEM, "out of memory for the watch on the kernel's tables");
	w->changed = changed;
	w->user = user;
	if ((code = prepare(w, err))) {
		free_watch(w);
		return code;
	}
	code = uv_poll_init(loop, &w->poll, mnl_socket_get_fd(w->sock));
	if (code) {
		free_watch(w);
		return err_set(err, code, "cannot watch a netlink socket: %s", uv_strerror(code));
	}
	uv_timer_init(loop, &w->quiet);
	w->poll.data = w;
	w->quiet.data = w;
	w->open_handles = 2;
	code = uv_poll_start(&w->poll, UV_READABLE, on_readable);
	if (code) {
		watch_close(w);
		return err_set(err, code, "cannot watch a netlink socket: %s", uv_strerror(code));
	}
	*ret_watch = w;
	return 0;
}

void watch_close(struct watch *watch)
{
	if (!watch)
		return;
	uv_close((uv_handle_t *)&watch->poll, on_closed);
	uv_close((uv_handle_t *)&watch->quiet, on_closed);
}

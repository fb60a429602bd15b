/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * SOCK_DESTROY: dump the connected sockets of each network namespace (sock_diag(7)), end those that
 * the caller says are lost. Their owners get ECONNABORTED; nothing is sent to a TCP peer but a
 * reset. Namespaces are entered by this thread alone, and it is back where it was afterwards.
 * Not for: which backends are lost, which sockets are ours (agent/).
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>

#include "core/defs.h"
#include "core/vec.h"
#include "net/destroy.h"

/* The kernel fills dump messages up to 32 KiB. */
#define RECEIVE_BYTES 65536

/*
 * States of sockets that have a peer and an owner to tell. A connected UDP socket is "established".
 * Left out: listening ones, those that the kernel keeps without an owner (TIME_WAIT, SYN_RECV).
 */
#define STATES                                                                                     \
	(1u << TCP_ESTABLISHED | 1u << TCP_SYN_SENT | 1u << TCP_FIN_WAIT1 | 1u << TCP_FIN_WAIT2 |  \
	 1u << TCP_CLOSE_WAIT | 1u << TCP_LAST_ACK | 1u << TCP_CLOSING)

struct victim {
	struct inet_diag_sockid id;
	uint8_t family, proto;
};

struct hunt {
	struct destroy_target *targets; /* sorted */
	size_t n;
	bool (*is_ours)(void *user, uint64_t cookie, const struct destroy_target *target);
	void *user;

	/* Of the namespace at hand. */
	struct mnl_socket *sock;
	struct victim *victims;
	size_t n_victims;
	uint8_t proto; /* of the running dump */
	unsigned int seq;

	struct destroy_result result;
	char buf[RECEIVE_BYTES] __attribute__((aligned(8)));
};

/* Field by field: a target may have holes. */
static int compare(const void *a, const void *b)
{
	const struct destroy_target *x = a, *y = b;
	int diff = memcmp(&x->addr, &y->addr, sizeof(x->addr));

	if (!diff)
		diff = (int)x->port - (int)y->port;
	return diff ? diff : (int)x->proto - (int)y->proto;
}

static bool has_proto(const struct hunt *hunt, uint8_t proto)
{
	size_t i;

	for (i = 0; i < hunt->n; i++)
		if (hunt->targets[i].proto == proto)
			return true;
	return false;
}

/* ---- one namespace ---- */

static int take_socket(const struct nlmsghdr *nlh, void *data)
{
	const struct inet_diag_msg *msg = mnl_nlmsg_get_payload(nlh);
	struct destroy_target peer = { 0 };
	struct hunt *hunt = data;
	struct destroy_target *target;
	struct victim *victim;
	uint64_t cookie;
	int code;

	if (nlh->nlmsg_len < MNL_NLMSG_HDRLEN + sizeof(*msg))
		return MNL_CB_OK;
	/* An IPv6 socket with an IPv4 peer bears its mapped address, as struct xm_addr does. */
	if (msg->idiag_family == AF_INET)
		peer.addr = xm_addr_v4(msg->id.idiag_dst[0]);
	else
		memcpy(&peer.addr, msg->id.idiag_dst, sizeof(peer.addr));
	peer.port = ntohs(msg->id.idiag_dport);
	peer.proto = hunt->proto;
	target = bsearch(&peer, hunt->targets, hunt->n, sizeof(peer), compare);
	cookie = (uint64_t)msg->id.idiag_cookie[1] << 32 | msg->id.idiag_cookie[0];
	if (!target || !hunt->is_ours(hunt->user, cookie, target))
		return MNL_CB_OK;
	code = vec_grow(&hunt->victims, hunt->n_victims, sizeof(*hunt->victims));
	if (code) {
		errno = -code;
		return MNL_CB_ERROR;
	}
	victim = &hunt->victims[hunt->n_victims++];
	*victim = (struct victim){ msg->id, msg->idiag_family, hunt->proto };
	return MNL_CB_OK;
}

/* The end of a dump may bear an error, which mnl_cb_run() passes over; so may an ACK. */
static int end(const struct nlmsghdr *nlh, void *data)
{
	int code = 0;

	if (mnl_nlmsg_get_payload_len(nlh) >= sizeof(code))
		memcpy(&code, mnl_nlmsg_get_payload(nlh), sizeof(code));
	if (code >= 0)
		return MNL_CB_STOP;
	errno = -code;
	return MNL_CB_ERROR;
}

/* Send and read all answers. 0 or the kernel's errno. */
static int talk(struct hunt *hunt, struct nlmsghdr *nlh)
{
	/* Both begin with the code: struct nlmsgerr, and the payload of NLMSG_DONE. */
	static mnl_cb_t ends[] = { [NLMSG_ERROR] = end, [NLMSG_DONE] = end };
	unsigned int port = mnl_socket_get_portid(hunt->sock);
	int more = MNL_CB_OK;
	ssize_t len;

	nlh->nlmsg_seq = ++hunt->seq;
	if (mnl_socket_sendto(hunt->sock, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	while (more > MNL_CB_STOP) {
		len = mnl_socket_recvfrom(hunt->sock, hunt->buf, sizeof(hunt->buf));
		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0)
			return -errno;
		more = mnl_cb_run2(hunt->buf, (size_t)len, hunt->seq, port, take_socket, hunt,
				   ends, ARRAY_SIZE(ends));
	}
	return more == MNL_CB_ERROR ? -errno : 0;
}

static struct inet_diag_req_v2 *request(void *buf, uint16_t type, uint16_t flags, uint8_t family,
					uint8_t proto)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct inet_diag_req_v2 *req;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	req = mnl_nlmsg_put_extra_header(nlh, sizeof(*req));
	req->sdiag_family = family;
	req->sdiag_protocol = proto;
	req->idiag_states = STATES;
	return req;
}

/* -ENOENT: this kernel lists no such sockets. */
static int dump(struct hunt *hunt, uint8_t family, uint8_t proto, struct err *err)
{
	char buf[256] __attribute__((aligned(8)));
	int code;

	request(buf, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, family, proto);
	hunt->proto = proto;
	code = talk(hunt, (struct nlmsghdr *)buf);
	if (code && code != -ENOENT)
		return err_set(err, code, "cannot list the %s sockets: %s",
			       proto == IPPROTO_TCP ? "TCP" : "UDP", strerror(-code));
	return code;
}

static int destroy_one(struct hunt *hunt, const struct victim *victim, struct err *err)
{
	char buf[256] __attribute__((aligned(8)));
	struct inet_diag_req_v2 *req;
	int code;

	req = request(buf, SOCK_DESTROY, NLM_F_ACK, victim->family, victim->proto);
	req->id = victim->id;
	code = talk(hunt, (struct nlmsghdr *)buf);
	if (code == -EOPNOTSUPP) {
		hunt->result.unsupported = true;
		return 0;
	}
	/* It was closed since, or its place is another's already (-ESTALE, by the cookie). */
	if (code == -ENOENT || code == -ESTALE)
		return 0;
	if (code)
		return err_set(err, code, "cannot end a socket (SOCK_DESTROY): %s",
			       strerror(-code));
	hunt->result.destroyed++;
	return 0;
}

/* Listed first and ended then: a dump goes on over the tables that this changes. */
static int search_and_destroy(struct hunt *hunt, struct err *err)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 }, protos[] = { IPPROTO_TCP,
									     IPPROTO_UDP };
	size_t f, p, i;
	int code = 0;

	for (p = 0; !code && p < ARRAY_SIZE(protos); p++) {
		for (f = 0; !code && f < ARRAY_SIZE(families); f++) {
			if (!has_proto(hunt, protos[p]))
				continue;
			code = dump(hunt, families[f], protos[p], err);
			if (code != -ENOENT)
				continue;
			/* Without IPv6 there is nothing lost; without IPv4 there is no sock_diag. */
			hunt->result.unsupported |= families[f] == AF_INET;
			code = 0;
		}
	}
	hunt->result.matched += hunt->n_victims;
	for (i = 0; !code && i < hunt->n_victims; i++)
		code = destroy_one(hunt, &hunt->victims[i], err);
	return code;
}

static int hunt_here(struct hunt *hunt, struct err *err)
{
	int code;

	hunt->sock = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
	if (!hunt->sock && errno == EPROTONOSUPPORT) {
		hunt->result.unsupported = true;
		return 0;
	}
	if (!hunt->sock || mnl_socket_bind(hunt->sock, 0, MNL_SOCKET_AUTOPID) < 0)
		code = err_set(err, -errno, "cannot open a sock_diag socket: %s", strerror(errno));
	else
		code = search_and_destroy(hunt, err);
	if (hunt->sock)
		mnl_socket_close(hunt->sock);
	free(hunt->victims);
	hunt->victims = NULL;
	hunt->n_victims = 0;
	return code;
}

/* ---- all namespaces ---- */

struct seen {
	struct ns {
		ino_t ino;
		dev_t dev;
	} *ns; /* as many as there are, at most one per process */
	size_t n;
};

/* 1: @st is new and known from now on. 0: known. */
static int seen_add(struct seen *seen, const struct stat *st)
{
	size_t i;
	int code;

	for (i = 0; i < seen->n; i++)
		if (seen->ns[i].ino == st->st_ino && seen->ns[i].dev == st->st_dev)
			return 0;
	code = vec_grow(&seen->ns, seen->n, sizeof(*seen->ns));
	if (code)
		return code;
	seen->ns[seen->n++] = (struct ns){ st->st_ino, st->st_dev };
	return 1;
}

static int visit(struct hunt *hunt, struct seen *seen, const char *pid, struct err *err)
{
	auto_close int fd = -1;
	struct stat st;
	char path[64];
	int code;

	snprintf(path, sizeof(path), "/proc/%.16s/ns/net", pid);
	/* Asked by name first: most processes share few namespaces. One that ended is none. */
	if (stat(path, &st)) {
		hunt->result.hidden += errno == EACCES || errno == EPERM;
		return 0;
	}
	code = seen_add(seen, &st);
	if (code <= 0)
		return code ? err_set(err, code, "out of memory") : 0;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) || st.st_ino != seen->ns[seen->n - 1].ino) {
		/* Gone in between: another of its processes may still lead there. */
		seen->n--;
		return 0;
	}
	if (setns(fd, CLONE_NEWNET)) {
		code = -errno;
		return err_set(err, code, "%s: cannot enter the network namespace: %s", path,
			       strerror(-code));
	}
	hunt->result.namespaces++;
	code = hunt_here(hunt, err);
	return code ? err_in(err, code, "network namespace of process %.16s", pid) : 0;
}

/*
 * A namespace that fails does not keep the others from being searched: the first error is what is
 * returned in the end.
 */
static int visit_all(struct hunt *hunt, struct err *err)
{
	struct err first = { .text = "" };
	struct seen seen = { 0 };
	struct dirent *entry;
	int code, ret = 0;
	DIR *proc;

	proc = opendir("/proc");
	if (!proc) {
		code = -errno;
		return err_set(err, code, "cannot read /proc: %s", strerror(-code));
	}
	while ((entry = readdir(proc))) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		code = visit(hunt, &seen, entry->d_name, ret ? NULL : &first);
		if (!ret)
			ret = code;
	}
	closedir(proc);
	free(seen.ns);
	return ret ? err_set(err, ret, "%s", first.text) : 0;
}

int destroy_sockets(const struct destroy_target *targets, size_t n,
		    bool (*is_ours)(void *user, uint64_t cookie, const struct destroy_target *target),
		    void *user, struct destroy_result *ret_result, struct err *err)
{
	auto_free struct destroy_target *sorted = NULL;
	auto_free struct hunt *hunt = NULL;
	auto_close int own = -1;
	int code;

	if (!n) {
		*ret_result = (struct destroy_result){ 0 };
		return 0;
	}
	own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (own < 0) {
		code = -errno;
		return err_set(err, code, "/proc/thread-self/ns/net: %s", strerror(-code));
	}
	hunt = calloc(1, sizeof(*hunt));
	sorted = calloc(n, sizeof(*sorted));
	if (!hunt || !sorted)
		return err_set(err, -ENOMEM, "out of memory");
	memcpy(sorted, targets, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), compare);
	hunt->targets = sorted;
	hunt->n = n;
	hunt->is_ours = is_ours;
	hunt->user = user;
	code = visit_all(hunt, err);
	if (setns(own, CLONE_NEWNET)) {
		code = -errno;
		return err_set(err, code, "cannot return to the own network namespace: %s",
			       strerror(-code));
	}
	if (code)
		return code;

	*ret_result = hunt->result;
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The rtnetlink socket: one request, all of its answers, the kernel's own words in errors. An
 * interrupted dump is read to its end, so that the next request finds an empty socket. Not for:
 * what the messages mean (tables, route, device), and not for multicast (watch).
 */
#include "net/nl.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "core/defs.h"

/* The kernel fills dump messages up to 32 KiB; a larger one would be cut (MSG_TRUNC). */
#define RECEIVE_BYTES 65536

struct nl {
	struct mnl_socket *sock;
	unsigned int seq;
	char buf[RECEIVE_BYTES] __attribute__((aligned(8)));
};

int nl_open(struct nl **ret_nl, struct err *err)
{
	auto_free struct nl *nl = calloc(1, sizeof(*nl));
	int on = 1, code;

	if (!nl)
		return err_set(err, -ENOMEM, "out of memory for a netlink socket");
	nl->sock = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!nl->sock)
		return err_set(err, -errno, "cannot open an rtnetlink socket: %s", strerror(errno));
	if (mnl_socket_bind(nl->sock, 0, MNL_SOCKET_AUTOPID) < 0) {
		code = -errno;
		mnl_socket_close(nl->sock);
		return err_set(err, code, "cannot bind an rtnetlink socket: %s", strerror(-code));
	}
	/* Both are niceties of the kernel (5.0 has both): without them errors are just shorter. */
	mnl_socket_setsockopt(nl->sock, NETLINK_EXT_ACK, &on, sizeof(on));
	mnl_socket_setsockopt(nl->sock, NETLINK_GET_STRICT_CHK, &on, sizeof(on));

	*ret_nl = take(nl);
	return 0;
}

void nl_close(struct nl *nl)
{
	if (!nl)
		return;
	mnl_socket_close(nl->sock);
	free(nl);
}

/* The text of an extended ACK behind @skip bytes of payload, or NULL. */
static const char *ack_text(const struct nlmsghdr *nlh, size_t skip)
{
	const char *text = NULL;
	const struct nlattr *attr;

	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS))
		return NULL;
	mnl_attr_for_each(attr, nlh, skip) {
		if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG &&
		    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
			text = mnl_attr_get_str(attr);
	}
	return text;
}

static int refuse(const struct nlmsghdr *nlh, int code, size_t skip, const char *what,
		  struct err *err)
{
	const char *text = ack_text(nlh, skip);

	if (text)
		return err_set(err, code, "%s: %s (%s)", what, text, strerror(-code));
	return err_set(err, code, "%s: %s", what, strerror(-code));
}

/* The end of a request: an ACK, an error, or the end of a dump, which may bear an error too. */
static int finish(const struct nlmsghdr *nlh, const char *what, struct err *err)
{
	size_t skip = sizeof(struct nlmsgerr);
	const struct nlmsgerr *e;
	int code = 0;

	if (nlh->nlmsg_type == NLMSG_DONE) {
		if (nlh->nlmsg_len >= NLMSG_HDRLEN + sizeof(code))
			memcpy(&code, mnl_nlmsg_get_payload(nlh), sizeof(code));
		return code < 0 ? refuse(nlh, code, sizeof(code), what, err) : 0;
	}
	if (nlh->nlmsg_len < NLMSG_HDRLEN + sizeof(*e))
		return err_set(err, -EBADMSG, "%s: the kernel's answer is cut short", what);
	e = mnl_nlmsg_get_payload(nlh);
	if (!e->error)
		return 0;
	/* Behind the error stands the request, whole unless it was capped. */
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED))
		skip += MNL_ALIGN(e->msg.nlmsg_len) - NLMSG_HDRLEN;
	if (skip > nlh->nlmsg_len - NLMSG_HDRLEN)
		skip = nlh->nlmsg_len - NLMSG_HDRLEN;
	return refuse(nlh, e->error, skip, what, err);
}

/* One datagram of answers. Returns 1 = more to come, 0 = the end, else the error. */
static int digest(struct nl *nl, size_t len, mnl_cb_t cb, void *data, bool *interrupted,
		  int *cb_error, const char *what, struct err *err)
{
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)nl->buf;
	int left = (int)len;

	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
		/* What is left of an older request is no answer to this one. */
		if (nlh->nlmsg_seq != nl->seq)
			continue;
		if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
			*interrupted = true;
		if (nlh->nlmsg_type == NLMSG_ERROR || nlh->nlmsg_type == NLMSG_DONE)
			return finish(nlh, what, err);
		if (nlh->nlmsg_type == NLMSG_NOOP || !cb || *cb_error || *interrupted)
			continue;
		/* A callback's error must not leave the rest of a dump in the socket. */
		if (cb(nlh, data) < 0)
			*cb_error = errno ? -errno : -EINVAL;
	}
	return 1;
}

int nl_talk(struct nl *nl, struct nlmsghdr *nlh, mnl_cb_t cb, void *data, const char *what,
	    struct err *err)
{
	bool interrupted = false;
	int cb_error = 0, code;
	ssize_t len;

	nlh->nlmsg_seq = ++nl->seq;
	nlh->nlmsg_flags |= NLM_F_REQUEST;
	/*
	 * A dump ends by itself; everything else is acknowledged. The flags of a dump mean other
	 * things in a NEW request; GET requests are those of type 2 modulo 4.
	 */
	if ((nlh->nlmsg_type & 3) != 2 || (nlh->nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP)
		nlh->nlmsg_flags |= NLM_F_ACK;
	if (mnl_socket_sendto(nl->sock, nlh, nlh->nlmsg_len) < 0)
		return err_set(err, -errno, "%s: cannot send: %s", what, strerror(errno));
	do {
		len = mnl_socket_recvfrom(nl->sock, nl->buf, sizeof(nl->buf));
		if (len < 0 && errno == EINTR) {
			code = 1;
			continue;
		}
		if (len < 0)
			return err_set(err, errno == ENOSPC ? -EMSGSIZE : -errno,
				       "%s: cannot receive: %s", what, strerror(errno));
		code = digest(nl, (size_t)len, cb, data, &interrupted, &cb_error, what, err);
	} while (code > 0);
	if (code < 0)
		return code;
	if (cb_error)
		return err_set(err, cb_error, "%s: %s", what, strerror(-cb_error));
	if (interrupted)
		return err_set(err, -EINTR, "%s: the table changed while it was read", what);
	return 0;
}

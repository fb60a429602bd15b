/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Listing tc filters over rtnetlink, which libbpf has no call for: to see whose a place is before
 * anything is written. Not for: adding and removing our own (attach_tc.c, by libbpf).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <libmnl/libmnl.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include "core/defs.h"
#include "plane/tc.h"

struct filters {
	struct tc_filter *list;
	size_t n;
};

static int read_options(const struct nlattr *attr, void *data)
{
	struct tc_filter *filter = data;

	if (mnl_attr_get_type(attr) == TCA_BPF_ID && !mnl_attr_validate(attr, MNL_TYPE_U32))
		filter->prog_id = mnl_attr_get_u32(attr);
	return MNL_CB_OK;
}

static int read_filter(const struct nlmsghdr *nlh, void *data)
{
	const struct tcmsg *tc = mnl_nlmsg_get_payload(nlh);
	struct filters *filters = data;
	struct tc_filter filter = { 0 }, *list;
	const struct nlattr *attr;

	/* A message without a handle announces a classifier; its filters follow. */
	if (nlh->nlmsg_type != RTM_NEWTFILTER || !tc->tcm_handle)
		return MNL_CB_OK;
	filter.handle = tc->tcm_handle;
	filter.priority = (uint16_t)(tc->tcm_info >> 16);
	mnl_attr_for_each(attr, nlh, sizeof(*tc)) {
		if (mnl_attr_get_type(attr) == TCA_KIND)
			strncpy(filter.kind, mnl_attr_get_str(attr), sizeof(filter.kind) - 1);
	}
	mnl_attr_for_each(attr, nlh, sizeof(*tc)) {
		if (mnl_attr_get_type(attr) == TCA_OPTIONS && !strcmp(filter.kind, "bpf"))
			mnl_attr_parse_nested(attr, read_options, &filter);
	}
	list = realloc(filters->list, (filters->n + 1) * sizeof(*list));
	if (!list) {
		errno = ENOMEM;
		return MNL_CB_ERROR;
	}
	filters->list = list;
	filters->list[filters->n++] = filter;
	return MNL_CB_OK;
}

static int dump(struct mnl_socket *nl, uint32_t ifindex, bool ingress, struct filters *filters)
{
	char buf[32768];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	unsigned int seq = (unsigned int)time(NULL);
	struct tcmsg *tc;
	ssize_t len;
	int rc;

	nlh->nlmsg_type = RTM_GETTFILTER;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = seq;
	tc = mnl_nlmsg_put_extra_header(nlh, sizeof(*tc));
	tc->tcm_family = AF_UNSPEC;
	tc->tcm_ifindex = (int)ifindex;
	tc->tcm_parent = TC_H_MAKE(TC_H_CLSACT, ingress ? TC_H_MIN_INGRESS : TC_H_MIN_EGRESS);
	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	do {
		len = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		if (len < 0)
			return -errno;
		rc = mnl_cb_run(buf, (size_t)len, seq, mnl_socket_get_portid(nl), read_filter,
				filters);
		if (rc < 0)
			return -errno;
	} while (rc > 0);
	return 0;
}

int tc_list(uint32_t ifindex, bool ingress, struct tc_filter **ret_filters, size_t *ret_n,
	    struct err *err)
{
	struct filters filters = { 0 };
	struct mnl_socket *nl;
	int code = 0;

	nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!nl)
		return err_set(err, -errno, "cannot open rtnetlink: %s", strerror(errno));
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID))
		code = -errno;
	if (!code)
		code = dump(nl, ifindex, ingress, &filters);
	mnl_socket_close(nl);
	/* No interface, no clsact qdisc, or (EINVAL) a qdisc there that takes no filters. */
	if (code == -ENODEV || code == -EINVAL || code == -ENOENT)
		code = 0;
	if (code) {
		free(filters.list);
		return err_set(err, code, "cannot list the tc filters of interface %u: %s",
			       ifindex, strerror(-code));
	}

	*ret_filters = filters.list;
	*ret_n = filters.n;
	return 0;
}

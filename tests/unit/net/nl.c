/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The request/answer turn against the real kernel, in a namespace of its own. */
#include "lab.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "net/nl.h"

union request {
	struct nlmsghdr nlh;
	char bytes[512];
};

static void ask_links(union request *req)
{
	struct ifinfomsg *ifi;

	mnl_nlmsg_put_header(req->bytes);
	ifi = mnl_nlmsg_put_extra_header(&req->nlh, sizeof(*ifi));
	ifi->ifi_family = AF_UNSPEC;
	req->nlh.nlmsg_type = RTM_GETLINK;
	req->nlh.nlmsg_flags = NLM_F_DUMP;
}

static int count(const struct nlmsghdr *nlh, void *data)
{
	++*(int *)data;
	return MNL_CB_OK;
}

static int refuse(const struct nlmsghdr *nlh, void *data)
{
	errno = EDOM;
	return MNL_CB_ERROR;
}

static void a_dump_is_run_to_its_end(void **state)
{
	struct err err = { .text = "" };
	union request req;
	struct nl *nl;
	int n = 0;

	close(lab_new());
	lab_run("for i in $(seq 50); do ip link add v$i type veth peer name w$i; done");
	assert_int_equal(nl_open(&nl, &err), 0);
	ask_links(&req);
	assert_int_equal(nl_talk(nl, &req.nlh, count, &n, "links", &err), 0);
	assert_int_equal(n, 101);
	/* A callback that fails leaves nothing behind that the next request would read. */
	ask_links(&req);
	assert_int_equal(nl_talk(nl, &req.nlh, refuse, NULL, "links", &err), -EDOM);
	n = 0;
	ask_links(&req);
	assert_int_equal(nl_talk(nl, &req.nlh, count, &n, "links", &err), 0);
	assert_int_equal(n, 101);
	nl_close(nl);
}

static void an_error_bears_the_kernels_words(void **state)
{
	struct err err = { .text = "" };
	struct rtmsg *rtm;
	union request req;
	struct nl *nl;

	close(lab_new());
	assert_int_equal(nl_open(&nl, &err), 0);
	mnl_nlmsg_put_header(req.bytes);
	rtm = mnl_nlmsg_put_extra_header(&req.nlh, sizeof(*rtm));
	rtm->rtm_family = AF_INET;
	rtm->rtm_type = RTN_UNICAST;
	rtm->rtm_table = RT_TABLE_MAIN;
	req.nlh.nlmsg_type = RTM_NEWROUTE;
	req.nlh.nlmsg_flags = NLM_F_CREATE;
	mnl_attr_put_u32(&req.nlh, RTA_OIF, 4711);
	assert_int_equal(nl_talk(nl, &req.nlh, NULL, NULL, "route X", &err), -ENODEV);
	assert_non_null(strstr(err.text, "route X: "));
	nl_close(nl);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_dump_is_run_to_its_end),
		cmocka_unit_test(an_error_bears_the_kernels_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

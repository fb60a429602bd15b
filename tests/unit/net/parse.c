/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* rtnetlink messages into facts: which neighbours are usable, which FDB entries are somebody's. */
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "core/defs.h"
#include "net/parse.h"

static const __u8 mac[8] = { 2, 0, 0, 0, 0, 5 };
static const __u8 ip[16] = { 192, 0, 2, 5 };

static const struct row {
	const char *holds;
	uint8_t family;
	uint16_t state;
	uint8_t flags;
	uint8_t dst_len, mac_len; /* 0 = no such attribute */
	bool parsed, usable;
} rows[] = {
	{ "reachable", AF_INET, NUD_REACHABLE, 0, 4, 6, true, true },
	{ "stale counts as usable", AF_INET, NUD_STALE, 0, 4, 6, true, true },
	{ "delay and probe too", AF_INET6, NUD_PROBE, 0, 16, 6, true, true },
	{ "permanent", AF_INET, NUD_PERMANENT, 0, 4, 6, true, true },
	{ "failed is not usable", AF_INET, NUD_FAILED, 0, 4, 6, true, false },
	{ "incomplete is not", AF_INET, NUD_INCOMPLETE, 0, 4, 0, true, false },
	{ "without a MAC it is not", AF_INET, NUD_REACHABLE, 0, 4, 0, true, false },
	{ "with a MAC of another size it is not", AF_INET, NUD_REACHABLE, 0, 4, 4, true, false },
	{ "a proxy entry is nobody", AF_INET, NUD_PERMANENT, NTF_PROXY, 4, 6, false, false },
	{ "no address, no neighbour", AF_INET, NUD_REACHABLE, 0, 0, 6, false, false },
	{ "an address of an odd size is none", AF_INET, NUD_REACHABLE, 0, 5, 6, false, false },
};

union message {
	struct nlmsghdr nlh;
	char bytes[512];
};

static struct ndmsg *neigh_message(union message *m, uint8_t family, uint16_t state, uint8_t flags)
{
	struct ndmsg *ndm;

	mnl_nlmsg_put_header(m->bytes);
	m->nlh.nlmsg_type = RTM_NEWNEIGH;
	ndm = mnl_nlmsg_put_extra_header(&m->nlh, sizeof(*ndm));
	ndm->ndm_family = family;
	ndm->ndm_state = state;
	ndm->ndm_flags = flags;
	ndm->ndm_ifindex = 9;
	return ndm;
}

static void neighbours_are_read(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *r = &rows[i];
		struct neigh_fact neigh;
		union message m;

		print_message("%s\n", r->holds);
		neigh_message(&m, r->family, r->state, r->flags);
		if (r->dst_len)
			mnl_attr_put(&m.nlh, NDA_DST, r->dst_len, ip);
		if (r->mac_len)
			mnl_attr_put(&m.nlh, NDA_LLADDR, r->mac_len, mac);
		assert_int_equal(parse_neigh(&m.nlh, &neigh), r->parsed);
		if (!r->parsed)
			continue;
		assert_int_equal(neigh.usable, r->usable);
		assert_int_equal(neigh.ifindex, 9);
		assert_int_equal(xm_addr_is_v4(&neigh.addr), r->dst_len == 4);
	}
}

static void fdb_entries_are_those_of_bridges_for_others(void **state)
{
	struct fdb_fact fdb;
	union message m;

	neigh_message(&m, AF_BRIDGE, NUD_REACHABLE, 0);
	mnl_attr_put(&m.nlh, NDA_LLADDR, 6, mac);
	assert_false(parse_fdb(&m.nlh, &fdb)); /* of a VXLAN device: no master */
	mnl_attr_put_u32(&m.nlh, NDA_MASTER, 4);
	assert_true(parse_fdb(&m.nlh, &fdb));
	assert_int_equal(fdb.port, 9);
	assert_int_equal(fdb.bridge, 4);
	assert_memory_equal(fdb.mac, mac, 6);
	((struct ndmsg *)mnl_nlmsg_get_payload(&m.nlh))->ndm_state = NUD_PERMANENT;
	assert_false(parse_fdb(&m.nlh, &fdb)); /* the port's own */
	((struct ndmsg *)mnl_nlmsg_get_payload(&m.nlh))->ndm_state = NUD_NOARP;
	assert_true(parse_fdb(&m.nlh, &fdb)); /* static, by a CNI */
}

static void a_long_name_is_cut_and_unknown_attributes_are_passed_over(void **state)
{
	struct ifinfomsg *ifi;
	struct link_fact link;
	union message m;

	mnl_nlmsg_put_header(m.bytes);
	m.nlh.nlmsg_type = RTM_NEWLINK;
	ifi = mnl_nlmsg_put_extra_header(&m.nlh, sizeof(*ifi));
	ifi->ifi_index = 3;
	assert_false(parse_link(&m.nlh, &link)); /* nameless */
	mnl_attr_put_strz(&m.nlh, IFLA_IFNAME, "a-name-that-no-kernel-would-give");
	mnl_attr_put_u32(&m.nlh, 0x3fff, 1);
	mnl_attr_put(&m.nlh, IFLA_MTU, 2, mac); /* of another size */
	assert_true(parse_link(&m.nlh, &link));
	assert_string_equal(link.name, "a-name-that-no-");
	assert_int_equal(link.mtu, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(neighbours_are_read),
		cmocka_unit_test(fdb_entries_are_those_of_bridges_for_others),
		cmocka_unit_test(a_long_name_is_cut_and_unknown_attributes_are_passed_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

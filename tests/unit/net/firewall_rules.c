/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Chains are found by all of their names, among as many as kube-proxy makes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "net/firewall_rules.h"

static void chains_are_found_by_family_table_and_name(void **state)
{
	struct rules rules = { .tool = "nft" };
	char name[32];

	assert_null(rules_find(&rules, "ip", "filter", "FORWARD"));
	for (int i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "KUBE-SVC-%d", i);
		assert_non_null(rules_add_chain(&rules, i & 1 ? "ip" : "ip6", "nat", name));
	}
	assert_non_null(rules_add_chain(&rules, "ip", "filter", "KUBE-SVC-7"));
	for (int i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "KUBE-SVC-%d", i);
		assert_ptr_equal(rules_find(&rules, i & 1 ? "ip" : "ip6", "nat", name), &rules.chains[i]);
		assert_null(rules_find(&rules, i & 1 ? "ip6" : "ip", "nat", name));
	}
	assert_ptr_equal(rules_find(&rules, "ip", "filter", "KUBE-SVC-7"), &rules.chains[20000]);
	rules_done(&rules);
}

static void long_names_are_cut(void **state)
{
	struct rules rules = { .tool = "nft" };
	struct rule_match *m;
	struct chain *c;
	char name[400];

	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	c = rules_add_chain(&rules, name, name, name);
	assert_int_equal(strlen(c->name), RULES_NAME_MAX - 1);
	m = rules_add_match(rules_add_rule(c), RULE_IN, false);
	assert_int_equal(rules_add_word(m, name), 0);
	assert_int_equal(strlen(m->words[0]), 15);
	rules_done(&rules);
}

static void states_have_bits(void **state)
{
	assert_int_equal(rules_state_bit("INVALID,NEW", 7), RULE_STATE_INVALID);
	assert_int_equal(rules_state_bit("new", 3), RULE_STATE_NEW);
	assert_int_equal(rules_state_bit("UNTRACKED", 9), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chains_are_found_by_family_table_and_name),
		cmocka_unit_test(long_names_are_cut),
		cmocka_unit_test(states_have_bits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

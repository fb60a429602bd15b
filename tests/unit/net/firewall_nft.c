/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One statement of `nft -j` each, and what is understood of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/defs.h"
#include "net/firewall_rules.h"

#define MATCH(op, left, right)                                                                     \
	"{\"match\":{\"op\":\"" op "\",\"left\":" left ",\"right\":" right "}}"
#define META(key) "{\"meta\":{\"key\":\"" key "\"}}"

static const struct {
	const char *expr;
	size_t n_rules; /* a verdict map makes one more per element */
	enum rule_verdict verdict; /* of the last rule */
	size_t n_matches;
	enum rule_subject subject; /* of its last match */
	bool negated;
	size_t n_words;
	const char *word; /* its last */
	uint32_t bits;
	const char *text;
} rows[] = {
	{ "{\"drop\":null}", 1, RULE_DROP, 0, 0, false, 0, NULL, 0, "drop (handle 7)" },
	{ MATCH("==", META("iifname"), "\"xm*\"") ",{\"accept\":null}", 1, RULE_ACCEPT, 1, RULE_IN, false, 1,
	  "xm*", 0, "iifname xm* accept (handle 7)" },
	{ MATCH("!=", META("oifname"), "{\"set\":[\"a\",\"b\"]}"), 1, RULE_CONTINUE, 1, RULE_OUT, true, 2, "b",
	  0, NULL },
	{ MATCH("==", META("oifname"), "\"@named\""), 1, RULE_CONTINUE, 1, RULE_OTHER, false, 0, NULL, 0, NULL },
	{ MATCH("in", "{\"ct\":{\"key\":\"state\"}}", "[\"invalid\",\"new\"]"), 1, RULE_CONTINUE, 1,
	  RULE_STATE, false, 0, NULL, RULE_STATE_INVALID | RULE_STATE_NEW, NULL },
	{ MATCH("!=", "{\"&\":[" META("mark") ",16384]}", "16384") ",{\"return\":null}", 1, RULE_RETURN, 1,
	  RULE_MARK, true, 0, NULL, 16384, NULL },
	{ MATCH("==", "{\"payload\":{\"protocol\":\"tcp\",\"field\":\"dport\"}}", "22"), 1, RULE_CONTINUE, 2,
	  RULE_PROTO, false, 1, "tcp", 0, "tcp dport 22 (handle 7)" },
	{ "{\"vmap\":{\"key\":{\"ct\":{\"key\":\"state\"}},\"data\":{\"set\":[[\"established\","
	  "{\"accept\":null}],[\"invalid\",{\"drop\":null}]]}}}",
	  3, RULE_DROP, 1, RULE_STATE, false, 0, NULL, RULE_STATE_INVALID, NULL },
	{ "{\"jump\":{\"target\":\"there\"}}", 1, RULE_JUMP, 0, 0, false, 0, NULL, 0,
	  "jump there (handle 7)" },
	{ "{\"xt\":{\"type\":\"target\",\"name\":\"MASQUERADE\"}}", 1, RULE_SOURCE_NAT, 0, 0, false, 0, NULL, 0,
	  NULL },
	{ "{\"some new thing\":{}},{\"drop\":null}", 1, RULE_DROP, 1, RULE_OTHER, false, 0, NULL, 0, NULL },
};

static void statements_are_understood(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct rule_match *m;
		const struct rule *r;
		struct rules rules;
		char text[2048];

		print_message("%s\n", rows[i].expr);
		/* The rule in front of its chain, which is no matter. */
		snprintf(text, sizeof(text),
			 "{\"nftables\":[{\"rule\":{\"family\":\"inet\",\"table\":\"t\",\"chain\":\"c\","
			 "\"handle\":7,\"expr\":[%s]}},{\"chain\":{\"family\":\"inet\",\"table\":\"t\","
			 "\"name\":\"c\",\"type\":\"filter\",\"hook\":\"forward\",\"policy\":\"drop\"}}]}",
			 rows[i].expr);
		assert_int_equal(rules_parse_nft(text, &rules), 0);
		assert_int_equal(rules.chains[0].hook, CHAIN_FORWARD);
		assert_true(rules.chains[0].policy_drop);
		assert_int_equal(rules.chains[0].n_rules, rows[i].n_rules);
		r = &rules.chains[0].rules[rows[i].n_rules - 1];
		assert_int_equal(r->verdict, rows[i].verdict);
		assert_int_equal(r->n_matches, rows[i].n_matches);
		if (rows[i].text)
			assert_string_equal(r->text, rows[i].text);
		if (rows[i].n_matches) {
			m = &r->matches[r->n_matches - 1];
			assert_int_equal(m->subject, rows[i].subject);
			assert_int_equal(m->negated, rows[i].negated);
			assert_int_equal(m->bits, rows[i].bits);
			assert_int_equal(m->n_words, rows[i].n_words);
			if (rows[i].word)
				assert_string_equal(m->words[m->n_words - 1], rows[i].word);
		}
		rules_done(&rules);
	}
}

static void other_families_are_passed_over(void **state)
{
	struct rules rules;

	assert_int_equal(rules_parse_nft("{\"nftables\":[{\"chain\":{\"family\":\"bridge\",\"table\":\"t\","
					 "\"name\":\"c\"}},{\"rule\":{\"family\":\"bridge\",\"table\":\"t\","
					 "\"chain\":\"c\",\"expr\":[]}}]}",
					 &rules),
			 0);
	assert_int_equal(rules.n_chains, 0);
	rules_done(&rules);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(statements_are_understood),
		cmocka_unit_test(other_families_are_passed_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The real tools in a namespace: what they list is judged once, and what misbehaves is bounded. */
#include "lab.h"

#include <errno.h>
#include <sys/wait.h>

#include "net/firewall.h"

static size_t count(const struct firewall_report *r, const char *word)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n_notes; i++)
		n += strstr(r->notes[i], word) != NULL;
	return n;
}

static void read_rules(struct firewall_report *ret_report)
{
	struct err err = { .text = "" };

	if (firewall_read("xmesh0", ret_report, &err))
		fail_msg("%s", err.text);
	for (size_t i = 0; i < ret_report->n_notes; i++)
		print_message("  %s\n", ret_report->notes[i]);
}

static void an_empty_ruleset_leaves_nothing_to_say(void **state)
{
	struct firewall_report r;

	close(lab_new());
	read_rules(&r);
	assert_int_equal(r.n_notes, 0);
	assert_false(r.policy_engine);
	assert_false(r.incomplete);
	firewall_report_done(&r);
}

static void iptables_over_nftables_is_judged_once(void **state)
{
	struct firewall_report r;

	close(lab_new());
	if (lab_try("iptables-nft -A FORWARD -m conntrack --ctstate INVALID -j DROP")) {
		print_message("skip: no iptables over nf_tables here\n");
		skip();
	}
	read_rules(&r);
	assert_int_equal(r.n_notes, 1);
	assert_int_equal(count(&r, "INVALID"), 1);
	firewall_report_done(&r);
}

static void nftables_and_legacy_tables_are_read_beside_it(void **state)
{
	struct firewall_report r;

	close(lab_new());
	if (lab_try("iptables-legacy -P FORWARD DROP") ||
	    lab_try("nft 'add table inet t; add chain inet t f { type filter hook forward priority 0; "
		    "policy drop; }'")) {
		print_message("skip: no iptables-legacy or no nft here\n");
		skip();
	}
	read_rules(&r);
	assert_int_equal(count(&r, "iptables: chain FORWARD"), 2);
	assert_int_equal(count(&r, "nft: chain f of table inet t"), 2);
	firewall_report_done(&r);
}

/* In a child, for the capability does not come back. */
static void without_privileges_it_says_so(void **state)
{
	struct firewall_report r;
	struct err err = { .text = "" };
	int status;
	pid_t pid;

	close(lab_new());
	pid = fork();
	if (!pid) {
		int code = setuid(65534) ? 0 : firewall_read("xmesh0", &r, &err);

		_exit(code == -EPERM && strstr(err.text, "CAP_NET_ADMIN") ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_ruleset_leaves_nothing_to_say),
		cmocka_unit_test(iptables_over_nftables_is_judged_once),
		cmocka_unit_test(nftables_and_legacy_tables_are_read_beside_it),
		cmocka_unit_test(without_privileges_it_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Judging recorded rulesets: what stands in the way is named, what does not is left alone. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/defs.h"
#include "core/file.h"
#include "net/firewall.h"

static char *load(const char *name)
{
	struct err err = { .text = "" };
	char path[512], *text;
	size_t len;

	snprintf(path, sizeof(path), "%s/firewall/%s", TEST_DATA, name);
	if (file_read(AT_FDCWD, path, path, 1 << 20, 0, &text, &len, &err))
		fail_msg("%s", err.text);
	return text;
}

static void judge(const char *name, struct firewall_report *report)
{
	auto_free char *text = load(name);
	int code = strstr(name, ".json") ? firewall_judge_nft(text, "xmesh0", report) :
					   firewall_judge_iptables(text, "xmesh0", report);

	assert_int_equal(code, 0);
}

/* True when one note has both words. */
static bool has_note(const struct firewall_report *r, const char *a, const char *b)
{
	for (size_t i = 0; i < r->n_notes; i++)
		if (strstr(r->notes[i], a) && strstr(r->notes[i], b))
			return true;
	return false;
}

static void print_notes(const struct firewall_report *r)
{
	for (size_t i = 0; i < r->n_notes; i++)
		print_message("  %s\n", r->notes[i]);
}

/* What must be named (pairs of words of one note), and how many notes there are in all. */
static const struct {
	const char *holds, *file;
	size_t n_notes;
	const char *notes[8][2];
	const char *policy; /* word of policy_why; NULL = no engine */
} rows[] = {
	{ .holds = "kube-proxy, docker and flannel: policy, INVALID drop and masquerading are named",
	  .file = "kube.iptables",
	  .n_notes = 4,
	  .notes = { { "chain FORWARD of table filter: the policy is DROP", "leave through xmesh0" },
		     { "chain FORWARD of table filter: the policy is DROP", "in through xmesh0" },
		     { "--ctstate INVALID -j DROP", "drops what" },
		     { "-A FLANNEL-POSTRTG -s 10.1.0.0/16", "may change" } } },
	{ .holds = "the same of ip6tables is told apart",
	  .file = "kube.ip6tables",
	  .n_notes = 3,
	  .notes = { { "ip6tables: ", "INVALID" } } },
	{ .holds = "rules that accept the device and keep its addresses leave nothing to name",
	  .file = "open.iptables" },
	{ .holds = "a hardened host: the REJECT at the end and the closed tunnel port are named",
	  .file = "hardened.iptables",
	  .n_notes = 4,
	  .notes = { { "-A FORWARD -j REJECT", "drops packets of pods" },
		     { "-A FORWARD -j REJECT", "drops packets to pods" },
		     { "chain INPUT", "packets to this host" },
		     { "chain INPUT", "tunnel's UDP port" } } },
	{ .holds = "Calico's chains mean that a policy engine is there",
	  .file = "calico.iptables",
	  .policy = "iptables chain cali-FORWARD (table filter)" },
	{ .holds = "nftables: verdict maps, sets, marks and jumps are followed",
	  .file = "host.nft.json",
	  .n_notes = 6,
	  .notes = { { "chain forward of table inet filter: the policy is DROP", "leave" },
		     { "rule `ct state invalid drop", "calls the rest INVALID" },
		     { "chain late of table ip nat", "may change" },
		     { "chain input of table inet filter: the policy is DROP", "UDP port" } } },
	{ .holds = "nftables: what accepts the device and the port leaves nothing to name",
	  .file = "open.nft.json",
	  .policy = "nft chain KUBE-ROUTER-FORWARD (table kube-router)" },
};

static void rulesets_are_judged(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct firewall_report r = { 0 };

		print_message("%s\n", rows[i].holds);
		judge(rows[i].file, &r);
		print_notes(&r);
		assert_int_equal(r.n_notes, rows[i].n_notes);
		for (size_t j = 0; j < 8 && rows[i].notes[j][0]; j++)
			if (!has_note(&r, rows[i].notes[j][0], rows[i].notes[j][1]))
				fail_msg("no note with \"%s\" and \"%s\"", rows[i].notes[j][0],
					 rows[i].notes[j][1]);
		assert_int_equal(r.policy_engine, rows[i].policy != NULL);
		if (rows[i].policy)
			assert_string_equal(r.policy_why, rows[i].policy);
		firewall_report_done(&r);
	}
}

static void tables_that_iptables_showed_are_not_judged_again_by_nft(void **state)
{
	struct firewall_report r = { 0 };
	size_t n;

	judge("kube.iptables", &r);
	judge("kube.ip6tables", &r);
	n = r.n_notes;
	judge("kube.nft.json", &r);
	assert_int_equal(r.n_notes, n);
	firewall_report_done(&r);
	/* Alone, nft does name what it can see of them. */
	judge("kube.nft.json", &r);
	assert_true(has_note(&r, "nft: chain FORWARD of table ip filter", "DROP"));
	firewall_report_done(&r);
}

static void other_text_is_refused(void **state)
{
	static const char *const bad[] = { "hello", "*filter\n-A NOWHERE -j DROP\n", ":INPUT DROP\n" };
	static const char *const bad_json[] = { "", "[]", "{\"nftables\": 3}",
						"{\"nftables\": [{\"rule\": {\"family\": \"ip\"}}]}" };
	struct firewall_report r = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(firewall_judge_iptables(bad[i], "xmesh0", &r), -EINVAL);
	for (size_t i = 0; i < ARRAY_SIZE(bad_json); i++)
		assert_int_equal(firewall_judge_nft(bad_json[i], "xmesh0", &r), -EINVAL);
	assert_int_equal(firewall_judge_iptables("", "xmesh0", &r), 0);
	firewall_report_done(&r);
}

/* Chains that jump in circles cannot be loaded, but a text can claim them. */
static void circles_of_jumps_end(void **state)
{
	struct firewall_report r = { 0 };

	assert_int_equal(firewall_judge_iptables("*filter\n:FORWARD ACCEPT [0:0]\n:A - [0:0]\n"
						 "-A FORWARD -j A\n-A A -j A\n-A A -j A\n-A A -j FORWARD\n"
						 "COMMIT\n",
						 "xmesh0", &r),
			 0);
	firewall_report_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rulesets_are_judged),
		cmocka_unit_test(tables_that_iptables_showed_are_not_judged_again_by_nft),
		cmocka_unit_test(other_text_is_refused),
		cmocka_unit_test(circles_of_jumps_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

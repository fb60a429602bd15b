/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What iptables and nftables would do to packets that take the slow path (through xmesh0):
 * sentences that name the rule in the way (FORWARD policy DROP, a drop of ctstate INVALID,
 * MASQUERADE that also takes mesh traffic, a policy engine's chains: cali-, KUBE-NWPLCY,
 * KUBE-ROUTER). Reads the ruleset with `nft -j` and `iptables-save` where they are installed.
 */
#ifndef XMESH_NET_FIREWALL_H
#define XMESH_NET_FIREWALL_H

#include <stdbool.h>
#include <stddef.h>

#include "core/err.h"

struct firewall_report {
	char **notes; size_t n_notes;     /* a rule each: where, what it breaks, what to do */
	bool policy_engine;               /* rules enforce NetworkPolicy: pods.path auto = stack */
	char policy_why[256];             /* which chain said so */
	bool incomplete;                  /* a tool failed, a note says which: there may be more */
	char **covered; size_t n_covered; /* nft tables that iptables-save showed: "ip filter" */
};

/*
 * Neither tool there: an empty report. -EPERM without privileges. Pure core: firewall_judge_*()
 * over text, tested with recorded rulesets.
 */
int firewall_read(const char *device, struct firewall_report *ret_report, struct err *err);
/*
 * Add to @report what is in the way of packets through @device. iptables: the output of
 * iptables-save or ip6tables-save; nft: of `nft -j list ruleset`, where tables that @report has
 * seen by iptables already are passed over. -EINVAL: not such a text. -ENOMEM.
 */
int firewall_judge_iptables(const char *save_text, const char *device,
			    struct firewall_report *report);
int firewall_judge_nft(const char *json_text, const char *device, struct firewall_report *report);
void firewall_report_done(struct firewall_report *report);

#endif

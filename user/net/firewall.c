/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Follows the packets of the slow path through a ruleset: from and to the xmesh device, new and
 * INVALID to conntrack. A match that cannot be decided without the packet may match or not; what
 * surely drops is reported, and what may where the rule is about our device, about INVALID or hides
 * addresses. Not for: reading rulesets (firewall_read.c).
 */
#include "net/firewall.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/vec.h"
#include "net/firewall_rules.h"

#define DEPTH_MAX 16       /* of jumps; nft's own limit (NFT_JUMP_STACK_SIZE) */
#define VISITS_MAX 1000000 /* rules looked at per packet */

enum answer { NO, MAYBE, YES };

/* A packet as far as it is known. */
struct packet {
	const char *in, *out; /* NULL = some other interface */
	const char *proto;    /* NULL = any */
	uint32_t state;       /* RULE_STATE_* */
	const char *what;     /* for sentences */
};

struct walk {
	const struct rules *rules;
	const struct packet *packet;
	const char *device;
	struct firewall_report *report;
	size_t visits;
	bool maybe_accepted;  /* some rule may have let it through */
	int code;
};

enum outcome { GOES_ON, RETURNS, ACCEPTED, DROPPED, TRANSLATED };

/* ---- matches --------------------------------------------------------------------------------- */

static bool fits(const char *pattern, const char *name)
{
	size_t n = strlen(pattern);

	if (n && pattern[n - 1] == '*')
		return !strncmp(pattern, name, n - 1);
	return !strcmp(pattern, name);
}

/* @name NULL: an interface of which only is known that it is neither lo nor ours. */
static enum answer match_iface(const struct rule_match *m, const char *name, const char *device)
{
	for (size_t i = 0; i < m->n_words; i++) {
		if (name ? fits(m->words[i], name) : !strcmp(m->words[i], "*"))
			return YES;
	}
	if (name)
		return NO;
	for (size_t i = 0; i < m->n_words; i++)
		if (strcmp(m->words[i], "lo") && strcmp(m->words[i], device))
			return MAYBE;
	return NO;
}

static enum answer match_proto(const struct rule_match *m, const char *proto)
{
	if (!proto)
		return MAYBE;
	for (size_t i = 0; i < m->n_words; i++)
		if (!strcmp(m->words[i], proto))
			return YES;
	return NO;
}

static enum answer match_one(const struct rule_match *m, const struct packet *p, const char *device)
{
	enum answer a = MAYBE;

	switch (m->subject) {
	case RULE_IN:
		a = match_iface(m, p->in, device);
		break;
	case RULE_OUT:
		a = match_iface(m, p->out, device);
		break;
	case RULE_PROTO:
		a = match_proto(m, p->proto);
		break;
	case RULE_STATE:
		a = m->bits & p->state ? YES : NO;
		break;
	case RULE_MARK:
		/* Our packets bear no mark: kube-proxy's masquerading, for one, asks for one. */
		a = (m->bits & m->mask) == 0 ? YES : NO;
		break;
	case RULE_OTHER:
		break;
	}
	if (m->negated)
		a = a == YES ? NO : a == NO ? YES : MAYBE;
	return a;
}

static enum answer match_all(const struct rule *r, const struct packet *p, const char *device)
{
	enum answer all = YES, a;

	for (size_t i = 0; i < r->n_matches && all != NO; i++) {
		a = match_one(&r->matches[i], p, device);
		all = a < all ? a : all;
	}
	return all;
}

/* True when the rule is about our very device, not about interfaces among which it happens to be. */
static bool names_device(const struct rule *r, const struct packet *p, const char *device)
{
	for (size_t i = 0; i < r->n_matches; i++)
		if ((r->matches[i].subject == RULE_IN || r->matches[i].subject == RULE_OUT) &&
		    !r->matches[i].negated && match_one(&r->matches[i], p, device) == YES)
			return true;
	return false;
}

static bool names_invalid(const struct rule *r)
{
	for (size_t i = 0; i < r->n_matches; i++)
		if (r->matches[i].subject == RULE_STATE && !r->matches[i].negated &&
		    r->matches[i].bits & RULE_STATE_INVALID)
			return true;
	return false;
}

/* ---- notes ----------------------------------------------------------------------------------- */

/* Once each: two kinds of packets may meet the same rule. */
static void note(struct walk *w, const char *text)
{
	struct firewall_report *report = w->report;

	for (size_t i = 0; i < report->n_notes; i++)
		if (!strcmp(report->notes[i], text))
			return;
	if (vec_note(&report->notes, &report->n_notes, "%s", text))
		w->code = -ENOMEM;
}

static void place(const struct walk *w, const struct chain *c, char *buf, size_t size)
{
	if (!strcmp(w->rules->tool, "nft"))
		snprintf(buf, size, "nft: chain %s of table %s %s", c->name, c->family, c->table);
	else
		snprintf(buf, size, "%s: chain %s of table %s", w->rules->tool, c->name, c->table);
}

static void note_drop(struct walk *w, const struct chain *c, const struct rule *r, bool surely)
{
	char where[3 * RULES_NAME_MAX], text[2048];

	place(w, c, where, sizeof(where));
	if (names_invalid(r))
		snprintf(text, sizeof(text),
			 "%s: rule `%s` %s what the kernel forwards through %s of a connection "
			 "whose other packets take the fast path: conntrack does not see those and "
			 "calls the rest INVALID (fragments, IP options, expiring TTL); accept "
			 "packets from and to %s in front of it",
			 where, r->text, surely ? "drops" : "may drop", w->device, w->device);
	else
		snprintf(text, sizeof(text),
			 "%s: rule `%s` %s %s; accept packets from and to %s in front of it", where,
			 r->text, surely ? "drops" : "may drop", w->packet->what, w->device);
	note(w, text);
}

static void note_policy(struct walk *w, const struct chain *c)
{
	char where[3 * RULES_NAME_MAX], text[2048];

	place(w, c, where, sizeof(where));
	snprintf(text, sizeof(text),
		 "%s: the policy is DROP and no rule surely accepts %s; accept it, or only the fast "
		 "path works",
		 where, w->packet->what);
	note(w, text);
}

static void note_nat(struct walk *w, const struct chain *c, const struct rule *r, bool surely)
{
	char where[3 * RULES_NAME_MAX], text[2048];

	place(w, c, where, sizeof(where));
	snprintf(text, sizeof(text),
		 "%s: rule `%s` %s the source address of packets that leave through %s (MASQUERADE or "
		 "SNAT), so that peers see the node and not the pod; return from the chain for "
		 "packets out of %s in front of it",
		 where, r->text, surely ? "changes" : "may change", w->device, w->device);
	note(w, text);
}

/* ---- the walk -------------------------------------------------------------------------------- */

static enum outcome walk_chain(struct walk *w, const struct chain *c, bool certain, int depth);

/* What a rule that matches does; @certain: surely matches, on a way that is surely taken. */
static enum outcome follow(struct walk *w, const struct chain *c, const struct rule *r,
			   bool certain, int depth)
{
	const struct chain *to;
	enum outcome o = GOES_ON;

	switch (r->verdict) {
	case RULE_CONTINUE:
		break;
	case RULE_ACCEPT:
		w->maybe_accepted = true;
		o = ACCEPTED;
		break;
	case RULE_DROP:
		/* Of packets to the tunnel's port only the protocol is known: a rule for some UDP
		 * port may be the one that lets them in. */
		if (!(w->packet->proto && w->maybe_accepted) &&
		    (certain || names_device(r, w->packet, w->device) ||
		     (names_invalid(r) && w->packet->state == RULE_STATE_INVALID)))
			note_drop(w, c, r, certain && !w->maybe_accepted);
		o = DROPPED;
		break;
	case RULE_RETURN:
		o = RETURNS;
		break;
	case RULE_SOURCE_NAT:
		note_nat(w, c, r, certain);
		o = TRANSLATED;
		break;
	case RULE_JUMP:
	case RULE_GOTO:
		to = rules_find(w->rules, c->family, c->table, r->target);
		if (to && depth < DEPTH_MAX)
			o = walk_chain(w, to, certain, depth + 1);
		if (o == RETURNS || (o == GOES_ON && r->verdict == RULE_GOTO && to))
			o = r->verdict == RULE_GOTO ? RETURNS : GOES_ON;
		break;
	}
	return certain ? o : GOES_ON;
}

static enum outcome walk_chain(struct walk *w, const struct chain *c, bool certain, int depth)
{
	enum answer a;
	enum outcome o;

	for (size_t i = 0; i < c->n_rules && !w->code; i++) {
		if (++w->visits > VISITS_MAX) {
			w->code = -E2BIG;
			break;
		}
		a = match_all(&c->rules[i], w->packet, w->device);
		if (a == NO)
			continue;
		o = follow(w, c, &c->rules[i], certain && a == YES, depth);
		if (o != GOES_ON)
			return o;
	}
	return GOES_ON;
}

/* One packet through one base chain. */
static int judge_packet(const struct rules *rules, const struct chain *c,
			const struct packet *packet, const char *device,
			struct firewall_report *report)
{
	struct walk w = { .rules = rules, .packet = packet, .device = device, .report = report };
	enum outcome o = walk_chain(&w, c, true, 0);
	char where[3 * RULES_NAME_MAX];

	if (w.code == -E2BIG) {
		place(&w, c, where, sizeof(where));
		return vec_note(&report->notes, &report->n_notes,
				"%s: too many rules to follow (%d): not judged to its end", where,
				VISITS_MAX);
	}
	if (!w.code && (o == GOES_ON || o == RETURNS) && c->policy_drop &&
	    !(packet->proto && w.maybe_accepted))
		note_policy(&w, c);
	return w.code;
}

static int judge_chain(const struct rules *rules, const struct chain *c, const char *device,
		       struct firewall_report *report)
{
	char to[64], from[64], in[64];
	const struct packet forward[] = {
		{ .out = device, .state = RULE_STATE_NEW, .what = to },
		{ .in = device, .state = RULE_STATE_NEW, .what = from },
		{ .out = device, .state = RULE_STATE_INVALID, .what = to },
		{ .in = device, .state = RULE_STATE_INVALID, .what = from },
	};
	const struct packet input[] = {
		{ .in = device, .state = RULE_STATE_NEW, .what = in },
		{ .proto = "udp",
		  .state = RULE_STATE_NEW,
		  .what = "packets to the tunnel's UDP port on the underlay" },
	};
	const struct packet postrouting = { .out = device, .state = RULE_STATE_NEW, .what = to };
	int code = 0;

	snprintf(to, sizeof(to), "packets of pods that leave through %s", device);
	snprintf(from, sizeof(from), "packets to pods that come in through %s", device);
	snprintf(in, sizeof(in), "packets to this host that come in through %s", device);
	switch (c->hook) {
	case CHAIN_NONE:
		break;
	case CHAIN_FORWARD:
		for (size_t i = 0; i < sizeof(forward) / sizeof(*forward) && !code; i++)
			code = judge_packet(rules, c, &forward[i], device, report);
		break;
	case CHAIN_INPUT:
		for (size_t i = 0; i < sizeof(input) / sizeof(*input) && !code; i++)
			code = judge_packet(rules, c, &input[i], device, report);
		break;
	case CHAIN_POSTROUTING:
		code = judge_packet(rules, c, &postrouting, device, report);
		break;
	}
	return code;
}

/* Chains by which NetworkPolicy implementations can be told. */
static void find_policy_engine(const struct rules *rules, const struct chain *c,
			       struct firewall_report *report)
{
	static const char *const prefixes[] = { "cali-", "KUBE-NWPLCY", "KUBE-ROUTER" };
	static const char *const tables[] = { "calico", "kube-network-policies" };
	bool found = false;

	if (report->policy_engine)
		return;
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++)
		found |= !strncmp(c->name, prefixes[i], strlen(prefixes[i]));
	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
		found |= !strcmp(c->table, tables[i]);
	if (!found)
		return;
	report->policy_engine = true;
	snprintf(report->policy_why, sizeof(report->policy_why), "%s chain %.100s (table %.100s)",
		 rules->tool, c->name, c->table);
}

static bool is_covered(const struct firewall_report *report, const struct chain *c)
{
	char name[2 * RULES_NAME_MAX];

	snprintf(name, sizeof(name), "%s %s", c->family, c->table);
	for (size_t i = 0; i < report->n_covered; i++)
		if (!strcmp(report->covered[i], name))
			return true;
	return false;
}

/* iptables over nf_tables: nft lists the same tables again, with less to read in them. */
static int cover(const struct rules *rules, struct firewall_report *report)
{
	for (size_t i = 0; i < rules->n_chains && rules->nf_tables; i++) {
		const struct chain *c = &rules->chains[i];

		if (!is_covered(report, c) && vec_note(&report->covered, &report->n_covered, "%s %s",
						       c->family, c->table))
			return -ENOMEM;
	}
	return 0;
}

static int judge(const struct rules *rules, const char *device, struct firewall_report *report)
{
	bool is_nft = !strcmp(rules->tool, "nft");
	int code = 0;

	for (size_t i = 0; i < rules->n_chains && !code; i++) {
		const struct chain *c = &rules->chains[i];

		if (is_nft && is_covered(report, c))
			continue;
		find_policy_engine(rules, c, report);
		code = judge_chain(rules, c, device, report);
	}
	return code ? code : cover(rules, report);
}

int firewall_judge_iptables(const char *save_text, const char *device,
			    struct firewall_report *report)
{
	struct rules rules;
	int code = rules_parse_iptables(save_text, &rules);

	if (code)
		return code;
	code = judge(&rules, device, report);
	rules_done(&rules);
	return code;
}

int firewall_judge_nft(const char *json_text, const char *device, struct firewall_report *report)
{
	struct rules rules;
	int code = rules_parse_nft(json_text, &rules);

	if (code)
		return code;
	code = judge(&rules, device, report);
	rules_done(&rules);
	return code;
}

void firewall_report_done(struct firewall_report *report)
{
	vec_free_notes(report->notes, report->n_notes);
	vec_free_notes(report->covered, report->n_covered);
	memset(report, 0, sizeof(*report));
}

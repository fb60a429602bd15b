/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The output of iptables-save and ip6tables-save (iptables-save(8)). An option that is not known
 * here may match or not. Not for: nftables' own tables (firewall_nft.c).
 */
#include "net/firewall_rules.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/defs.h"

/* One rule being read. */
struct reader {
	struct rule *rule;
	const char *at;       /* what is left of the line */
	char module[32];      /* the last -m */
	bool negated;         /* a '!' stands before the next option */
	bool unsure;          /* RULE_OTHER is added already: once is enough */
	char token[512];      /* longer ones are cut: none of those that count here is */
};

/* The next word into r->token; quoted as iptables-save quotes ("..." with backslashes). */
static bool next_token(struct reader *r)
{
	bool quoted = false;
	size_t n = 0;

	while (*r->at == ' ')
		r->at++;
	if (!*r->at)
		return false;
	for (; *r->at && (quoted || *r->at != ' '); r->at++) {
		if (*r->at == '"') {
			quoted = !quoted;
			continue;
		}
		if (*r->at == '\\' && r->at[1])
			r->at++;
		if (n < sizeof(r->token) - 1)
			r->token[n++] = *r->at;
	}
	r->token[n] = '\0';
	return true;
}

static int be_unsure(struct reader *r)
{
	if (r->unsure)
		return 0;
	r->unsure = true;
	return rules_add_match(r->rule, RULE_OTHER, false) ? 0 : -ENOMEM;
}

static int read_word(struct reader *r, enum rule_subject subject)
{
	struct rule_match *m = rules_add_match(r->rule, subject, r->negated);
	size_t len;

	if (!m || !next_token(r))
		return m ? -EINVAL : -ENOMEM;
	/* iptables' wildcard is '+'. */
	len = strlen(r->token);
	if (subject != RULE_PROTO && len && r->token[len - 1] == '+')
		r->token[len - 1] = '*';
	return rules_add_word(m, r->token);
}

static int read_states(struct reader *r)
{
	struct rule_match *m = rules_add_match(r->rule, RULE_STATE, r->negated);
	const char *s;
	size_t len;

	if (!m || !next_token(r))
		return m ? -EINVAL : -ENOMEM;
	for (s = r->token; *s; s += len + (s[len] == ',')) {
		len = strcspn(s, ",");
		m->bits |= rules_state_bit(s, len);
	}
	return 0;
}

static int read_mark(struct reader *r)
{
	struct rule_match *m = rules_add_match(r->rule, RULE_MARK, r->negated);
	char *end;

	if (!m || !next_token(r))
		return m ? -EINVAL : -ENOMEM;
	m->bits = (uint32_t)strtoul(r->token, &end, 0);
	m->mask = *end == '/' ? (uint32_t)strtoul(end + 1, NULL, 0) : UINT32_MAX;
	return 0;
}

static int read_target(struct reader *r, bool is_goto)
{
	static const struct {
		const char *name;
		enum rule_verdict verdict;
	} targets[] = {
		{ "ACCEPT", RULE_ACCEPT },	   { "DROP", RULE_DROP },
		{ "REJECT", RULE_DROP },	   { "RETURN", RULE_RETURN },
		{ "MASQUERADE", RULE_SOURCE_NAT }, { "SNAT", RULE_SOURCE_NAT },
	};

	if (!next_token(r))
		return -EINVAL;
	/* What follows are the target's own options. */
	r->at += strlen(r->at);
	r->rule->verdict = is_goto ? RULE_GOTO : RULE_JUMP;
	for (size_t i = 0; i < ARRAY_SIZE(targets); i++)
		if (!strcmp(r->token, targets[i].name))
			r->rule->verdict = targets[i].verdict;
	/* A target that is no chain (LOG, MARK, ...) is found to be none when it is jumped to. */
	snprintf(r->rule->target, sizeof(r->rule->target), "%.*s", RULES_NAME_MAX - 1, r->token);
	return 0;
}

static int read_option(struct reader *r)
{
	const char *o = r->token;

	if (!strcmp(o, "-i"))
		return read_word(r, RULE_IN);
	if (!strcmp(o, "-o"))
		return read_word(r, RULE_OUT);
	if (!strcmp(o, "-p"))
		return read_word(r, RULE_PROTO);
	if (!strcmp(o, "-j") || !strcmp(o, "-g"))
		return read_target(r, o[1] == 'g');
	if (!strcmp(o, "--ctstate") || !strcmp(o, "--state"))
		return read_states(r);
	if (!strcmp(o, "--mark") && !strcmp(r->module, "mark"))
		return read_mark(r);
	if (!strcmp(o, "--comment"))
		return next_token(r) ? 0 : -EINVAL;
	if (!strcmp(o, "-m")) {
		if (!next_token(r))
			return -EINVAL;
		snprintf(r->module, sizeof(r->module), "%.31s", r->token);
		return 0;
	}
	/* Another option, or the argument of one. */
	return be_unsure(r);
}

static int read_rule(struct rules *rules, const char *table, const char *line)
{
	const char *family = !strcmp(rules->tool, "ip6tables") ? "ip6" : "ip";
	struct reader r = { .at = line + 3 };
	struct chain *chain;
	int code;

	if (!next_token(&r))
		return -EINVAL;
	chain = rules_find(rules, family, table, r.token);
	if (!chain)
		return -EINVAL;
	if (!(r.rule = rules_add_rule(chain)) || !(r.rule->text = strdup(line)))
		return -ENOMEM;
	while (next_token(&r)) {
		if (!strcmp(r.token, "!")) {
			r.negated = true;
			continue;
		}
		if ((code = read_option(&r)))
			return code;
		r.negated = false;
	}
	return 0;
}

static enum chain_hook hook_of(const char *table, const char *name)
{
	if (!strcmp(table, "nat"))
		return strcmp(name, "POSTROUTING") ? CHAIN_NONE : CHAIN_POSTROUTING;
	if (!strcmp(name, "FORWARD"))
		return CHAIN_FORWARD;
	return strcmp(name, "INPUT") ? CHAIN_NONE : CHAIN_INPUT;
}

/* ":FORWARD DROP [0:0]" */
static int read_chain(struct rules *rules, const char *table, const char *line)
{
	const char *family = !strcmp(rules->tool, "ip6tables") ? "ip6" : "ip";
	char name[RULES_NAME_MAX], policy[16];
	struct chain *c;

	if (sscanf(line, ":%127s %15s", name, policy) != 2)
		return -EINVAL;
	c = rules_add_chain(rules, family, table, name);
	if (!c)
		return -ENOMEM;
	c->policy_drop = !strcmp(policy, "DROP");
	c->nat = !strcmp(table, "nat");
	/* A user's chain has "-" for a policy, whatever its name. */
	if (policy[0] != '-')
		c->hook = hook_of(table, name);
	return 0;
}

static int read_line(struct rules *rules, char table[RULES_NAME_MAX], const char *line)
{
	if (line[0] == '*') {
		snprintf(table, RULES_NAME_MAX, "%.*s", RULES_NAME_MAX - 1, line + 1);
		return 0;
	}
	if (line[0] == ':')
		return table[0] ? read_chain(rules, table, line) : -EINVAL;
	if (!strncmp(line, "-A ", 3))
		return table[0] ? read_rule(rules, table, line) : -EINVAL;
	if (line[0] == '#') {
		/* "# Generated by ip6tables-save v1.8.9 (nf_tables) on ..." */
		if (strstr(line, "Generated by ip6tables"))
			rules->tool = "ip6tables";
		rules->nf_tables |= strstr(line, "(nf_tables)") != NULL;
		return 0;
	}
	return !line[0] || !strcmp(line, "COMMIT") ? 0 : -EINVAL;
}

int rules_parse_iptables(const char *text, struct rules *ret_rules)
{
	struct rules rules = { .tool = "iptables" };
	char table[RULES_NAME_MAX] = "";
	const char *end;
	int code = 0;

	for (; *text && !code; text = *end ? end + 1 : end) {
		auto_free char *line = NULL;

		end = strchrnul(text, '\n');
		line = strndup(text, (size_t)(end - text));
		code = line ? read_line(&rules, table, line) : -ENOMEM;
	}
	if (code) {
		rules_done(&rules);
		return code;
	}
	*ret_rules = rules;
	return 0;
}

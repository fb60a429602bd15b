/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A firewall's chains and rules in one shape for iptables and nftables, with just as much of each
 * match as is needed to follow a packet through the xmesh device. Pure. Not for: judging them.
 */
#ifndef XMESH_NET_FIREWALL_RULES_H
#define XMESH_NET_FIREWALL_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RULES_NAME_MAX 256 /* of tables and chains, NUL included: NFT_NAME_MAXLEN */

enum rule_subject {
	RULE_IN, RULE_OUT, /* interface name is one of the words; a last '*' is a wildcard */
	RULE_PROTO,        /* layer 4 protocol is one of the words */
	RULE_STATE,        /* conntrack state is in bits */
	RULE_MARK,         /* (mark & mask) == bits */
	RULE_OTHER,        /* may match or not */
};

#define RULE_STATE_NEW (1u << 0)
#define RULE_STATE_ESTABLISHED (1u << 1)
#define RULE_STATE_RELATED (1u << 2)
#define RULE_STATE_INVALID (1u << 3)

struct rule_match {
	enum rule_subject subject;
	bool negated;
	char (*words)[16]; size_t n_words;
	uint32_t bits, mask;
};

enum rule_verdict {
	RULE_CONTINUE, RULE_ACCEPT, RULE_DROP, RULE_RETURN, RULE_JUMP, RULE_GOTO,
	RULE_SOURCE_NAT, /* MASQUERADE, SNAT */
};

struct rule {
	struct rule_match *matches; size_t n_matches;
	enum rule_verdict verdict;
	char target[RULES_NAME_MAX]; /* of jump and goto */
	char *text;                  /* as people know it */
};

enum chain_hook { CHAIN_NONE, CHAIN_INPUT, CHAIN_FORWARD, CHAIN_POSTROUTING };

struct chain {
	char family[8];              /* ip, ip6, inet */
	char table[RULES_NAME_MAX], name[RULES_NAME_MAX];
	enum chain_hook hook;        /* CHAIN_NONE: reached by jumps only, or of no interest */
	bool nat;
	bool policy_drop;
	struct rule *rules; size_t n_rules;
};

struct rules {
	const char *tool;            /* "iptables", "ip6tables", "nft" */
	bool nf_tables;              /* of iptables: what nft would show too */
	struct chain *chains; size_t n_chains;
	uint32_t *slots; size_t n_slots; /* hash of the chains' names: number + 1, 0 = free */
};

/*
 * Parse into @ret_rules, which the caller frees with rules_done(). -EINVAL: no such text. -ENOMEM.
 */
int rules_parse_iptables(const char *text, struct rules *ret_rules);
int rules_parse_nft(const char *json_text, struct rules *ret_rules);
void rules_done(struct rules *rules);

/*
 * For the parsers: NULL without memory. What is returned is valid until the next of its kind is
 * added.
 */
struct chain *rules_add_chain(struct rules *rules, const char *family, const char *table,
			      const char *name);
struct rule *rules_add_rule(struct chain *chain);
struct rule_match *rules_add_match(struct rule *rule, enum rule_subject subject, bool negated);
int rules_add_word(struct rule_match *match, const char *word);
/* Bit of a conntrack state's name, in either case; 0 = one that none of our packets is in. */
uint32_t rules_state_bit(const char *name, size_t len);
/* The chain of that name, or NULL. */
struct chain *rules_find(const struct rules *rules, const char *family, const char *table,
			 const char *name);

#endif

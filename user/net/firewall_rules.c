/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Building and freeing of rulesets. Not for: any syntax, which the two parsers know. */
#include "net/firewall_rules.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/defs.h"
#include "core/vec.h"

/* FNV-1a over the three names: a node has tens of thousands of chains with kube-proxy's iptables mode. */
static size_t hash(const char *family, const char *table, const char *name)
{
	const char *parts[] = { family, table, name };
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		for (const char *s = parts[i];; s++) {
			h = (h ^ (uint8_t)*s) * 16777619u;
			if (!*s)
				break;
		}
	return h;
}

/* The slot that holds the chain, or the free one where it belongs. */
static uint32_t *find_slot(const struct rules *rules, const char *family, const char *table,
			   const char *name)
{
	for (size_t i = hash(family, table, name);; i++) {
		uint32_t *slot = &rules->slots[i & (rules->n_slots - 1)];
		const struct chain *c = *slot ? &rules->chains[*slot - 1] : NULL;

		if (!c || (!strcmp(c->name, name) && !strcmp(c->table, table) &&
			   !strcmp(c->family, family)))
			return slot;
	}
}

/* At most half full, so that a search ends. */
static int make_slots(struct rules *rules)
{
	size_t n = rules->n_slots ? 2 * rules->n_slots : 64;
	uint32_t *slots;

	if (2 * (rules->n_chains + 1) <= rules->n_slots)
		return 0;
	slots = calloc(n, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	free(rules->slots);
	rules->slots = slots;
	rules->n_slots = n;
	for (size_t i = 0; i < rules->n_chains; i++) {
		const struct chain *c = &rules->chains[i];

		*find_slot(rules, c->family, c->table, c->name) = (uint32_t)i + 1;
	}
	return 0;
}

struct chain *rules_add_chain(struct rules *rules, const char *family, const char *table,
			      const char *name)
{
	struct chain *c;
	uint32_t *slot;

	if (make_slots(rules) || vec_grow(&rules->chains, rules->n_chains, sizeof(*c)))
		return NULL;
	c = memset(&rules->chains[rules->n_chains], 0, sizeof(*c));
	snprintf(c->family, sizeof(c->family), "%.7s", family);
	snprintf(c->table, sizeof(c->table), "%.*s", RULES_NAME_MAX - 1, table);
	snprintf(c->name, sizeof(c->name), "%.*s", RULES_NAME_MAX - 1, name);
	slot = find_slot(rules, c->family, c->table, c->name);
	*slot = (uint32_t)++rules->n_chains;
	return c;
}

struct rule *rules_add_rule(struct chain *chain)
{
	if (vec_grow(&chain->rules, chain->n_rules, sizeof(*chain->rules)))
		return NULL;
	return memset(&chain->rules[chain->n_rules++], 0, sizeof(struct rule));
}

struct rule_match *rules_add_match(struct rule *rule, enum rule_subject subject, bool negated)
{
	struct rule_match *m;

	if (vec_grow(&rule->matches, rule->n_matches, sizeof(*rule->matches)))
		return NULL;
	m = memset(&rule->matches[rule->n_matches++], 0, sizeof(*m));
	m->subject = subject;
	m->negated = negated;
	return m;
}

int rules_add_word(struct rule_match *match, const char *word)
{
	if (vec_grow(&match->words, match->n_words, sizeof(*match->words)))
		return -ENOMEM;
	/* Interface names have 15 characters at most, a wildcard's star included in iptables. */
	snprintf(match->words[match->n_words++], sizeof(*match->words), "%.15s", word);
	return 0;
}

uint32_t rules_state_bit(const char *name, size_t len)
{
	static const struct {
		const char *name;
		uint32_t bit;
	} states[] = {
		{ "new", RULE_STATE_NEW },
		{ "established", RULE_STATE_ESTABLISHED },
		{ "related", RULE_STATE_RELATED },
		{ "invalid", RULE_STATE_INVALID },
	};

	for (size_t i = 0; i < ARRAY_SIZE(states); i++)
		if (strlen(states[i].name) == len && !strncasecmp(states[i].name, name, len))
			return states[i].bit;
	return 0;
}

struct chain *rules_find(const struct rules *rules, const char *family, const char *table,
			 const char *name)
{
	uint32_t number;

	if (!rules->n_slots)
		return NULL;
	number = *find_slot(rules, family, table, name);
	return number ? &rules->chains[number - 1] : NULL;
}

static void free_rule(struct rule *rule)
{
	for (size_t i = 0; i < rule->n_matches; i++)
		free(rule->matches[i].words);
	free(rule->matches);
	free(rule->text);
}

void rules_done(struct rules *rules)
{
	for (size_t i = 0; i < rules->n_chains; i++) {
		for (size_t j = 0; j < rules->chains[i].n_rules; j++)
			free_rule(&rules->chains[i].rules[j]);
		free(rules->chains[i].rules);
	}
	free(rules->chains);
	free(rules->slots);
	memset(rules, 0, sizeof(*rules));
}

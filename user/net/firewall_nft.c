/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The output of `nft -j list ruleset` (libnftables-json(5)). A statement or an expression that is
 * not known here may match or not. Not for: iptables-save (firewall_iptables.c).
 */
#include "net/firewall_rules.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "core/defs.h"

#define TEXT_MAX 256 /* of a rule for people; longer ones end in "..." */

static const char *text_of(struct json_object *o, const char *key)
{
	struct json_object *v;

	if (!json_object_object_get_ex(o, key, &v) || !json_object_is_type(v, json_type_string))
		return "";
	return json_object_get_string(v);
}

/* The only member of an object like {"match": {...}}: its name, or NULL. */
static const char *only_member(struct json_object *o, struct json_object **ret_value)
{
	if (!json_object_is_type(o, json_type_object))
		return NULL;
	json_object_object_foreach(o, key, value) {
		*ret_value = value;
		return key;
	}
	return NULL;
}

/* ---- the text of a rule ---------------------------------------------------------------------- */

struct text {
	char buf[TEXT_MAX];
	size_t n;
};

static void put(struct text *t, const char *word)
{
	int n = snprintf(t->buf + t->n, sizeof(t->buf) - t->n, "%s%s", t->n ? " " : "", word);

	t->n = MIN(t->n + (size_t)MAX(n, 0), sizeof(t->buf) - 1);
	if (t->n == sizeof(t->buf) - 1)
		memcpy(t->buf + sizeof(t->buf) - 4, "...", 4);
}

static void put_json(struct text *t, struct json_object *o)
{
	struct json_object *v;
	const char *name = only_member(o, &v);
	char pair[96];

	if (json_object_is_type(o, json_type_string)) {
		put(t, json_object_get_string(o));
	} else if (name && (!strcmp(name, "meta") || !strcmp(name, "ct"))) {
		snprintf(pair, sizeof(pair), "%s%s", strcmp(name, "ct") ? "" : "ct ",
			 text_of(v, "key"));
		put(t, pair);
	} else if (name && !strcmp(name, "payload") && *text_of(v, "field")) {
		snprintf(pair, sizeof(pair), "%s %s", text_of(v, "protocol"), text_of(v, "field"));
		put(t, pair);
	} else if (name && !strcmp(name, "prefix")) {
		json_object_object_get_ex(v, "len", &o);
		snprintf(pair, sizeof(pair), "%s/%d", text_of(v, "addr"), json_object_get_int(o));
		put(t, pair);
	} else {
		put(t, json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	}
}

static void put_statement(struct text *t, const char *name, struct json_object *v)
{
	struct json_object *side;

	if (!strcmp(name, "match")) {
		if (json_object_object_get_ex(v, "left", &side))
			put_json(t, side);
		if (!strcmp(text_of(v, "op"), "!="))
			put(t, "!=");
		if (json_object_object_get_ex(v, "right", &side))
			put_json(t, side);
	} else if (strcmp(name, "counter")) {
		put(t, name);
		if (*text_of(v, "target"))
			put(t, text_of(v, "target"));
		else if (!strcmp(name, "vmap"))
			put(t, json_object_to_json_string_ext(v, JSON_C_TO_STRING_PLAIN));
	}
}

static char *rule_text(struct json_object *o, struct json_object *expr)
{
	struct text t = { .n = 0 };
	struct json_object *v;
	const char *name;
	char *text;

	for (size_t i = 0; i < json_object_array_length(expr); i++) {
		name = only_member(json_object_array_get_idx(expr, i), &v);
		if (name)
			put_statement(&t, name, v);
	}
	json_object_object_get_ex(o, "handle", &v);
	return asprintf(&text, "%s (handle %d)", t.buf, json_object_get_int(v)) < 0 ? NULL : text;
}

/* ---- matches --------------------------------------------------------------------------------- */

static int add_value(struct rule_match *m, struct json_object *v)
{
	const char *text = json_object_get_string(v);

	if (m->subject == RULE_STATE) {
		m->bits |= rules_state_bit(text, strlen(text));
		return 0;
	}
	return rules_add_word(m, text);
}

/* False: a value that is no plain word (a range, a named set). */
static bool is_words(struct json_object *v)
{
	if (json_object_is_type(v, json_type_string))
		return json_object_get_string(v)[0] != '@';
	if (!json_object_is_type(v, json_type_array))
		return false;
	for (size_t i = 0; i < json_object_array_length(v); i++)
		if (!json_object_is_type(json_object_array_get_idx(v, i), json_type_string))
			return false;
	return true;
}

static int add_words(struct rule *rule, enum rule_subject subject, bool negated,
		     struct json_object *right)
{
	struct rule_match *m;
	struct json_object *v;
	int code = 0;

	/* One word, a list of them, or an anonymous set. */
	if (!json_object_object_get_ex(right, "set", &v))
		v = right;
	if (!is_words(v))
		subject = RULE_OTHER;
	m = rules_add_match(rule, subject, negated);
	if (!m)
		return -ENOMEM;
	if (subject == RULE_OTHER)
		return 0;
	if (json_object_is_type(v, json_type_string))
		return add_value(m, v);
	for (size_t i = 0; i < json_object_array_length(v) && !code; i++)
		code = add_value(m, json_object_array_get_idx(v, i));
	return code;
}

/* `meta mark` or `meta mark & N`: the mask. */
static bool is_mark(struct json_object *left, uint32_t *ret_mask)
{
	struct json_object *v, *and;

	if (json_object_object_get_ex(left, "meta", &v)) {
		*ret_mask = UINT32_MAX;
		return !strcmp(text_of(v, "key"), "mark");
	}
	if (!json_object_object_get_ex(left, "&", &and) ||
	    !json_object_is_type(and, json_type_array) || json_object_array_length(and) != 2 ||
	    !json_object_object_get_ex(json_object_array_get_idx(and, 0), "meta", &v) ||
	    strcmp(text_of(v, "key"), "mark"))
		return false;
	v = json_object_array_get_idx(and, 1);
	*ret_mask = (uint32_t)json_object_get_int64(v);
	return json_object_is_type(v, json_type_int);
}

static int add_mark(struct rule *rule, bool negated, uint32_t mask, struct json_object *right)
{
	bool is_number = json_object_is_type(right, json_type_int);
	struct rule_match *m = rules_add_match(rule, is_number ? RULE_MARK : RULE_OTHER, negated);

	if (!m)
		return -ENOMEM;
	m->mask = mask;
	m->bits = is_number ? (uint32_t)json_object_get_int64(right) : 0;
	return 0;
}

/* `tcp dport 22` is of TCP, then of a port that may be any. */
static int add_payload(struct rule *rule, struct json_object *payload)
{
	static const char *const protocols[] = { "tcp", "udp", "icmp", "icmpv6", "sctp", "dccp" };
	const char *protocol = text_of(payload, "protocol");
	struct rule_match *m;

	if (!rules_add_match(rule, RULE_OTHER, false))
		return -ENOMEM;
	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
		if (strcmp(protocol, protocols[i]))
			continue;
		m = rules_add_match(rule, RULE_PROTO, false);
		return m ? rules_add_word(m, protocol) : -ENOMEM;
	}
	return 0;
}

static int add_comparison(struct rule *rule, struct json_object *left, bool negated,
			  struct json_object *right)
{
	struct json_object *v;
	const char *key;
	uint32_t mask;

	if (is_mark(left, &mask))
		return add_mark(rule, negated, mask, right);
	if (json_object_object_get_ex(left, "payload", &v))
		return add_payload(rule, v);
	if (json_object_object_get_ex(left, "meta", &v)) {
		key = text_of(v, "key");
		if (!strcmp(key, "iifname") || !strcmp(key, "iif"))
			return add_words(rule, RULE_IN, negated, right);
		if (!strcmp(key, "oifname") || !strcmp(key, "oif"))
			return add_words(rule, RULE_OUT, negated, right);
		if (!strcmp(key, "l4proto"))
			return add_words(rule, RULE_PROTO, negated, right);
	}
	if (json_object_object_get_ex(left, "ct", &v) && !strcmp(text_of(v, "key"), "state"))
		return add_words(rule, RULE_STATE, negated, right);
	return rules_add_match(rule, RULE_OTHER, false) ? 0 : -ENOMEM;
}

/* ---- statements ------------------------------------------------------------------------------ */

/* True when @name ends the rule with a verdict. */
static bool set_verdict(struct rule *rule, const char *name, struct json_object *v)
{
	static const struct {
		const char *name;
		enum rule_verdict verdict;
	} verdicts[] = {
		{ "accept", RULE_ACCEPT },	   { "drop", RULE_DROP },
		{ "reject", RULE_DROP },	   { "return", RULE_RETURN },
		{ "jump", RULE_JUMP },		   { "goto", RULE_GOTO },
		{ "masquerade", RULE_SOURCE_NAT }, { "snat", RULE_SOURCE_NAT },
	};

	for (size_t i = 0; i < ARRAY_SIZE(verdicts); i++) {
		if (strcmp(name, verdicts[i].name))
			continue;
		rule->verdict = verdicts[i].verdict;
		snprintf(rule->target, sizeof(rule->target), "%.*s", RULES_NAME_MAX - 1,
			 text_of(v, "target"));
		return true;
	}
	return false;
}

/* Another rule with the matches of @n, for one element of a verdict map. */
static struct rule *split(struct chain *chain, size_t n, size_t n_matches)
{
	struct rule *r = rules_add_rule(chain), *from;
	struct rule_match *m;

	if (!r || !(r->text = strdup(chain->rules[n].text)))
		return NULL;
	for (size_t i = 0; i < n_matches; i++) {
		from = &chain->rules[n];
		m = rules_add_match(r, from->matches[i].subject, from->matches[i].negated);
		if (!m)
			return NULL;
		m->bits = from->matches[i].bits;
		m->mask = from->matches[i].mask;
		for (size_t j = 0; j < from->matches[i].n_words; j++)
			if (rules_add_word(m, from->matches[i].words[j]))
				return NULL;
	}
	return r;
}

/* `ct state vmap { invalid : drop }`: a rule per element, behind the one that bears the map. */
static int add_vmap(struct chain *chain, struct json_object *vmap)
{
	struct json_object *key, *data, *set, *pair, *v;
	size_t n = chain->n_rules - 1, n_matches = chain->rules[n].n_matches;
	const char *name;
	struct rule *r;
	int code = 0;

	/* A named map may hold anything. */
	if (!json_object_object_get_ex(vmap, "key", &key) ||
	    !json_object_object_get_ex(vmap, "data", &data) ||
	    !json_object_object_get_ex(data, "set", &set) ||
	    !json_object_is_type(set, json_type_array))
		return 0;
	for (size_t i = 0; i < json_object_array_length(set) && !code; i++) {
		pair = json_object_array_get_idx(set, i);
		if (!json_object_is_type(pair, json_type_array) ||
		    json_object_array_length(pair) != 2)
			continue;
		name = only_member(json_object_array_get_idx(pair, 1), &v);
		r = split(chain, n, n_matches);
		if (!r)
			return -ENOMEM;
		code = add_comparison(r, key, false, json_object_array_get_idx(pair, 0));
		if (name)
			set_verdict(r, name, v);
	}
	return code;
}

static int add_statement(struct chain *chain, const char *name, struct json_object *v)
{
	static const char *const harmless[] = { "counter", "log", "comment" };
	struct rule *rule = &chain->rules[chain->n_rules - 1];
	struct json_object *left, *right;

	if (set_verdict(rule, name, v))
		return 0;
	if (!strcmp(name, "match")) {
		if (!json_object_object_get_ex(v, "left", &left) ||
		    !json_object_object_get_ex(v, "right", &right))
			return -EINVAL;
		return add_comparison(rule, left, !strcmp(text_of(v, "op"), "!="), right);
	}
	if (!strcmp(name, "vmap"))
		return add_vmap(chain, v);
	/* iptables' rule seen through nft: of a MASQUERADE target no more than its name. */
	if (!strcmp(name, "xt") && (!strcmp(text_of(v, "name"), "MASQUERADE") ||
				    !strcmp(text_of(v, "name"), "SNAT"))) {
		rule->verdict = RULE_SOURCE_NAT;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(harmless); i++)
		if (!strcmp(name, harmless[i]))
			return 0;
	return rules_add_match(rule, RULE_OTHER, false) ? 0 : -ENOMEM;
}

/* ---- objects --------------------------------------------------------------------------------- */

/* Bridge, arp and netdev tables see no packet on its way through a routed device. */
static bool is_ip(const char *family)
{
	return !strcmp(family, "ip") || !strcmp(family, "ip6") || !strcmp(family, "inet");
}

static int read_chain(struct rules *rules, struct json_object *o)
{
	static const struct {
		const char *name;
		enum chain_hook hook;
	} hooks[] = {
		{ "input", CHAIN_INPUT },
		{ "forward", CHAIN_FORWARD },
		{ "postrouting", CHAIN_POSTROUTING },
	};
	struct chain *c;

	if (!is_ip(text_of(o, "family")))
		return 0;
	c = rules_add_chain(rules, text_of(o, "family"), text_of(o, "table"), text_of(o, "name"));
	if (!c)
		return -ENOMEM;
	c->nat = !strcmp(text_of(o, "type"), "nat");
	c->policy_drop = !strcmp(text_of(o, "policy"), "drop");
	for (size_t i = 0; i < ARRAY_SIZE(hooks); i++)
		if (!strcmp(text_of(o, "hook"), hooks[i].name))
			c->hook = hooks[i].hook;
	return 0;
}

static int read_rule(struct rules *rules, struct json_object *o)
{
	struct json_object *expr, *v;
	struct chain *c;
	const char *name;
	struct rule *r;
	int code = 0;

	if (!is_ip(text_of(o, "family")))
		return 0;
	c = rules_find(rules, text_of(o, "family"), text_of(o, "table"), text_of(o, "chain"));
	if (!c || !json_object_object_get_ex(o, "expr", &expr) ||
	    !json_object_is_type(expr, json_type_array))
		return -EINVAL;
	r = rules_add_rule(c);
	if (!r || !(r->text = rule_text(o, expr)))
		return -ENOMEM;
	for (size_t i = 0; i < json_object_array_length(expr) && !code; i++) {
		name = only_member(json_object_array_get_idx(expr, i), &v);
		code = name ? add_statement(c, name, v) : -EINVAL;
	}
	return code;
}

static int read_all(struct rules *rules, struct json_object *list)
{
	struct json_object *v;
	const char *name;
	int code = 0;

	/* Chains first: a jump may lead to one that stands behind. */
	for (size_t i = 0; i < json_object_array_length(list) && !code; i++) {
		name = only_member(json_object_array_get_idx(list, i), &v);
		if (name && !strcmp(name, "chain"))
			code = read_chain(rules, v);
	}
	for (size_t i = 0; i < json_object_array_length(list) && !code; i++) {
		name = only_member(json_object_array_get_idx(list, i), &v);
		if (name && !strcmp(name, "rule"))
			code = read_rule(rules, v);
	}
	return code;
}

int rules_parse_nft(const char *json_text, struct rules *ret_rules)
{
	struct json_object *root = json_tokener_parse(json_text), *list;
	struct rules rules = { .tool = "nft" };
	int code = -EINVAL;

	if (json_object_object_get_ex(root, "nftables", &list) &&
	    json_object_is_type(list, json_type_array))
		code = read_all(&rules, list);
	json_object_put(root);
	if (code) {
		rules_done(&rules);
		return code;
	}
	*ret_rules = rules;
	return 0;
}

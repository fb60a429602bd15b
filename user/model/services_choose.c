/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which of the backends of one port and family new connections go to, with which weight, and why
 * the others get none.
 */
#include <string.h>

#include "core/defs.h"
#include "model/services_parts.h"

#define NO_TIER UINT32_MAX /* prefer is given and does not name the cluster */
#define UNLISTED UINT32_MAX
#define SUM_MAX (1u << 31)

size_t choose_scratch(const struct env *env)
{
	return 3 * env->n_clusters;
}

bool choose_matches(const struct group *group, const struct candidate *c)
{
	return c->b.proto == group->proto && c->b.port_name == group->port_name &&
	       !!xm_addr_is_v4(&c->b.addr) == group->v4;
}

static uint32_t tier_of(const struct env *env, const struct service_object *policy, size_t cluster)
{
	uint32_t any = NO_TIER;

	if (!policy || !policy->n_prefer)
		return 0;
	for (size_t i = 0; i < policy->n_prefer; i++) {
		const char *name = policy->prefer[i];

		if (!strcmp(name, env->names[cluster]) || (!cluster && !strcmp(name, "local")))
			return i;
		if (!strcmp(name, "*"))
			any = i;
	}
	return any;
}

static uint32_t weight_of(const struct env *env, const struct service_object *policy, size_t cluster)
{
	for (size_t i = 0; policy && i < policy->n_weights; i++)
		if (!strcmp(policy->weights[i].cluster, env->names[cluster]))
			return policy->weights[i].weight;
	return UNLISTED;
}

/* Of a usable one: 0 fresh and ready, 1 ready but stale, 2 the last resort. */
static int class_of(const struct candidate *c)
{
	return c->rank ? 2 : c->stale;
}

static void put(struct candidate *c, enum xm_backend_state state, enum xm_backend_why why)
{
	c->b.state = state;
	c->b.why = why;
}

/* What no preference changes. True: may get new connections. */
static bool usable(struct candidate *c, uint32_t tier, uint32_t weight)
{
	if (c->node && c->node->health == NODE_DOWN)
		put(c, XM_BACKEND_DOWN, XM_WHY_NODE_DOWN);
	else if (!c->shared)
		put(c, XM_BACKEND_DRAINING, XM_WHY_NOT_SHARED);
	else if (c->rank >= 2)
		put(c, XM_BACKEND_DRAINING, c->rank == 2 ? XM_WHY_NOT_READY : XM_WHY_TERMINATING);
	else if (c->sctp_port)
		put(c, XM_BACKEND_DRAINING, XM_WHY_SCTP_PORT);
	else if (!weight)
		put(c, XM_BACKEND_DRAINING, XM_WHY_ZERO_WEIGHT);
	else if (tier == NO_TIER)
		put(c, XM_BACKEND_STANDBY, XM_WHY_NOT_PREFERRED);
	else
		return true;
	return false;
}

static uint64_t gcd(uint64_t a, uint64_t b)
{
	while (b) {
		uint64_t r = a % b;

		a = b;
		b = r;
	}
	return a;
}

/*
 * A cluster's share spread evenly over its backends: exact by the common multiple of their numbers,
 * unless that is too large; then to 2^-30.
 */
static void share(struct candidate *c, size_t n, const uint32_t *weights, const uint32_t *counts,
		  size_t n_clusters)
{
	uint64_t multiple = 1, sum = 0, common = 0;
	bool exact = true;

	for (size_t k = 0; k < n_clusters; k++) {
		if (!counts[k])
			continue;
		sum += weights[k];
		if (exact)
			multiple = multiple / gcd(multiple, counts[k]) * counts[k];
		exact = exact && multiple < SUM_MAX;
	}
	exact = exact && multiple * sum < SUM_MAX;
	for (size_t i = 0; i < n; i++) {
		uint64_t w, parts;

		if (!c[i].weight)
			continue;
		parts = counts[c[i].cluster];
		if (exact) {
			w = weights[c[i].cluster] * (multiple / parts);
		} else {
			w = ((uint64_t)weights[c[i].cluster] << 30) / (parts * sum);
			w = w ? w : 1;
		}
		c[i].weight = w;
		common = gcd(common, w);
	}
	for (size_t i = 0; i < n && common > 1; i++)
		c[i].weight /= common;
}

void choose(const struct env *env, const struct service_object *policy, const struct nearest *nearest,
	    const struct group *group, struct candidate *c, size_t n, bool edge, uint32_t *scratch)
{
	uint32_t *weights = scratch, *counts = weights + env->n_clusters;
	uint32_t *tiers = counts + env->n_clusters, tier = NO_TIER;
	int class = 3;
	bool listed = false;

	for (size_t k = 0; k < env->n_clusters; k++) {
		weights[k] = weight_of(env, policy, k);
		tiers[k] = tier_of(env, policy, k);
		counts[k] = 0;
	}
	/* weight marks those that are still in it. */
	for (size_t i = 0; i < n; i++) {
		struct service_backend before = c[i].b;

		c[i].weight = choose_matches(group, &c[i]) &&
			      usable(&c[i], tiers[c[i].cluster], weights[c[i].cluster]);
		if (edge) {
			c[i].b = before;
			if (c[i].host_network || !c[i].node || xm_addr_is_zero(&c[i].node->outer))
				c[i].weight = 0;
		}
		if (c[i].weight)
			class = MIN(class, class_of(&c[i]));
	}
	for (size_t i = 0; i < n; i++)
		if (c[i].weight && class_of(&c[i]) == class)
			tier = MIN(tier, tiers[c[i].cluster]);
	for (size_t i = 0; i < n; i++)
		if (c[i].weight && class_of(&c[i]) == class && tiers[c[i].cluster] == tier)
			listed |= weights[c[i].cluster] != UNLISTED;
	for (size_t i = 0; i < n; i++) {
		static const uint8_t in[] = { XM_WHY_READY, XM_WHY_LAST_RESORT_STALE,
					      XM_WHY_LAST_RESORT_TERMINATING };
		enum xm_backend_state state = XM_BACKEND_STANDBY;
		enum xm_backend_why why;

		if (!c[i].weight)
			continue;
		if (class_of(&c[i]) != class) {
			why = c[i].rank ? XM_WHY_READY_ELSEWHERE : XM_WHY_STALE;
			if (c[i].rank)
				state = XM_BACKEND_DRAINING;
		} else if (tiers[c[i].cluster] != tier) {
			why = XM_WHY_OTHER_TIER;
		} else if (listed && weights[c[i].cluster] == UNLISTED) {
			why = XM_WHY_OTHER_WEIGHTED;
		} else {
			state = XM_BACKEND_ACTIVE;
			why = in[class];
			counts[c[i].cluster]++;
		}
		if (state != XM_BACKEND_ACTIVE)
			c[i].weight = 0;
		if (!edge)
			put(&c[i], state, why);
	}
	/* Without weights in force every backend counts the same. */
	for (size_t k = 0; k < env->n_clusters && !listed; k++)
		weights[k] = choose_is_nearest(policy) ? nearest_weight(nearest, env->ids[k]) : counts[k];
	share(c, n, weights, counts, env->n_clusters);
}

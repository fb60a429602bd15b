/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Pods' addresses of their own: which matter, and whose they are. */
#include "feed/cilium_extra.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/addr.h"
#include "core/defs.h"

/* ---- cover ---- */

static size_t place(const struct cilium_cover *cover, const struct xm_prefix *prefix)
{
	const __u32 *w = (const __u32 *)&prefix->addr;
	uint64_t h = prefix->plen;

	for (int i = 0; i < 4; i++)
		h = (h ^ w[i]) * 0x9e3779b97f4a7c15ull;
	return (h ^ h >> 32) & (cover->size - 1);
}

static struct xm_prefix *find(const struct cilium_cover *cover, const struct xm_prefix *prefix)
{
	size_t at = place(cover, prefix);

	while (cover->slots[at].plen && memcmp(&cover->slots[at], prefix, sizeof(*prefix)))
		at = (at + 1) & (cover->size - 1);
	return &cover->slots[at];
}

static int grow(struct cilium_cover *cover)
{
	struct cilium_cover more = *cover;

	more.size = cover->size ? 2 * cover->size : 64;
	more.slots = calloc(more.size, sizeof(*more.slots));
	if (!more.slots)
		return -ENOMEM;
	for (size_t i = 0; i < cover->size; i++)
		if (cover->slots[i].plen)
			*find(&more, &cover->slots[i]) = cover->slots[i];
	free(cover->slots);
	*cover = more;
	return 0;
}

int cilium_cover_add(struct cilium_cover *cover, const struct xm_prefix *prefix)
{
	struct xm_prefix *slot;

	if (2 * cover->n >= cover->size && grow(cover))
		return -ENOMEM;
	slot = find(cover, prefix);
	if (slot->plen || !prefix->plen)
		return 0;
	*slot = *prefix;
	cover->n++;
	cover->n_of[prefix->plen]++;
	return 0;
}

bool cilium_cover_has(const struct cilium_cover *cover, const struct xm_addr *addr)
{
	struct xm_prefix key = { .addr = *addr };

	/* From the longest to the shortest: each has its address cut by what the one before left. */
	for (unsigned int plen = 128; plen && cover->n; plen--) {
		if (plen < 128)
			key.addr.b[plen / 8] &= 0xff00 >> plen % 8;
		if (!cover->n_of[plen])
			continue;
		key.plen = plen;
		if (find(cover, &key)->plen)
			return true;
	}
	return false;
}

void cilium_cover_done(struct cilium_cover *cover)
{
	free(cover->slots);
	*cover = (struct cilium_cover){};
}

/* ---- whose they are ---- */

struct holder {
	struct xm_addr addr;
	struct node_object *node;
};

static bool is_extra(const struct node_object *node)
{
	return !strncmp(node->name, CILIUM_EXTRA_NAME, strlen(CILIUM_EXTRA_NAME));
}

static int compare_holder(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct xm_addr));
}

/* Wide ones first, so that what they hold is found to be held. */
static int compare_extra(const void *va, const void *vb)
{
	const struct node_object *a = *(struct node_object *const *)va, *b = *(struct node_object *const *)vb;
	int diff = (int)a->cidrs->plen - (int)b->cidrs->plen;

	return diff ? diff : memcmp(&a->cidrs->addr, &b->cidrs->addr, sizeof(a->cidrs->addr));
}

static int warn(struct snapshot *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int warn(struct snapshot *s, const char *fmt, ...)
{
	char **more = reallocarray(s->warnings, s->n_warnings + 1, sizeof(*more));
	va_list args;
	int n;

	if (!more)
		return -ENOMEM;
	s->warnings = more;
	va_start(args, fmt);
	n = vasprintf(&s->warnings[s->n_warnings], fmt, args);
	va_end(args);
	if (n < 0)
		return -ENOMEM;
	s->n_warnings++;
	return 0;
}

/* One prefix more, in an array of the node's own: what a block holds is shared. */
static int give(struct node_object *node, const struct xm_prefix *prefix)
{
	struct xm_prefix *more;

	if (node->block || !(node->n_cidrs & (node->n_cidrs - 1))) {
		/* Room up to the next power of two, whatever the number was before. */
		size_t room = 8;

		while (room <= node->n_cidrs)
			room *= 2;
		more = calloc(room, sizeof(*more));
		if (!more)
			return -ENOMEM;
		if (node->n_cidrs)
			memcpy(more, node->cidrs, node->n_cidrs * sizeof(*more));
		if (node->block)
			snapshot_block_put(node->block);
		else
			free(node->cidrs);
		node->block = NULL;
		node->cidrs = more;
	}
	node->cidrs[node->n_cidrs++] = *prefix;
	return 0;
}

struct merge {
	struct snapshot *snapshot;
	struct cilium_cover cover;
	struct holder *holders;  size_t n_holders; /* by address */
	struct node_object **extras; size_t n_extras;
	size_t lost;
	struct node_object *full; /* the first that has no room */
	size_t beyond;
};

static struct node_object *holder_of(const struct merge *m, const struct xm_addr *addr)
{
	const struct holder *h;

	if (xm_addr_is_zero(addr) || !m->n_holders)
		return NULL;
	h = bsearch(addr, m->holders, m->n_holders, sizeof(*h), compare_holder);
	return h ? h->node : NULL;
}

static int collect(struct merge *m)
{
	struct snapshot *s = m->snapshot;

	m->holders = calloc(2 * s->n_nodes, sizeof(*m->holders));
	m->extras = calloc(s->n_nodes, sizeof(*m->extras));
	if (!m->holders || !m->extras)
		return -ENOMEM;
	for (size_t i = 0; i < s->n_nodes; i++) {
		struct node_object *node = &s->nodes[i];

		if (is_extra(node)) {
			m->extras[m->n_extras++] = node;
			continue;
		}
		for (size_t k = 0; k < node->n_cidrs; k++)
			if (cilium_cover_add(&m->cover, &node->cidrs[k]))
				return -ENOMEM;
		if (!xm_addr_is_zero(&node->addr4))
			m->holders[m->n_holders++] = (struct holder){ node->addr4, node };
		if (!xm_addr_is_zero(&node->addr6))
			m->holders[m->n_holders++] = (struct holder){ node->addr6, node };
	}
	qsort(m->holders, m->n_holders, sizeof(*m->holders), compare_holder);
	qsort(m->extras, m->n_extras, sizeof(*m->extras), compare_extra);
	return 0;
}

static int place_extra(struct merge *m, const struct node_object *extra)
{
	struct node_object *node = holder_of(m, &extra->addr4);

	if (!node)
		node = holder_of(m, &extra->addr6);
	if (cilium_cover_has(&m->cover, &extra->cidrs->addr) || holder_of(m, &extra->cidrs->addr))
		return 0;
	if (!node) {
		m->lost++;
		return 0;
	}
	if (node->n_cidrs >= SNAPSHOT_MAX_CIDRS) {
		m->full = m->full ? m->full : node;
		m->beyond++;
		return 0;
	}
	if (cilium_cover_add(&m->cover, extra->cidrs))
		return -ENOMEM;
	return give(node, extra->cidrs);
}

static int merge_all(struct merge *m)
{
	struct snapshot *s = m->snapshot;
	int rc = collect(m);

	for (size_t i = 0; !rc && i < m->n_extras; i++)
		rc = place_extra(m, m->extras[i]);
	if (!rc && m->lost)
		rc = warn(s, "%zu addresses of pods are left out: their HostIP is no address of a node",
			  m->lost);
	if (!rc && m->beyond)
		rc = warn(s,
			  "%zu addresses of pods are left out: without pod prefixes of its own a node has at "
			  "most %d (the first such is %s)", m->beyond, SNAPSHOT_MAX_CIDRS, m->full->name);
	return rc;
}

/* Without those that stood for addresses. */
static void compact(struct snapshot *s)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->n_nodes; i++) {
		if (is_extra(&s->nodes[i]))
			node_object_done(&s->nodes[i]);
		else
			s->nodes[kept++] = s->nodes[i];
	}
	s->n_nodes = kept;
	s->counts.nodes = kept;
	s->nodes_digest = kept;
	for (size_t i = 0; i < kept; i++)
		s->nodes_digest += snapshot_node_digest(&s->nodes[i]);
}

int cilium_extra_merge(struct snapshot *snapshot)
{
	struct merge m = { .snapshot = snapshot };
	size_t i = 0;
	int rc;

	while (i < snapshot->n_nodes && !is_extra(&snapshot->nodes[i]))
		i++;
	if (i == snapshot->n_nodes)
		return 0;
	rc = merge_all(&m);
	compact(snapshot);
	cilium_cover_done(&m.cover);
	free(m.holders);
	free(m.extras);
	return rc;
}

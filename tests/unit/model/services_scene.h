/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Three clusters for tests of services*.c and recover.c, their objects written as a feed has them.
 * We are node east-1.
 */
#ifndef XMESH_UNIT_SERVICES_SCENE_H
#define XMESH_UNIT_SERVICES_SCENE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "core/addr.h"
#include "core/defs.h"
#include "core/doc.h"
#include "core/file.h"
#include "feed/decode.h"
#include "model/services.h"

struct scene {
	struct snapshot *snapshots[3];
	struct config_cluster config[3];
	struct mesh_cluster clusters[3];
	struct mesh mesh;
	struct service_node nodes[16];
	bool stale[3];
	struct services_input input;
};

static inline struct snapshot *decode_text(const char *text, size_t len)
{
	struct doc_set *set;
	struct decoder *d;
	struct snapshot *s;
	struct err err = { .text = "" };

	if (doc_parse(text, len, "f", &set, &err))
		fail_msg("%s", err.text);
	assert_int_equal(decoder_new(&d), 0);
	if (decoder_add(d, set, "f", &err))
		fail_msg("%s", err.text);
	assert_int_equal(decoder_take(d, "r", &s), 0);
	decoder_free(d);
	doc_set_free(set);
	return s;
}

/* Nodes C-1..C-3 as in the dumps, with what @more says. */
static inline struct snapshot *cluster(int c, const char *name, const char *more)
{
	static char text[65536];
	int n = 0;

	for (int i = 1; i <= 3; i++)
		n += snprintf(text + n, sizeof(text) - n,
			      "---\napiVersion: v1\nkind: Node\nmetadata: {name: %s-%d}\n"
			      "spec: {podCIDRs: [10.%d.%d.0/24, 'fd00:10:%d:%d::/64']}\n"
			      "status: {addresses: [{type: InternalIP, address: 192.0.2.%d%d}]}\n",
			      name, i, c, i, c, i, c, i);
	snprintf(text + n, sizeof(text) - n, "%s", more ? more : "");
	return decode_text(text, strlen(text));
}

static inline void scene_wire(struct scene *s)
{
	static const char *const names[] = { "east", "west", "north" };

	for (int c = 0; c < 3; c++) {
		strcpy(s->config[c].name, names[c]);
		s->config[c].id = c + 1;
		s->clusters[c] = (struct mesh_cluster){ .config = &s->config[c], .own = !c,
							.snapshot = s->snapshots[c] };
	}
	s->mesh = (struct mesh){ .clusters = s->clusters, .n_clusters = 3 };
	s->input = (struct services_input){ .mesh = &s->mesh, .nodes = s->nodes, .stale = s->stale };
	for (int c = 0; c < 3; c++)
		for (size_t i = 0; s->snapshots[c] && i < s->snapshots[c]->n_nodes && i < 5; i++)
			s->nodes[s->input.n_nodes++] = (struct service_node){
				.cluster = c + 1, .name = s->snapshots[c]->nodes[i].name,
				.number = 10 * (c + 1) + i, .outer = s->snapshots[c]->nodes[i].addr4,
				.health = NODE_UP, .own = !c && !i };
}

static inline void scene_free(struct scene *s)
{
	for (int c = 0; c < 3; c++)
		snapshot_free(s->snapshots[c]);
}

static inline const struct service *find_service(const struct services *s, const char *name)
{
	size_t n;
	const struct service *const *list = services_list(s, &n);

	for (size_t i = 0; i < n; i++)
		if (!strcmp(list[i]->name, name))
			return list[i];
	return NULL;
}

static inline const struct service_pool *find_pool(const struct service *v, int scope, int port,
						   bool v4)
{
	for (size_t i = 0; v && i < v->n_pools; i++)
		for (size_t k = 0; k < v->pools[i].n_frontends; k++) {
			const struct xm_service_key *key = &v->pools[i].frontends[k].key;

			if (v->pools[i].scope == scope && key->port == htons(port) &&
			    !!xm_addr_is_v4(&key->addr) == v4)
				return &v->pools[i];
		}
	return NULL;
}

static inline const struct service_backend *find_backend(const struct service *v, const char *text)
{
	char buf[ADDR_TEXT_MAX];

	for (size_t i = 0; v && i < v->n_backends; i++)
		if (!strcmp(addr_format(&v->backends[i].addr, buf), text))
			return &v->backends[i];
	return NULL;
}

/* "10.1.1.1=1 10.2.1.1=1 " */
static inline const char *targets_text(const struct service *v, const struct service_pool *p,
				       char *out)
{
	char buf[ADDR_TEXT_MAX];

	*out = '\0';
	for (size_t i = 0; p && i < p->n_targets; i++)
		sprintf(out + strlen(out), "%s%s=%u", i ? " " : "",
			addr_format(&v->backends[p->targets[i].backend].addr, buf),
			p->targets[i].weight);
	return out;
}

static inline struct services *fresh(const struct scene *scene)
{
	struct services *s;
	struct err err = { .text = "" };

	assert_int_equal(services_new(&s), 0);
	if (services_update(s, &scene->input, &err))
		fail_msg("%s", err.text);
	return s;
}

static inline void assert_same(const struct services *a, const struct services *b)
{
	const struct service *const *la, *const *lb;
	size_t na, nb;
	char ta[4096], tb[4096];

	la = services_list(a, &na);
	lb = services_list(b, &nb);
	assert_int_equal(na, nb);
	for (size_t i = 0; i < na; i++) {
		assert_string_equal(la[i]->name, lb[i]->name);
		assert_int_equal(la[i]->n_backends, lb[i]->n_backends);
		assert_int_equal(la[i]->affinity_s, lb[i]->affinity_s);
		assert_string_equal(la[i]->prefer, lb[i]->prefer);
		assert_string_equal(la[i]->weights, lb[i]->weights);
		for (size_t k = 0; k < la[i]->n_backends; k++) {
			const struct service_backend *x = &la[i]->backends[k], *y = &lb[i]->backends[k];

			assert_true(xm_addr_eq(&x->addr, &y->addr));
			assert_int_equal(x->port, y->port);
			assert_int_equal(x->node, y->node);
			assert_int_equal(x->state, y->state);
			assert_int_equal(x->why, y->why);
			assert_int_equal(x->flags, y->flags);
		}
		for (size_t p = 0; p < la[i]->n_pools; p++)
			for (size_t f = 0; f < la[i]->pools[p].n_frontends; f++) {
				const struct xm_service_key *key = &la[i]->pools[p].frontends[f].key;
				const struct service_pool *other = NULL;

				for (size_t q = 0; q < lb[i]->n_pools; q++)
					for (size_t g = 0; g < lb[i]->pools[q].n_frontends; g++)
						if (!memcmp(&lb[i]->pools[q].frontends[g].key, key, sizeof(*key)))
							other = &lb[i]->pools[q];
				assert_non_null(other);
				assert_string_equal(targets_text(la[i], &la[i]->pools[p], ta),
						    targets_text(lb[i], other, tb));
			}
	}
}

#endif

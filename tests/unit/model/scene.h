/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The demo's mesh for tests of wanted*.c: we are east-1; east-2 is our neighbour, west-1 has both
 * families, north-1 only IPv6. A test says what differs in its scene, and looks entries up.
 */
#ifndef XMESH_UNIT_SCENE_H
#define XMESH_UNIT_SCENE_H

#include "unit/core/rows.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

#include "core/addr.h"
#include "model/wanted.h"
#include "model/wanted_parts.h"

#define NOW 1700000000u
#define DEVICE 7
#define ETH0 2

static inline struct xm_addr addr(const char *text)
{
	struct xm_addr a = { .d = { 0, 0 } };

	if (text && addr_parse(text, &a, NULL))
		abort();
	return a;
}

static inline struct xm_prefix prefix(const char *text)
{
	struct xm_prefix p;

	if (prefix_parse(text, &p, NULL))
		abort();
	return p;
}

struct node_row {
	const char *name, *addr4, *addr6, *cidrs[4], *mac;
};

static const struct node_row east[] = {
	{ "east-1", "192.0.2.1", "2001:db8::1", { "10.1.1.0/24", "fd01:1::/64" }, NULL },
	{ "east-2", "192.0.2.2", "2001:db8::2", { "10.1.2.0/24", "fd01:2::/64" }, NULL },
	{ NULL },
};
static const struct node_row west[] = {
	{ "west-1", "192.0.2.11", "2001:db8::11", { "10.2.1.0/24", "fd02:1::/64" }, NULL },
	{ NULL },
};
static const struct node_row north[] = {
	{ "north-1", NULL, "2001:db8::21", { "10.3.1.0/24", "fd03:1::/64" }, NULL },
	{ NULL },
};


/* What a test changes of the scene; zero = as in the demo. */
struct scene {
	const char *config;            /* more lines of it */
	const struct node_row *east, *west, *north;
	const char *node_name, *own4, *own6;
	bool no_own4, no_own6, no_device, no_feed;
	const char *unreachable[3], *offlink[3], *foreign[3];
	uint32_t mtu;
	uint8_t identity_bits[3];      /* of the nodes of each cluster */
	const struct fact_number *numbers;
	size_t n_numbers;
	const struct xm_plen (*plens)[XM_MAX_PLENS];
	const struct pods *pods;
};

static inline struct snapshot *make_snapshot(const struct node_row *rows)
{
	struct snapshot *s = calloc(1, sizeof(*s));
	size_t n = 0;

	while (rows[n].name)
		n++;
	s->nodes = calloc(n + 1, sizeof(*s->nodes));
	s->n_nodes = n;
	strcpy(s->revision, "sha:1");
	for (size_t i = 0; i < n; i++) {
		struct node_object *node = &s->nodes[i];

		strcpy(node->name, rows[i].name);
		node->addr4 = addr(rows[i].addr4);
		node->addr6 = addr(rows[i].addr6);
		node->cidrs = calloc(4, sizeof(*node->cidrs));
		for (size_t k = 0; k < 4 && rows[i].cidrs[k]; k++)
			node->cidrs[node->n_cidrs++] = prefix(rows[i].cidrs[k]);
		node->has_vtep_mac = rows[i].mac && !mac_parse(rows[i].mac, node->vtep_mac, NULL);
	}
	return s;
}

static inline bool listed(const char *const list[3], const char *text)
{
	for (size_t i = 0; i < 3 && list[i]; i++) {
		if (!strcmp(list[i], text))
			return true;
	}
	return false;
}

static inline int compare_paths(const void *a, const void *b)
{
	return memcmp(&((const struct fact_path *)a)->dst, &((const struct fact_path *)b)->dst,
		      sizeof(struct xm_addr));
}

static inline size_t make_paths(const struct scene *scene, const struct node_row *const clusters[3],
			 struct fact_path *paths)
{
	size_t n = 0;

	for (size_t c = 0; c < 3; c++) {
		for (const struct node_row *row = clusters[c]; row->name; row++) {
			const char *const texts[] = { row->addr4, row->addr6 };

			for (size_t i = 0; i < 2; i++) {
				if (!texts[i])
					continue;
				paths[n++] = (struct fact_path){
					.dst = addr(texts[i]), .ifindex = ETH0,
					.mtu = scene->mtu ? scene->mtu : 1500,
					.onlink = !listed(scene->offlink, texts[i]),
					.reachable = !listed(scene->unreachable, texts[i]),
				};
			}
		}
	}
	qsort(paths, n, sizeof(*paths), compare_paths);
	return n;
}

static inline int compare_prefixes(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct xm_prefix));
}

static inline int build(const struct scene *scene, struct wanted **ret_wanted, struct err *err)
{
	const struct node_row *const clusters[] = { scene->east ? scene->east : east,
						    scene->west ? scene->west : west,
						    scene->north ? scene->north : north };
	static const char *const origins[] = { "dir /e", "dir /w", "dir /n" };
	struct snapshot *snapshots[3];
	const struct snapshot *passed[3];
	struct xm_prefix foreign[3];
	struct fact_path paths[64];
	struct facts facts = {
		.node_name = scene->node_name ? scene->node_name : "east-1",
		.device_ifindex = scene->no_device ? 0 : DEVICE,
		.numbers = scene->numbers,
		.n_numbers = scene->n_numbers,
		.plens = scene->plens,
		.paths = paths,
		.foreign = foreign,
		.underlay_mtu = 1500,
		.now_s = NOW,
	};
	struct config *config;
	struct mesh *mesh;
	char text[1024];
	int rc;

	snprintf(text, sizeof(text),
		 "cluster: {name: east, id: 1}\npeers:\n- {name: west, id: 2, feed: {dir: /w}}\n"
		 "- {name: north, id: 3, feed: {dir: /n}}\n%s", scene->config ? scene->config : "");
	if (config_parse(text, strlen(text), "f", &config, err))
		fail_msg("%s", err->text);
	if (!scene->no_own4)
		facts.addr4 = addr(scene->own4 ? scene->own4 : "192.0.2.1");
	if (!scene->no_own6)
		facts.addr6 = addr(scene->own6 ? scene->own6 : "2001:db8::1");
	facts.n_paths = make_paths(scene, clusters, paths);
	while (facts.n_foreign < 3 && scene->foreign[facts.n_foreign]) {
		foreign[facts.n_foreign] = prefix(scene->foreign[facts.n_foreign]);
		facts.n_foreign++;
	}
	qsort(foreign, facts.n_foreign, sizeof(foreign[0]), compare_prefixes);
	for (size_t i = 0; i < 3; i++) {
		passed[i] = snapshots[i] = make_snapshot(clusters[i]);
		for (size_t k = 0; k < snapshots[i]->n_nodes; k++)
			snapshots[i]->nodes[k].identity_bits = scene->identity_bits[i];
	}
	if (scene->no_feed)
		passed[0] = NULL;
	if (mesh_new(config, passed, origins, &mesh, err))
		fail_msg("%s", err->text);
	rc = wanted_build(mesh, &facts, scene->pods, ret_wanted, err);
	mesh_free(mesh);
	for (size_t i = 0; i < 3; i++)
		snapshot_free(snapshots[i]);
	config_free(config);
	return rc;
}

static inline struct wanted *built(const struct scene *scene)
{
	struct wanted *w = NULL;
	struct err err = { .text = "" };

	if (build(scene, &w, &err))
		fail_msg("%s", err.text);
	return w;
}

static inline const struct xm_route *route(const struct wanted *w, const char *text)
{
	struct xm_prefix p = prefix(text);

	for (size_t i = 0; i < w->n_routes; i++) {
		if (!memcmp(&w->routes[i].prefix, &p, sizeof(p)))
			return &w->routes[i].route;
	}
	return NULL;
}

static inline const struct wanted_kroute *kroute(const struct wanted *w, const char *text)
{
	struct xm_prefix p = prefix(text);

	for (size_t i = 0; i < w->n_kroutes; i++) {
		if (!memcmp(&w->kroutes[i].prefix, &p, sizeof(p)))
			return &w->kroutes[i];
	}
	return NULL;
}

static inline const struct xm_node *node(const struct wanted *w, const char *text)
{
	struct xm_addr a = addr(text);

	for (size_t i = 0; i < w->n_nodes; i++) {
		if (xm_addr_eq(&w->nodes[i].addr, &a))
			return &w->nodes[i].node;
	}
	return NULL;
}

static inline const struct wanted_kneigh *kneigh(const struct wanted *w, const char *text)
{
	struct xm_addr a = addr(text);

	for (size_t i = 0; i < w->n_kneighs; i++) {
		if (xm_addr_eq(&w->kneighs[i].addr, &a))
			return &w->kneighs[i];
	}
	return NULL;
}

static inline uint32_t number(const struct wanted *w, const char *name)
{
	for (size_t i = 0; i < w->n_names; i++) {
		if (!strcmp(w->names[i].name.name, name))
			return w->names[i].number;
	}
	return 0;
}

static inline bool noted(const struct wanted *w, const char *text)
{
	for (size_t i = 0; i < w->n_notes; i++) {
		if (strstr(w->notes[i], text))
			return true;
	}
	return false;
}

static inline void assert_addr(const struct xm_addr *a, const char *text)
{
	char buf[ADDR_TEXT_MAX];

	assert_string_equal(addr_format(a, buf), text);
}

static inline void assert_mac(const __u8 mac[6], const char *text)
{
	char buf[MAC_TEXT_MAX];

	assert_string_equal(mac_format(mac, buf), text);
}

#endif

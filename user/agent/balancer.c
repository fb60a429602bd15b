/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Services of a turn: nodes, merge, maps. */
#include "agent/balancer.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "agent/service_diff.h"
#include "core/defs.h"
#include "core/vec.h"
#include "plane/actual.h"
#include "plane/balance.h"

/* A node counts as carrying traffic for this long after its last packet was seen. */
#define TRAFFIC_S 60

struct known_node {
	struct service_node node;  /* its name is owned here */
	char *name;
	__u8 vtep_mac[6];
	uint64_t tx_packets;
	uint64_t traffic_s;        /* monotonic, when that moved; 0 = never */
};

struct balancer {
	const struct plane *plane; /* NULL: nothing pinned */
	bool dry_run;
	struct services *services;
	struct balance *balance;   /* NULL in a dry run */
	struct nearset nearset;
	struct known_node *nodes;  size_t n_nodes; /* sorted by (cluster, name) */
	uint32_t *down;            size_t n_down;  /* nodes that pinned state calls down; sorted */
	struct destroy_target *lost; size_t n_lost; /* not handed over yet: of runs that failed */
	enum node_health (*health)(void *user, uint32_t number);
	void *user;
};

static uint64_t monotonic_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec;
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/*
 * What the agent before us knew: weights by round trips go on from there, and what was down must not get
 * connections until it answers.
 */
static int read_pinned(struct balancer *balancer, struct err *err)
{
	struct service_tables *tables;
	int code = balance_read(balancer->plane, &tables, err);

	if (code)
		return code;
	code = nearset_seed(&balancer->nearset, balancer->plane, tables);
	for (size_t i = 0; !code && i < tables->n_services; i++) {
		const struct service_entry *service = &tables->services[i];

		for (size_t k = 0; !code && k < service->n_backends; k++) {
			const struct xm_backend *b = &service->backends[k].backend;

			if (b->state != XM_BACKEND_DOWN || !b->node)
				continue;
			if (balancer->n_down && balancer->down[balancer->n_down - 1] == b->node)
				continue;
			code = vec_grow(&balancer->down, balancer->n_down, sizeof(*balancer->down));
			if (!code)
				balancer->down[balancer->n_down++] = b->node;
		}
	}
	service_tables_free(tables);
	if (code)
		return err_set(err, code, "out of memory");
	if (balancer->n_down)
		qsort(balancer->down, balancer->n_down, sizeof(*balancer->down), by_number);
	return 0;
}

int balancer_new(const struct plane *plane, bool dry_run, struct balancer **ret_balancer, struct err *err)
{
	struct balancer *balancer = calloc(1, sizeof(*balancer));
	int code;

	if (!balancer)
		return err_set(err, -ENOMEM, "out of memory");
	balancer->plane = plane;
	balancer->dry_run = dry_run;
	code = services_new(&balancer->services);
	if (code)
		err_set(err, code, "out of memory");
	if (!code && plane)
		code = read_pinned(balancer, err);
	if (!code && !dry_run)
		code = balance_new(plane, monotonic_s(), &balancer->balance, err);
	if (code) {
		balancer_free(balancer);
		return code;
	}
	*ret_balancer = balancer;
	return 0;
}

static void nodes_free(struct known_node *nodes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(nodes[i].name);
	free(nodes);
}

void balancer_free(struct balancer *balancer)
{
	if (!balancer)
		return;
	if (balancer->balance)
		balance_free(balancer->balance);
	if (balancer->services)
		services_free(balancer->services);
	free(balancer->lost);
	nodes_free(balancer->nodes, balancer->n_nodes);
	free(balancer->down);
	nearset_done(&balancer->nearset);
	free(balancer);
}

void balancer_set_health(struct balancer *balancer, enum node_health (*health)(void *user, uint32_t number),
			 void *user)
{
	balancer->health = health;
	balancer->user = user;
}

static int by_name(const void *a, const void *b)
{
	const struct service_node *x = &((const struct known_node *)a)->node;
	const struct service_node *y = &((const struct known_node *)b)->node;

	if (x->cluster != y->cluster)
		return x->cluster < y->cluster ? -1 : 1;
	return strcmp(x->name, y->name);
}

int balancer_set_nodes(struct balancer *balancer, const struct wanted *wanted, const struct xm_addr *own)
{
	struct known_node *nodes = calloc(wanted->n_names + 1, sizeof(*nodes));
	size_t k = 0;

	if (!nodes)
		return -ENOMEM;
	for (size_t i = 0; i < wanted->n_names; i++) {
		const struct wanted_name *name = &wanted->names[i];
		struct known_node *node = &nodes[i];

		node->name = strdup(name->name.name);
		if (!node->name) {
			nodes_free(nodes, i);
			return -ENOMEM;
		}
		node->node.name = node->name;
		node->node.cluster = name->name.cluster;
		node->node.number = name->number;
		node->node.own = name->number == wanted->config.node;
		memcpy(node->vtep_mac, name->name.vtep_mac, sizeof(node->vtep_mac));
		while (k < wanted->n_paths && wanted->paths[k].number < name->number)
			k++;
		if (node->node.own)
			node->node.outer = *own;
		else if (k < wanted->n_paths && wanted->paths[k].number == name->number &&
			 wanted->paths[k].path.route.ifindex)
			node->node.outer = wanted->paths[k].path.route.outer;
	}
	qsort(nodes, wanted->n_names, sizeof(*nodes), by_name);
	for (size_t i = 0, o = 0; i < wanted->n_names; i++) {
		while (o < balancer->n_nodes && by_name(&balancer->nodes[o], &nodes[i]) < 0)
			o++;
		if (o == balancer->n_nodes || by_name(&balancer->nodes[o], &nodes[i]) ||
		    balancer->nodes[o].node.number != nodes[i].node.number)
			continue;
		nodes[i].tx_packets = balancer->nodes[o].tx_packets;
		nodes[i].traffic_s = balancer->nodes[o].traffic_s;
	}
	nodes_free(balancer->nodes, balancer->n_nodes);
	balancer->nodes = nodes;
	balancer->n_nodes = wanted->n_names;
	return 0;
}

static bool was_down(const struct balancer *balancer, uint32_t number)
{
	return balancer->n_down &&
	       bsearch(&number, balancer->down, balancer->n_down, sizeof(number), by_number);
}

static int merge(struct balancer *balancer, const struct mesh *mesh, const bool *stale, struct err *err)
{
	auto_free struct service_node *nodes = calloc(balancer->n_nodes + 1, sizeof(*nodes));
	auto_free bool *fresh = calloc(mesh->n_clusters + 1, sizeof(*fresh));
	struct services_input input = { .mesh = mesh, .nodes = nodes, .n_nodes = balancer->n_nodes,
					.stale = stale ? stale : fresh,
					.nearest = balancer->nearset.list,
					.n_nearest = balancer->nearset.n };

	if (!nodes || !fresh)
		return err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < balancer->n_nodes; i++) {
		nodes[i] = balancer->nodes[i].node;
		/* We are here. */
		if (nodes[i].own)
			nodes[i].health = NODE_UP;
		else if (balancer->health)
			nodes[i].health = balancer->health(balancer->user, nodes[i].number);
		if (nodes[i].health == NODE_UNKNOWN && was_down(balancer, nodes[i].number))
			nodes[i].health = NODE_DOWN;
	}
	return services_update(balancer->services, &input, err);
}

static int add_target(struct balancer *balancer, const struct xm_backend *b, uint16_t port)
{
	if (vec_grow(&balancer->lost, balancer->n_lost, sizeof(*balancer->lost)))
		return -ENOMEM;
	balancer->lost[balancer->n_lost++] = (struct destroy_target){ .addr = b->addr, .port = port, .proto = b->proto };
	return 0;
}

/* A backend of a null port is reached at whichever port its service was asked for. */
static int add_all_ports(struct balancer *balancer, const struct xm_backend *b)
{
	struct xm_service_name name;
	const struct service *const *list;
	size_t n;
	int code = 0;

	if (bpf_map_lookup_elem(balancer->plane->map_fd[PLANE_xm_service_names], &b->service, &name))
		return 0;
	list = services_list(balancer->services, &n);
	for (size_t i = 0; i < n; i++) {
		if (strcmp(list[i]->space, name.space) || strcmp(list[i]->name, name.name))
			continue;
		for (size_t p = 0; p < list[i]->n_pools; p++) {
			const struct service_pool *pool = &list[i]->pools[p];

			for (size_t f = 0; !code && f < pool->n_frontends; f++)
				if (pool->scope == XM_SCOPE_CLIENT && pool->frontends[f].key.proto == b->proto)
					code = add_target(balancer, b, ntohs(pool->frontends[f].key.port));
		}
	}
	return code;
}

/* The maps say already that they are lost: nobody else will name them again. */
static int name_lost(struct balancer *balancer, const uint32_t *lost, size_t n)
{
	int code = 0;

	for (size_t i = 0; !code && i < n; i++) {
		const struct xm_backend *b = balance_backend(balancer->balance, lost[i]);

		/* Sockets are never sent to a node as such. */
		if (!b || b->flags & XM_BACKEND_IS_NODE)
			continue;
		code = b->port ? add_target(balancer, b, ntohs(b->port)) : add_all_ports(balancer, b);
	}
	return code;
}

static int preview(const struct balancer *balancer, const struct service *const *list, size_t n,
		   struct notes *lines, struct balancer_result *result, struct err *err)
{
	struct service_tables *tables = NULL;
	int code = balancer->plane ? balance_read(balancer->plane, &tables, err) : 0;

	if (code)
		return code;
	result->services = service_diff(list, n, tables, lines);
	if (tables)
		service_tables_free(tables);
	return 0;
}

int balancer_run(struct balancer *balancer, const struct mesh *mesh, const bool *stale, struct notes *notes,
		 struct notes *lines, struct balancer_result *ret_result, struct err *err)
{
	struct balancer_result result = { 0 };
	struct balance_result synced = { 0 };
	const struct service *const *list;
	const char *const *sentences;
	size_t n, n_sentences;
	int code = merge(balancer, mesh, stale, err);

	if (code)
		return code;
	sentences = services_notes(balancer->services, &n_sentences);
	notes_add_all(notes, (char *const *)sentences, n_sentences);
	list = services_list(balancer->services, &n);
	if (balancer->dry_run) {
		code = preview(balancer, list, n, lines, &result, err);
		if (!code)
			*ret_result = result;
		return code;
	}
	code = balance_follow(balancer->balance, balancer->services, monotonic_s(), time(NULL), &synced, err);
	if (name_lost(balancer, synced.lost, synced.n_lost) && !code)
		code = err_set(err, -ENOMEM, "out of memory");
	balance_result_done(&synced);
	if (code)
		return code;
	result.services = synced.services;
	result.ops = synced.ops;
	result.lost = take(balancer->lost);
	result.n_lost = balancer->n_lost;
	balancer->n_lost = 0;
	*ret_result = result;
	return 0;
}

void balancer_result_done(struct balancer_result *result)
{
	free(result->lost);
	*result = (struct balancer_result){ 0 };
}

struct nearset *balancer_nearset(struct balancer *balancer)
{
	return &balancer->nearset;
}

const struct services *balancer_services(const struct balancer *balancer)
{
	return balancer->services;
}

uint16_t balancer_own_cluster(const struct balancer *balancer)
{
	for (size_t i = 0; i < balancer->n_nodes; i++)
		if (balancer->nodes[i].node.own)
			return balancer->nodes[i].node.cluster;
	return 0;
}

void balancer_node_clusters(const struct balancer *balancer, uint16_t *clusters)
{
	memset(clusters, 0, (XM_MAX_NODES + 1) * sizeof(*clusters));
	for (size_t i = 0; i < balancer->n_nodes; i++)
		if (balancer->nodes[i].node.number <= XM_MAX_NODES)
			clusters[balancer->nodes[i].node.number] = balancer->nodes[i].node.cluster;
}

bool balancer_has_edge(const struct balancer *balancer)
{
	return services_have_edge(balancer->services);
}

bool balancer_has_services(const struct balancer *balancer)
{
	size_t n;

	services_list(balancer->services, &n);
	return n;
}

uint64_t balancer_wait_s(const struct balancer *balancer)
{
	return balancer->balance ? balance_wait_s(balancer->balance, monotonic_s()) : 0;
}

const char *balancer_node_text(const struct balancer *balancer, const struct config *config, uint32_t number,
			       char *buf, size_t size)
{
	for (size_t i = 0; i < balancer->n_nodes; i++) {
		const struct service_node *node = &balancer->nodes[i].node;
		const char *cluster = config->own.name;

		if (node->number != number)
			continue;
		for (size_t k = 0; k < config->n_peers; k++)
			if (config->peers[k].id == node->cluster)
				cluster = config->peers[k].name;
		snprintf(buf, size, "%s/%s", cluster, node->name);
		return buf;
	}
	return NULL;
}

void balancer_look_at_traffic(struct balancer *balancer)
{
	uint64_t now_s = monotonic_s();

	for (size_t i = 0; balancer->plane && i < balancer->n_nodes; i++) {
		struct known_node *node = &balancer->nodes[i];
		struct xm_peer_stat stat;

		/* Numbers beyond share their counters: nobody could tell whose packets they were. */
		if (node->node.own || node->node.number >= XM_STAT_NODES ||
		    actual_peer_stat(balancer->plane, node->node.number, &stat, NULL))
			continue;
		if (stat.tx_packets != node->tx_packets)
			node->traffic_s = now_s;
		node->tx_packets = stat.tx_packets;
	}
}

int balancer_probe_nodes(struct balancer *balancer, struct prober_node **ret_nodes, size_t *ret_n)
{
	struct prober_node *nodes = calloc(balancer->n_nodes + 1, sizeof(*nodes));
	uint64_t now_s = monotonic_s();
	const uint32_t *serving;
	size_t n_serving, n = 0;

	if (!nodes)
		return -ENOMEM;
	serving = services_nodes(balancer->services, &n_serving);
	for (size_t i = 0; i < balancer->n_nodes; i++) {
		const struct known_node *node = &balancer->nodes[i];
		uint32_t number = node->node.number;

		if (node->node.own || xm_addr_is_zero(&node->node.outer))
			continue;
		if (!(node->traffic_s && now_s - node->traffic_s < TRAFFIC_S) &&
		    !(n_serving && bsearch(&number, serving, n_serving, sizeof(number), by_number)))
			continue;
		nodes[n].number = number;
		nodes[n].outer = node->node.outer;
		memcpy(nodes[n].vtep_mac, node->vtep_mac, sizeof(nodes[n].vtep_mac));
		if (was_down(balancer, number))
			nodes[n].first = NODE_DOWN;
		n++;
	}
	/* From now on whoever asks them knows better. */
	balancer->n_down = 0;
	*ret_nodes = nodes;
	*ret_n = n;
	return 0;
}

struct balancer_counts balancer_count(const struct balancer *balancer)
{
	struct balancer_counts counts = { 0 };
	const struct service *const *list = services_list(balancer->services, &counts.services);
	struct service_tables *tables;

	for (size_t i = 0; i < counts.services; i++) {
		counts.backends += list[i]->n_backends;
		for (size_t p = 0; p < list[i]->n_pools; p++)
			counts.frontends += list[i]->pools[p].n_frontends;
	}
	if (balancer->plane && !balance_read(balancer->plane, &tables, NULL)) {
		counts.slots_used = tables->slots_used;
		service_tables_free(tables);
	}
	return counts;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The tables of a proposed feed, in the private maps of a dry run: by the same steps as an agent's
 * turn (agent/engine.h), but nothing of the kernel or of the pinned maps is touched.
 */
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <time.h>

#include <bpf/bpf.h>

#include "agent/balancer.h"
#include "agent/facts.h"
#include "cli/explain.h"
#include "cli/proposal.h"
#include "core/defs.h"
#include "feed/feed.h"
#include "model/mesh.h"
#include "net/tables.h"
#include "plane/actual.h"
#include "plane/apply.h"
#include "plane/balance.h"
#include "plane/plan.h"

struct fill {
	const struct view *live;
	const struct plane *plane;           /* the private maps */
	const struct service_tables *tables; /* what is pinned */
	const struct mesh *mesh;
	uint16_t changed;                    /* the cluster whose feed is proposed */
	bool down[XM_MAX_NODES];             /* nodes that do not answer, as the agent knows */
	bool *stale;                         /* by cluster of the mesh */
	struct notes notes;
};

/* What is known of nodes and feeds beside the snapshots, from the backends' whys. */
static void look_at_backends(struct fill *fill)
{
	for (size_t i = 0; i < fill->tables->n_services; i++) {
		const struct service_entry *s = &fill->tables->services[i];

		for (size_t k = 0; k < s->n_backends; k++) {
			const struct xm_backend *b = &s->backends[k].backend;

			if (b->state == XM_BACKEND_DOWN && b->node < XM_MAX_NODES)
				fill->down[b->node] = true;
			if (b->why != XM_WHY_STALE && b->why != XM_WHY_LAST_RESORT_STALE)
				continue;
			for (size_t c = 0; c < fill->mesh->n_clusters; c++)
				if (fill->mesh->clusters[c].config->id == b->cluster && b->cluster != fill->changed)
					fill->stale[c] = true;
		}
	}
}

static enum node_health health(void *user, uint32_t number)
{
	const struct fill *fill = user;

	return number < XM_MAX_NODES && fill->down[number] ? NODE_DOWN : NODE_UNKNOWN;
}

/* This node's pods as they are known; a feed changes nothing about them. */
static int pods_of(const struct wanted *actual, struct pods *ret_pods)
{
	struct pods pods = { .n_pods = actual->n_pods, .n_ifaces = actual->n_ifaces };

	pods.pods = calloc(pods.n_pods + 1, sizeof(*pods.pods));
	pods.ifaces = calloc(pods.n_ifaces + 1, sizeof(*pods.ifaces));
	if (!pods.pods || !pods.ifaces) {
		free(pods.pods);
		free(pods.ifaces);
		return -ENOMEM;
	}
	for (size_t i = 0; i < pods.n_pods; i++)
		pods.pods[i] = (struct pod_entry){ .addr = actual->pods[i].addr, .pod = actual->pods[i].pod };
	for (size_t i = 0; i < pods.n_ifaces; i++)
		pods.ifaces[i] = (struct pod_iface){ .ifindex = actual->ifaces[i].ifindex,
						     .n_addrs = actual->ifaces[i].iface.n_addrs };
	*ret_pods = pods;
	return 0;
}

static int wanted_of(struct fill *fill, struct wanted **ret_wanted, struct err *err)
{
	const struct view *live = fill->live;
	struct xm_addr addr4 = { 0 }, addr6 = { 0 };
	struct net_tables *tables = NULL;
	struct host_facts facts = { 0 };
	struct pods pods = { 0 };
	struct nl *nl = NULL;
	int code = nl_open(&nl, err);

	if (!code)
		code = facts_addrs(nl, live->config, &addr4, &addr6, &fill->notes, err);
	if (!code)
		code = tables_read(nl, &tables, err);
	if (!code)
		code = facts_read(nl, live->config, fill->mesh, live->actual, tables, &addr4, &addr6,
				  if_nametoindex(live->config->device), &facts, err);
	if (!code && pods_of(live->actual, &pods))
		code = err_set(err, -ENOMEM, "out of memory");
	if (!code)
		code = wanted_build(fill->mesh, &facts.facts, &pods, ret_wanted, err);
	free(pods.pods);
	free(pods.ifaces);
	facts_done(&facts);
	if (tables)
		tables_free(tables);
	if (nl)
		nl_close(nl);
	return code;
}

/* What the underlay told of paths holds whatever a feed says. */
static int copy_pmtus(const struct fill *fill, const struct wanted *wanted, struct err *err)
{
	for (size_t i = 0; i < wanted->n_names; i++) {
		const uint32_t number = wanted->names[i].number;
		struct xm_node_state state;
		int code = actual_node_state(&fill->live->plane, number, &state, err);

		if (code)
			return code;
		if (state.pmtu &&
		    bpf_map_update_elem(fill->plane->map_fd[PLANE_xm_node_state], &number, &state, BPF_ANY))
			return err_set(err, -errno, "xm_node_state: %s", strerror(errno));
	}
	return 0;
}

static const struct xm_addr *own_endpoint(const struct fill *fill, const struct wanted *wanted)
{
	const struct xm_config *config = &wanted->config;
	bool v6 = xm_addr_is_zero(&config->addr4) ||
		  (fill->live->config->tunnel_family == CONFIG_FAMILY_IPV6 && !xm_addr_is_zero(&config->addr6));

	return v6 ? &config->addr6 : &config->addr4;
}

static int fill_services(struct fill *fill, const struct wanted *wanted, struct err *err)
{
	struct balancer_result result = { 0 };
	struct balancer *balancer = NULL;
	int code = balancer_new(fill->plane, false, &balancer, err);

	if (code)
		return code;
	balancer_set_health(balancer, health, fill);
	if (balancer_set_nodes(balancer, wanted, own_endpoint(fill, wanted)))
		code = err_set(err, -ENOMEM, "out of memory");
	if (!code)
		code = balancer_run(balancer, fill->mesh, fill->stale, &fill->notes, NULL, &result, err);
	balancer_result_done(&result);
	balancer_free(balancer);
	return code;
}

static int fill_maps(struct fill *fill, struct err *err)
{
	struct wanted *wanted = NULL;
	struct plan *plan = NULL;
	size_t done;
	int code = wanted_of(fill, &wanted, err);

	if (!code && plan_new(wanted, NULL, &plan))
		code = err_set(err, -ENOMEM, "out of memory");
	if (!code)
		code = apply_plan(fill->plane, plan, &done, err);
	if (!code)
		code = copy_pmtus(fill, wanted, err);
	if (!code)
		code = fill_services(fill, wanted, err);
	if (plan)
		plan_free(plan);
	wanted_free(wanted);
	return code;
}

/* Entries of the other clusters are as old as they are. */
static void keep_ages(const struct fill *fill, struct wanted *actual)
{
	for (size_t i = 0; i < actual->n_clusters; i++) {
		const struct xm_cluster *was = view_cluster(fill->live, actual->clusters[i].id);

		if (was && actual->clusters[i].id != fill->changed)
			actual->clusters[i].cluster.since_s = was->since_s;
	}
}

static int make(struct fill *fill, const struct snapshot *snapshot, const char *dir, struct view *ret_view,
		struct err *err)
{
	struct proposal proposal = { 0 };
	auto_free bool *stale = NULL;
	struct view view = *fill->live;
	int code = proposal_make(fill->live, fill->tables, fill->changed, snapshot, dir, &proposal, err);

	if (code)
		code = err_in(err, code, "this feed would be refused");
	fill->mesh = proposal.after;
	stale = code ? NULL : calloc(fill->mesh->n_clusters + 1, sizeof(*stale));
	if (!code && !stale)
		code = err_set(err, -ENOMEM, "out of memory");
	fill->stale = stale;
	if (!code) {
		look_at_backends(fill);
		code = fill_maps(fill, err);
	}
	proposal_done(&proposal);
	view.plane = *fill->plane;
	if (!code)
		code = actual_read(&view.plane, &view.actual, err);
	if (code)
		return code;
	keep_ages(fill, view.actual);
	*ret_view = view;
	return 0;
}

enum cli_exit explain_feed(const struct view *live, const struct dryrun *dryrun, const char *feed,
			   struct view *ret_view, const char **ret_cluster)
{
	const char *equals = strchr(feed, '='), *dir = equals ? equals + 1 : feed;
	auto_free char *name = equals ? strndup(feed, equals - feed) : NULL;
	auto_free struct fill *fill = calloc(1, sizeof(*fill));
	struct service_tables *tables = NULL;
	struct snapshot *snapshot = NULL;
	struct err err = { 0 };
	enum cli_exit exit = CLI_DONE;
	int code;

	if (!fill || (equals && !name))
		return cli_fail(CLI_FAILED, "out of memory");
	fill->live = live;
	fill->plane = dryrun_plane(dryrun);
	code = feed_dir_read(dir, &snapshot, &err);
	if (!code)
		code = balance_read(&live->plane, &tables, &err);
	if (!code) {
		fill->tables = tables;
		fill->changed = proposal_cluster(live, dir, name, snapshot, "name it, --feed CLUSTER=DIR");
		if (!fill->changed)
			exit = CLI_FAILED;
		else
			code = make(fill, snapshot, dir, ret_view, &err);
	}
	if (code)
		exit = cli_fail(CLI_FAILED, "%s", err.text);
	if (!exit)
		*ret_cluster = view_cluster_name(live, fill->changed);
	notes_done(&fill->notes);
	if (tables)
		service_tables_free(tables);
	snapshot_free(snapshot);
	return exit;
}

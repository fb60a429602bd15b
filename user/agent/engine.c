/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One turn of the reconciler. Every turn reads all facts anew and compares: there is no state here
 * that could be wrong for longer than one turn, but for what says so.
 */
#include "agent/engine.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "agent/facts.h"
#include "agent/hookset.h"
#include "agent/lock.h"
#include "agent/podset.h"
#include "core/addr.h"
#include "core/defs.h"
#include "model/wanted.h"
#include "net/device.h"
#include "net/sync.h"
#include "net/tables.h"
#include "plane/actual.h"
#include "plane/apply.h"
#include "plane/attach.h"
#include "plane/balance.h"
#include "plane/plan.h"
#include "xmesh/wire.h"

/* In a dry run xmesh0 may not be there yet; its routes are planned as if it had this index. */
#define DEVICE_TO_BE 0x7fffffffu

struct engine {
	const struct config *config;
	bool dry_run;
	bool plane_there;         /* always, but in a dry run with nothing pinned */
	int lock_fd;
	struct nl *nl;
	struct plane plane;
	struct hostcheck check;
	struct podset podset;
	struct balancer *balancer;
	struct prober_config probe_config; /* of the last whole turn */
	uint32_t device;          /* of the last whole turn, 0 = none yet */
	uint32_t guarded;         /* by guard_device() in device_ensure() */
	uint64_t mtu_lowered;     /* actual_mtu_lowered() at the last whole turn */
	struct wanted *found;     /* what is pinned, for engine_recover(), until the next turn; NULL = not read */
	struct service_tables *found_services;
};

/* What one turn holds on its way; everything is released at its end. */
struct turn {
	struct engine *engine;
	const struct mesh *mesh;
	struct wanted *actual, *wanted;
	struct xm_addr addr4, addr6;
	struct net_tables *tables;
	struct host_facts facts;
	uint32_t device;
	struct engine_turn *out;
};

int engine_new(const struct config *config, bool dry_run, struct engine **ret_engine, struct err *err)
{
	struct engine *engine = calloc(1, sizeof(*engine));
	int code;

	if (!engine)
		return err_set(err, -ENOMEM, "out of memory");
	engine->config = config;
	engine->dry_run = dry_run;
	engine->lock_fd = -1;
	if (!dry_run) {
		code = lock_take(config, &engine->lock_fd, err);
		if (code)
			goto fail;
	}
	code = nl_open(&engine->nl, err);
	if (code)
		goto fail;
	if (dry_run)
		code = plane_open(config->bpffs, config->instance, &engine->plane, err);
	else
		code = plane_load(config->bpffs, config->instance, &engine->plane, err);
	if (code && !(dry_run && code == -ENOENT))
		goto fail;
	engine->plane_there = !code;
	code = dry_run ? 0 : apply_epoch(&engine->plane, err);
	if (code)
		goto fail;
	code = balancer_new(engine->plane_there ? &engine->plane : NULL, dry_run, &engine->balancer, err);
	if (code)
		goto fail;
	*ret_engine = engine;
	return 0;

fail:
	engine_free(engine);
	return code;
}

static void forget_found(struct engine *engine)
{
	wanted_free(take(engine->found));
	service_tables_free(take(engine->found_services));
}

void engine_free(struct engine *engine)
{
	if (!engine)
		return;
	forget_found(engine);
	balancer_free(engine->balancer);
	podset_done(&engine->podset);
	hostcheck_done(&engine->check);
	if (engine->plane_there)
		plane_close(&engine->plane);
	if (engine->nl)
		nl_close(engine->nl);
	if (engine->lock_fd >= 0)
		close(engine->lock_fd);
	free(engine);
}

void engine_set_config(struct engine *engine, const struct config *config)
{
	engine->config = config;
}

void engine_set_check(struct engine *engine, struct hostcheck *check)
{
	hostcheck_follow(check, &engine->check);
	hostcheck_done(&engine->check);
	engine->check = *check;
	*check = (struct hostcheck){ 0 };
}

const struct hostcheck *engine_check(const struct engine *engine)
{
	return &engine->check;
}

struct plane *engine_plane(struct engine *engine)
{
	return &engine->plane;
}

struct balancer *engine_balancer(struct engine *engine)
{
	return engine->balancer;
}

const struct prober_config *engine_probe_config(const struct engine *engine)
{
	return &engine->probe_config;
}

const struct pods *engine_pods(const struct engine *engine)
{
	return engine->podset.pods;
}

/* All clusters are asked for one after the other: the tables are read once for them. */
static int read_found(struct engine *engine)
{
	int code = engine->found ? 0 : actual_read(&engine->plane, &engine->found, NULL);

	if (!code && !engine->found_services)
		code = balance_read(&engine->plane, &engine->found_services, NULL);
	return code;
}

int engine_recover(struct engine *engine, uint16_t cluster, struct snapshot **ret_snapshot)
{
	int code = engine->plane_there ? read_found(engine) : -ENOENT;

	return code ? code : recover_snapshot(engine->found, engine->found_services, cluster,
					      cluster == engine->config->own.id, ret_snapshot);
}

void engine_turn_done(struct engine_turn *turn)
{
	notes_done(&turn->notes);
	notes_done(&turn->lines);
	free(turn->lost);
	*turn = (struct engine_turn){ 0 };
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + ts.tv_nsec;
}

/* Without settings the program drops everything, so nobody is let in while the tables are empty. */
static int guard_device(void *user, uint32_t ifindex, struct err *err)
{
	struct engine *engine = user;

	engine->guarded = ifindex;
	return attach_tc(&engine->plane, ifindex, ATTACH_DEVICE, err);
}

static int ensure_device(struct turn *turn, const __u8 mac[6], uint32_t mtu, struct err *err)
{
	struct engine *engine = turn->engine;
	struct device_config want = { .name = engine->config->device, .port = engine->config->tunnel_port,
				      .mtu = mtu, .instance = engine->config->instance,
				      .guard = guard_device, .user = engine };
	char name[IF_NAMESIZE];
	int code;

	memcpy(want.mac, mac, sizeof(want.mac));
	engine->guarded = 0;
	code = device_ensure(engine->nl, &want, &turn->device, err);
	/* A device that was made in vain is gone again: what guarded it must not pile up turn by turn. */
	if (code && engine->guarded && !if_indextoname(engine->guarded, name))
		attach_remove(&engine->plane, engine->guarded, NULL);
	return code;
}

/*
 * The device's index, for the routes that lead to it. It is made here when it is missing, with values
 * that hold until the wanted tables say the exact ones.
 */
static int find_device(struct turn *turn, struct err *err)
{
	const char *name = turn->engine->config->device;
	__u8 mac[6];

	turn->device = if_nametoindex(name);
	if (turn->device)
		return 0;
	if (turn->engine->dry_run) {
		turn->device = DEVICE_TO_BE;
		notes_add(&turn->out->lines, "make device %s", name);
		return 0;
	}
	xm_vtep_mac(xm_addr_is_zero(&turn->addr4) ? &turn->addr6 : &turn->addr4, mac);
	return ensure_device(turn, mac, 1500 - XM_OVERHEAD_V6, err);
}

static int settle_device(struct turn *turn, struct err *err)
{
	if (turn->engine->dry_run)
		return 0;
	return ensure_device(turn, turn->wanted->config.vtep_mac, turn->wanted->device_mtu, err);
}

/* The wanted tables and the device they lead to: another port makes another device, and other routes. */
/* What the programs learned of the ways to nodes, for the kernel's routes. */
static int read_pmtus(struct turn *turn, struct err *err)
{
	struct engine *engine = turn->engine;
	uint64_t now = now_ns();
	int code;

	if (!engine->plane_there)
		return 0;
	code = actual_mtu_lowered(&engine->plane, &engine->mtu_lowered, err);
	for (size_t i = 0; !code && engine->mtu_lowered && i < turn->facts.facts.n_numbers; i++) {
		struct fact_number *number = &turn->facts.numbers[i];
		struct xm_node_state state;

		if (number->number >= XM_MAX_NODES)
			continue;
		code = actual_node_state(&engine->plane, number->number, &state, err);
		if (!code && now < state.pmtu_until_ns)
			number->pmtu = state.pmtu;
	}
	return code;
}

bool engine_pmtu_moved(const struct engine *engine)
{
	uint64_t times;

	return engine->plane_there && !actual_mtu_lowered(&engine->plane, &times, NULL) &&
	       times != engine->mtu_lowered;
}

static int settle_wanted(struct turn *turn, struct err *err)
{
	int code;

	do {
		wanted_free(take(turn->wanted));
		turn->facts.facts.device_ifindex = turn->device;
		code = wanted_build(turn->mesh, &turn->facts.facts, turn->engine->podset.pods, &turn->wanted, err);
		if (!code)
			code = settle_device(turn, err);
	} while (!code && turn->device != turn->facts.facts.device_ifindex);
	return code;
}

static int sync_routes(struct turn *turn, struct err *err)
{
	struct sync_result result = { 0 };
	int code = sync_kernel(turn->engine->nl, turn->wanted, turn->device, turn->engine->dry_run,
			       &result, err);

	if (code)
		return code;
	turn->out->kernel_puts = result.puts;
	turn->out->kernel_deletes = result.deletes;
	notes_add_all(&turn->out->notes, result.notes, result.n_notes);
	if (turn->engine->dry_run && (result.puts || result.deletes))
		notes_add(&turn->out->lines, "kernel tables: %zu routes, rules and neighbours to put, %zu to delete",
			  result.puts, result.deletes);
	sync_result_done(&result);
	return 0;
}

static void print_op(const struct plan_op *op, const struct turn *turn)
{
	auto_free char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return;
	plan_op_print(op, turn->wanted, turn->actual, out);
	if (fclose(out))
		return;
	text[strcspn(text, "\n")] = '\0';
	/* Each has another key: hundreds of thousands are not compared with each other. */
	notes_append(&turn->out->lines, take(text));
}

static int write_maps(struct turn *turn, struct err *err)
{
	struct plan *plan;
	size_t done = 0;
	int code = plan_new(turn->wanted, turn->actual, &plan);

	if (code)
		return err_set(err, code, "out of memory");
	if (turn->engine->dry_run) {
		for (size_t i = 0; i < plan->n_ops; i++)
			print_op(&plan->ops[i], turn);
		done = plan->n_ops;
	} else {
		code = apply_plan(&turn->engine->plane, plan, &done, err);
	}
	turn->out->map_ops = done;
	plan_free(plan);
	return code;
}

static int set_hooks(struct turn *turn, bool cgroups, struct err *err)
{
	struct engine *engine = turn->engine;
	struct hookset set = { .config = engine->config, .plane = engine->plane_there ? &engine->plane : NULL,
			       .dry_run = engine->dry_run, .device = turn->device,
			       .pods = engine->podset.pods, .have_edge = balancer_has_edge(engine->balancer),
			       .have_services = balancer_has_services(engine->balancer) };
	struct hooks_result result = { 0 };
	int code = hookset_interfaces(&set, &turn->out->notes, &turn->out->lines, &result, err);

	if (code)
		return code;
	if (cgroups)
		hookset_cgroups(&set, &turn->out->notes, &result);
	turn->out->attached = result.attached;
	turn->out->detached = result.detached;
	turn->out->failures = result.failures;
	return 0;
}

static void set_probe_config(struct turn *turn)
{
	struct prober_config *config = &turn->engine->probe_config;

	*config = (struct prober_config){ .addr4 = turn->addr4, .addr6 = turn->addr6,
					  .port = turn->engine->config->tunnel_port,
					  .vni = turn->engine->config->tunnel_id };
	memcpy(config->vtep_mac, turn->wanted->config.vtep_mac, sizeof(config->vtep_mac));
}

static int run_services(struct turn *turn, const bool *stale, struct err *err)
{
	struct balancer_result result = { 0 };
	int code = balancer_run(turn->engine->balancer, turn->mesh, stale, &turn->out->notes, &turn->out->lines,
				&result, err);

	if (code)
		return code;
	turn->out->services = result.services;
	turn->out->service_ops = result.ops;
	turn->out->lost = take(result.lost);
	turn->out->n_lost = result.n_lost;
	return 0;
}

/* As other nodes of our cluster see it: all of them have to make the same slices of it. */
static const struct xm_addr *own_endpoint(const struct turn *turn)
{
	bool v6 = xm_addr_is_zero(&turn->addr4) ||
		  (turn->engine->config->tunnel_family == CONFIG_FAMILY_IPV6 && !xm_addr_is_zero(&turn->addr6));

	return v6 ? &turn->addr6 : &turn->addr4;
}

static int run(struct turn *turn, const bool *stale, struct err *err)
{
	struct engine *engine = turn->engine;
	const struct config *config = engine->config;
	struct notes *notes = &turn->out->notes;
	struct err hooks_err = { 0 };
	int code, hooks_code;

	if (engine->plane_there) {
		code = actual_read(&engine->plane, &turn->actual, err);
		if (code)
			return code;
	}
	code = facts_addrs(engine->nl, config, &turn->addr4, &turn->addr6, notes, err);
	if (code)
		return code;
	code = find_device(turn, err);
	if (code)
		return code;
	code = tables_read(engine->nl, &turn->tables, err);
	if (code)
		return code;
	code = podset_learn(&engine->podset, config, engine->plane_there ? &engine->plane : NULL,
			    turn->tables, turn->actual, &engine->check, notes, err);
	if (code)
		return code;
	code = facts_read(engine->nl, config, turn->mesh, turn->actual, turn->tables, &turn->addr4,
			  &turn->addr6, turn->device, &turn->facts, err);
	if (code)
		return code;
	code = read_pmtus(turn, err);
	if (code)
		return code;
	code = settle_wanted(turn, err);
	if (code)
		return code;
	notes_add_all(notes, turn->wanted->notes, turn->wanted->n_notes);
	notes_add_all(notes, engine->check.notes.v, engine->check.notes.n);
	code = sync_routes(turn, err);
	if (code)
		return code;
	code = write_maps(turn, err);
	if (code)
		return code;
	if (balancer_set_nodes(engine->balancer, turn->wanted, own_endpoint(turn)))
		return err_set(err, -ENOMEM, "out of memory");
	set_probe_config(turn);
	code = run_services(turn, stale, err);
	/* Services that do not fit must not keep pods from their programs. */
	hooks_code = set_hooks(turn, true, &hooks_err);
	if (!code && hooks_code) {
		*err = hooks_err;
		code = hooks_code;
	}
	if (code)
		return code;
	if (!engine->dry_run)
		podset_resolve(&engine->podset, engine->nl);
	return 0;
}

int engine_run(struct engine *engine, const struct mesh *mesh, const bool *stale, struct engine_turn *ret_turn,
	       struct err *err)
{
	uint64_t start_ns = now_ns();
	struct engine_turn out = { 0 };
	struct turn turn = { .engine = engine, .mesh = mesh, .out = &out };
	int code;

	forget_found(engine);
	code = run(&turn, stale, err);

	wanted_free(turn.actual);
	wanted_free(turn.wanted);
	facts_done(&turn.facts);
	if (turn.tables)
		tables_free(turn.tables);
	if (code) {
		engine_turn_done(&out);
		return code;
	}
	engine->device = turn.device;
	out.duration_ns = now_ns() - start_ns;
	*ret_turn = out;
	return 0;
}

/* What is in the maps, but for pods and interfaces; only those two arrays are owned by *ret_wanted. */
static int pods_wanted(const struct turn *turn, struct wanted *ret_wanted)
{
	const struct pods *pods = turn->engine->podset.pods;
	struct wanted wanted = *turn->actual;
	uint64_t now_s = time(NULL);

	wanted.pods = calloc(pods->n_pods + 1, sizeof(*wanted.pods));
	wanted.ifaces = calloc(pods->n_ifaces + 1, sizeof(*wanted.ifaces));
	if (!wanted.pods || !wanted.ifaces) {
		free(wanted.pods);
		free(wanted.ifaces);
		return -ENOMEM;
	}
	for (size_t i = 0; i < pods->n_pods; i++) {
		wanted.pods[i].addr = pods->pods[i].addr;
		wanted.pods[i].pod = pods->pods[i].pod;
		wanted.pods[i].pod.since_s = now_s;
	}
	for (size_t i = 0; i < pods->n_ifaces; i++) {
		wanted.ifaces[i].ifindex = pods->ifaces[i].ifindex;
		wanted.ifaces[i].iface.n_addrs = pods->ifaces[i].n_addrs;
	}
	wanted.n_pods = pods->n_pods;
	wanted.n_ifaces = pods->n_ifaces;
	*ret_wanted = wanted;
	return 0;
}

static int run_pods(struct turn *turn, struct err *err)
{
	struct engine *engine = turn->engine;
	struct wanted wanted;
	int code = actual_read(&engine->plane, &turn->actual, err);

	if (!code)
		code = tables_read(engine->nl, &turn->tables, err);
	if (!code)
		code = podset_learn(&engine->podset, engine->config, &engine->plane, turn->tables,
				    turn->actual, &engine->check, &turn->out->notes, err);
	if (code)
		return code;
	if (pods_wanted(turn, &wanted))
		return err_set(err, -ENOMEM, "out of memory");
	turn->wanted = &wanted;
	code = write_maps(turn, err);
	turn->wanted = NULL;
	free(wanted.pods);
	free(wanted.ifaces);
	if (!code)
		code = set_hooks(turn, false, err);
	if (!code)
		podset_resolve(&engine->podset, engine->nl);
	return code;
}

int engine_run_services(struct engine *engine, const struct mesh *mesh, const bool *stale,
			struct engine_turn *ret_turn, struct err *err)
{
	uint64_t start_ns = now_ns();
	struct engine_turn out = { 0 };
	struct turn turn = { .engine = engine, .mesh = mesh, .device = engine->device, .out = &out };
	int code;

	if (!engine->device)
		return err_set(err, -EAGAIN, "no whole turn yet");
	forget_found(engine);
	code = run_services(&turn, stale, err);
	if (code) {
		engine_turn_done(&out);
		return code;
	}
	out.duration_ns = now_ns() - start_ns;
	*ret_turn = out;
	return 0;
}

int engine_run_pods(struct engine *engine, struct engine_turn *ret_turn, struct err *err)
{
	uint64_t start_ns = now_ns();
	struct engine_turn out = { 0 };
	struct turn turn = { .engine = engine, .device = engine->device, .out = &out };
	int code;

	if (!engine->device)
		return err_set(err, -EAGAIN, "no whole turn yet");
	code = run_pods(&turn, err);
	wanted_free(turn.actual);
	if (turn.tables)
		tables_free(turn.tables);
	if (code) {
		engine_turn_done(&out);
		return code;
	}
	out.duration_ns = now_ns() - start_ns;
	*ret_turn = out;
	return 0;
}

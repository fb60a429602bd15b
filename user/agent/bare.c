/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A host without an agent. */
#include "agent/bare.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "agent/facts.h"
#include "agent/hooks.h"
#include "agent/hostcheck.h"
#include "agent/lock.h"
#include "agent/podset.h"
#include "core/defs.h"
#include "model/mesh.h"
#include "model/wanted.h"
#include "net/device.h"
#include "net/sync.h"
#include "net/tables.h"
#include "plane/actual.h"
#include "plane/apply.h"
#include "plane/plan.h"
#include "plane/plane.h"

/* How long an attached pod interface waits for its pods' MACs. */
#define RESOLVE_TRIES 25
#define RESOLVE_STEP_MS 20

struct bare {
	const struct config *config;
	int lock_fd;
	struct nl *nl;
	struct plane plane;
	bool plane_there;
	struct wanted *actual;
	struct notes *notes;
};

static void bare_close(struct bare *bare)
{
	wanted_free(bare->actual);
	if (bare->plane_there)
		plane_close(&bare->plane);
	if (bare->nl)
		nl_close(bare->nl);
	if (bare->lock_fd >= 0)
		close(bare->lock_fd);
}

static int bare_lock(const struct config *config, int *ret_fd, struct err *err)
{
	int code = lock_take(config, ret_fd, err);

	return code == -EALREADY ?
		       err_in(err, code, "an agent decides what is attached; change its configuration instead") :
		       code;
}

/* ---- attach -------------------------------------------------------------------------------- */

/* xm_config as wanted_build() makes it for a mesh of nothing, and the device's MTU. */
static int plain_wanted(struct bare *bare, const struct xm_addr *addr4, const struct xm_addr *addr6,
			struct wanted **ret_wanted, struct err *err)
{
	const struct config *config = bare->config;
	auto_free const struct snapshot **snapshots = calloc(config->n_peers + 1, sizeof(*snapshots));
	auto_free const char **origins = calloc(config->n_peers + 1, sizeof(*origins));
	struct net_tables *tables = NULL;
	struct host_facts facts = { 0 };
	struct mesh *mesh = NULL;
	static const struct pods no_pods = { 0 };
	int code;

	if (!snapshots || !origins)
		return err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i <= config->n_peers; i++)
		origins[i] = "no feed";
	code = mesh_new(config, snapshots, origins, &mesh, err);
	if (!code)
		code = tables_read(bare->nl, &tables, err);
	if (!code)
		code = facts_read(bare->nl, config, mesh, NULL, tables, addr4, addr6, 0, &facts, err);
	if (!code)
		code = wanted_build(mesh, &facts.facts, &no_pods, ret_wanted, err);
	facts_done(&facts);
	if (tables)
		tables_free(tables);
	mesh_free(mesh);
	return code;
}

static int put(const struct bare *bare, enum plane_map map, uint32_t number, const struct xm_addr *addr,
	       const void *value, struct err *err)
{
	struct plan_op op = { .verb = PLAN_PUT, .map = map, .value = value };
	struct plan plan = { .ops = &op, .n_ops = 1 };
	size_t done;

	if (addr)
		op.key.addr = *addr;
	else
		op.key.number = number;
	return apply_plan(&bare->plane, &plan, &done, err);
}

/* What an agent or `apply` wrote stands; else the settings of the configuration. */
static int settle_config(struct bare *bare, const struct wanted *plain, struct err *err)
{
	/* The port is set by everyone who ever filled it. */
	if (bare->actual->config.port)
		return 0;
	return put(bare, PLANE_xm_config, 0, NULL, &plain->config, err);
}

static int guard_device(void *user, uint32_t ifindex, struct err *err)
{
	struct bare *bare = user;

	return attach_tc(&bare->plane, ifindex, ATTACH_DEVICE, err);
}

static int settle_device(struct bare *bare, const struct wanted *plain, struct err *err)
{
	const struct config *config = bare->config;
	struct device_config want = { .name = config->device, .port = config->tunnel_port,
				      .mtu = plain->device_mtu, .instance = config->instance,
				      .guard = guard_device, .user = bare };
	uint32_t ifindex = if_nametoindex(config->device);
	int code = 0;

	memcpy(want.mac, plain->config.vtep_mac, sizeof(want.mac));
	if (!ifindex)
		code = device_ensure(bare->nl, &want, &ifindex, err);
	return code ? code : guard_device(bare, ifindex, err);
}

static int learn(struct bare *bare, struct podset *podset, const struct hostcheck *check, struct err *err)
{
	struct net_tables *tables;
	int code = tables_read(bare->nl, &tables, err);

	if (code)
		return code;
	code = podset_learn(podset, bare->config, &bare->plane, tables, bare->actual, check, bare->notes, err);
	tables_free(tables);
	return code;
}

/* The pods behind @ifindex, as an agent would learn them, into the tables. */
static int settle_pods(struct bare *bare, uint32_t ifindex, struct err *err)
{
	struct timespec step = { .tv_nsec = RESOLVE_STEP_MS * 1000000 };
	struct podset podset = { 0 };
	struct xm_iface iface = { 0 };
	struct hostcheck check = { 0 };
	int code;

	if (bare->config->pods_path == CONFIG_PATH_AUTO)
		hostcheck_config(bare->config, &check);
	code = learn(bare, &podset, &check, err);
	for (int i = 0; !code && podset.pods->n_waiting && i < RESOLVE_TRIES; i++) {
		podset_resolve(&podset, bare->nl);
		nanosleep(&step, NULL);
		code = learn(bare, &podset, &check, err);
	}
	for (size_t i = 0; !code && i < podset.pods->n_pods; i++) {
		struct pod_entry *entry = &podset.pods->pods[i];

		if (entry->pod.ifindex != ifindex)
			continue;
		entry->pod.since_s = time(NULL);
		code = put(bare, PLANE_xm_pods, 0, &entry->addr, &entry->pod, err);
		iface.n_addrs++;
	}
	if (!code)
		code = put(bare, PLANE_xm_ifaces, ifindex, NULL, &iface, err);
	if (!code && !iface.n_addrs)
		notes_add(bare->notes,
			  "no pod is known behind it yet, so its packets take the kernel's stack: give it a "
			  "host route, or use xmesh endpoint add");
	podset_done(&podset);
	hostcheck_done(&check);
	return code;
}

/* The programs were loaded anew: what is attached elsewhere is replaced in place, as an agent does. */
static void refresh(struct bare *bare, const struct attach_hook *hook)
{
	static const enum attach_role roles[] = { [PLANE_FROM_POD] = ATTACH_POD, [PLANE_FROM_NET] = ATTACH_UNDERLAY,
						  [PLANE_FROM_DEV] = ATTACH_DEVICE, [PLANE_TO_POD] = ATTACH_TO_POD };
	struct err err = { 0 };
	int code;

	if (hook->current || !hook->ifname[0])
		return;
	if (hook->prog == PLANE_XDP)
		code = attach_xdp(&bare->plane, hook->ifindex, hook->how == ATTACH_XDP_NATIVE, &err);
	else
		code = attach_tc(&bare->plane, hook->ifindex, roles[hook->prog], &err);
	if (code && code != -ENODEV)
		notes_add(bare->notes, "%s keeps the program of before: %s", hook->ifname, err.text);
}

static int settle_hooks(struct bare *bare, uint32_t ifindex, const char *ifname, enum attach_role role,
			enum config_xdp xdp, struct err *err)
{
	/* A pod's interface has a second one, for what is sent to it. */
	struct hook_want want[] = { { .ifindex = ifindex, .role = role, .xdp = xdp },
				    { .ifindex = ifindex, .role = ATTACH_TO_POD } };
	size_t n_want = role == ATTACH_POD ? 2 : 1;
	auto_free struct attach_hook *have = NULL;
	auto_free struct hook_op *ops = NULL;
	struct hooks_result result = { 0 };
	struct notes failures = { 0 };
	size_t n_have = 0, n_here = 0, n_ops = 0;
	int code = attach_list(&bare->plane, &have, &n_have, err);

	if (code)
		return code;
	for (size_t i = 0; i < n_want; i++)
		snprintf(want[i].name, sizeof(want[i].name), "%s", ifname);
	for (size_t i = 0; i < n_have; i++) {
		if (have[i].ifindex == ifindex)
			have[n_here++] = have[i];
		else
			refresh(bare, &have[i]);
	}
	if (hooks_plan(want, n_want, have, n_here, &ops, &n_ops))
		return err_set(err, -ENOMEM, "out of memory");
	hooks_apply(&bare->plane, ops, n_ops, &failures, &result);
	if (result.failures)
		code = err_set(err, -EIO, "%s", failures.n ? failures.v[0] : "attaching failed");
	notes_done(&failures);
	return code;
}

static int attach(struct bare *bare, const char *ifname, enum attach_role role, enum config_xdp xdp, struct err *err)
{
	uint32_t ifindex = if_nametoindex(ifname);
	struct xm_addr addr4 = { 0 }, addr6 = { 0 };
	struct wanted *plain = NULL;
	int code = actual_read(&bare->plane, &bare->actual, err);

	if (!code)
		code = facts_addrs(bare->nl, bare->config, &addr4, &addr6, bare->notes, err);
	/* A pod interface serves node-local traffic without any tunnel endpoint. */
	if (code == -EADDRNOTAVAIL && role == ATTACH_POD)
		code = 0;
	if (!code)
		code = plain_wanted(bare, &addr4, &addr6, &plain, err);
	if (!code)
		code = settle_config(bare, plain, err);
	if (!code && role == ATTACH_UNDERLAY)
		code = settle_device(bare, plain, err);
	if (!code && role == ATTACH_POD)
		code = settle_pods(bare, ifindex, err);
	if (!code)
		code = settle_hooks(bare, ifindex, ifname, role, xdp, err);
	wanted_free(plain);
	return code;
}

int bare_attach(struct config *config, const char *ifname, enum attach_role role, enum config_xdp xdp,
		struct notes *notes, struct err *err)
{
	struct bare bare = { .config = config, .lock_fd = -1, .notes = notes };
	char *glob = strdup(ifname);
	int code;

	if (!glob)
		return err_set(err, -ENOMEM, "out of memory");
	if (!if_nametoindex(ifname)) {
		free(glob);
		return err_set(err, -ENODEV, "there is no interface %s", ifname);
	}
	/* Of this interface the pods are learned, whatever the globs say. */
	for (size_t i = 0; i < config->n_pod_globs; i++)
		free(config->pod_globs[i]);
	config->pod_globs[0] = glob;
	config->n_pod_globs = 1;
	if (role == ATTACH_UNDERLAY && !config->n_underlay)
		snprintf(config->underlay[config->n_underlay++], sizeof(config->underlay[0]), "%s", ifname);
	code = bare_lock(config, &bare.lock_fd, err);
	if (!code)
		code = nl_open(&bare.nl, err);
	if (!code) {
		code = plane_load(config->bpffs, config->instance, &bare.plane, err);
		bare.plane_there = !code;
	}
	if (!code)
		code = attach(&bare, ifname, role, xdp, err);
	bare_close(&bare);
	return code;
}

/* ---- detach -------------------------------------------------------------------------------- */

static int forget_pods(struct bare *bare, uint32_t ifindex, struct err *err)
{
	struct plan_op op = { .verb = PLAN_DELETE, .map = PLANE_xm_ifaces };
	struct plan plan = { .ops = &op, .n_ops = 1 };
	bool known = false;
	size_t done;
	int code = actual_read(&bare->plane, &bare->actual, err);

	for (size_t i = 0; !code && i < bare->actual->n_pods; i++) {
		const struct wanted_pod *pod = &bare->actual->pods[i];

		if (pod->pod.ifindex == ifindex && !(pod->pod.flags & XM_POD_STATIC))
			code = apply_pod_delete(&bare->plane, &pod->addr, err);
	}
	for (size_t i = 0; !code && i < bare->actual->n_ifaces; i++)
		known |= bare->actual->ifaces[i].ifindex == ifindex;
	op.key.number = ifindex;
	return code || !known ? code : apply_plan(&bare->plane, &plan, &done, err);
}

int bare_detach(const struct config *config, const char *ifname, struct err *err)
{
	struct bare bare = { .config = config, .lock_fd = -1 };
	uint32_t ifindex = if_nametoindex(ifname);
	int code;

	if (!ifindex)
		return err_set(err, -ENODEV, "there is no interface %s", ifname);
	code = bare_lock(config, &bare.lock_fd, err);
	if (!code) {
		code = plane_open(config->bpffs, config->instance, &bare.plane, err);
		bare.plane_there = !code;
		if (code == -ENOENT) {
			bare_close(&bare);
			return 0;
		}
	}
	if (!code)
		code = attach_remove(&bare.plane, ifindex, err);
	if (!code)
		code = forget_pods(&bare, ifindex, err);
	bare_close(&bare);
	return code;
}

static int purge(struct bare *bare, struct err *err)
{
	const struct config *config = bare->config;
	int code = nl_open(&bare->nl, err);

	if (!code)
		code = sync_purge(bare->nl, err);
	if (!code)
		code = device_remove(bare->nl, config->device, config->instance, err);
	if (!code)
		code = plane_purge(config->bpffs, config->instance, err);
	if (!code)
		lock_remove(config);
	return code;
}

int bare_detach_all(const struct config *config, bool purge_too, struct err *err)
{
	struct bare bare = { .config = config, .lock_fd = -1 };
	int code = bare_lock(config, &bare.lock_fd, err);

	if (!code)
		code = attach_remove_all(config->bpffs, config->instance, err);
	if (!code && purge_too)
		code = purge(&bare, err);
	bare_close(&bare);
	return code;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The pods of this node from turn to turn. */
#include "agent/podset.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/defs.h"
#include "net/tables.h"
#include "plane/attach.h"

/* An address that never answers is asked for this often, so that its failures cause no storm of turns. */
#define ASK_AGAIN_NS (10ull * 1000000000ull)

static int compare_index(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static int statics_of(const struct wanted *actual, struct static_pod **ret_statics, size_t *ret_n)
{
	struct static_pod *statics = calloc((actual ? actual->n_pods : 0) + 1, sizeof(*statics));
	size_t n = 0;

	if (!statics)
		return -ENOMEM;
	for (size_t i = 0; actual && i < actual->n_pods; i++) {
		const struct wanted_pod *pod = &actual->pods[i];

		if (!(pod->pod.flags & XM_POD_STATIC))
			continue;
		statics[n].addr = pod->addr;
		statics[n].ifindex = pod->pod.ifindex;
		statics[n].has_mac = true;
		memcpy(statics[n++].pod_mac, pod->pod.pod_mac, sizeof(pod->pod.pod_mac));
	}
	*ret_statics = statics;
	*ret_n = n;
	return 0;
}

/* Every interface takes the stack. */
static int stack_all(const struct net_tables *tables, uint32_t **ret_stack, size_t *ret_n)
{
	uint32_t *stack = calloc(tables->n_links + 1, sizeof(*stack));

	if (!stack)
		return -ENOMEM;
	for (size_t i = 0; i < tables->n_links; i++)
		stack[i] = tables->links[i].ifindex;
	qsort(stack, tables->n_links, sizeof(*stack), compare_index);
	*ret_stack = stack;
	*ret_n = tables->n_links;
	return 0;
}

/*
 * Those of @pods' interfaces that bear a program of somebody else, who may enforce a policy there; or
 * of which that cannot be said.
 */
static int stack_foreign(const struct plane *plane, const struct pods *pods, struct notes *notes,
			 uint32_t **ret_stack, size_t *ret_n)
{
	uint32_t *stack = calloc(pods->n_ifaces + 1, sizeof(*stack));
	char first[16] = "", prog[64] = "";
	size_t n = 0, n_unknown = 0;
	struct err why = { 0 };

	if (!stack)
		return -ENOMEM;
	for (size_t i = 0; i < pods->n_ifaces; i++) {
		auto_free struct attach_foreign *foreign = NULL;
		size_t n_foreign = 0;
		int code = attach_foreign_list(plane, pods->ifaces[i].ifindex, &foreign, &n_foreign, &why);

		/* An interface that went away meanwhile has none. */
		if (!code && !n_foreign)
			continue;
		if (code) {
			n_unknown++;
		} else if (!first[0]) {
			snprintf(first, sizeof(first), "%s", pods->ifaces[i].name);
			snprintf(prog, sizeof(prog), "%s (id %u, %s)", foreign[0].name,
				 foreign[0].prog_id, foreign[0].how);
		}
		stack[n++] = pods->ifaces[i].ifindex;
	}
	if (first[0])
		notes_add(notes,
			  "pods.path auto takes the kernel's stack on %zu pod interfaces: %s bears the "
			  "program %s, which may enforce a policy there",
			  n - n_unknown, first, prog);
	if (n_unknown)
		notes_add(notes,
			  "pods.path auto takes the kernel's stack on %zu pod interfaces whose programs "
			  "cannot be listed: %s",
			  n_unknown, why.text);
	*ret_stack = stack;
	*ret_n = n;
	return 0;
}

/*
 * A process before us knew these: as good as our own last turn, and for the same reason. The kernel
 * forgets neighbours that nobody uses.
 */
static int adopt(struct podset *podset, const struct wanted *actual)
{
	struct pods *pods = calloc(1, sizeof(*pods));

	if (!pods)
		return -ENOMEM;
	pods->pods = calloc(actual->n_pods + 1, sizeof(*pods->pods));
	if (!pods->pods) {
		free(pods);
		return -ENOMEM;
	}
	for (size_t i = 0; i < actual->n_pods; i++) {
		if (actual->pods[i].pod.flags & XM_POD_STATIC)
			continue;
		pods->pods[pods->n_pods].addr = actual->pods[i].addr;
		pods->pods[pods->n_pods++].pod = actual->pods[i].pod;
	}
	podset->pods = pods;
	return 0;
}

int podset_learn(struct podset *podset, const struct config *config, const struct plane *plane,
		 const struct net_tables *tables, const struct wanted *actual,
		 const struct hostcheck *check, struct notes *notes, struct err *err)
{
	auto_free struct static_pod *statics = NULL;
	auto_free uint32_t *stack = NULL;
	size_t n_statics = 0, n_stack = 0;
	struct pods *pods, *again;
	bool all = config->pods_path == CONFIG_PATH_STACK ||
		   (config->pods_path == CONFIG_PATH_AUTO && check->policy_engine);
	int code;

	if ((!podset->pods && actual && adopt(podset, actual)) || statics_of(actual, &statics, &n_statics) ||
	    (all && stack_all(tables, &stack, &n_stack)))
		return err_set(err, -ENOMEM, "out of memory");
	code = pods_learn(config, tables, statics, n_statics, stack, n_stack, podset->pods, &pods, err);
	if (code)
		return code;
	if (all && config->pods_path == CONFIG_PATH_AUTO && pods->n_ifaces)
		notes_add(notes, "pods.path auto takes the kernel's stack: %s", check->policy_why);
	if (!all && config->pods_path == CONFIG_PATH_AUTO && plane) {
		if (stack_foreign(plane, pods, notes, &stack, &n_stack)) {
			pods_free(pods);
			return err_set(err, -ENOMEM, "out of memory");
		}
		if (n_stack) {
			code = pods_learn(config, tables, statics, n_statics, stack, n_stack,
					  podset->pods, &again, err);
			pods_free(pods);
			if (code)
				return code;
			pods = again;
		}
	}
	notes_add_all(notes, pods->notes, pods->n_notes);
	pods_free(podset->pods);
	podset->pods = pods;
	return 0;
}

static bool was_asked(const struct podset *podset, const struct pod_wait *wait)
{
	for (size_t i = 0; i < podset->n_asked; i++)
		if (podset->asked[i].ifindex == wait->ifindex &&
		    xm_addr_eq(&podset->asked[i].addr, &wait->addr))
			return true;
	return false;
}

void podset_resolve(struct podset *podset, struct nl *nl)
{
	const struct pods *pods = podset->pods;
	struct pod_wait *asked;
	struct timespec ts;
	uint64_t now_ns;
	bool all;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	now_ns = (uint64_t)ts.tv_sec * 1000000000u + ts.tv_nsec;
	all = now_ns - podset->asked_ns >= ASK_AGAIN_NS;
	asked = calloc(pods->n_waiting + 1, sizeof(*asked));
	if (!asked)
		return;
	for (size_t i = 0; i < pods->n_waiting; i++) {
		/* Refused for an interface that went away or cannot resolve: asked again later. */
		if (all || !was_asked(podset, &pods->waiting[i]))
			tables_resolve(nl, pods->waiting[i].ifindex, &pods->waiting[i].addr, NULL);
		asked[i] = pods->waiting[i];
	}
	if (all)
		podset->asked_ns = now_ns;
	free(podset->asked);
	podset->asked = asked;
	podset->n_asked = pods->n_waiting;
}

void podset_done(struct podset *podset)
{
	pods_free(podset->pods);
	free(podset->asked);
	*podset = (struct podset){ 0 };
}

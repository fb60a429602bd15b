/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The facts that model/wanted.h asks for, gathered from the kernel and from the actual tables. */
#include "agent/facts.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/addr.h"
#include "core/defs.h"
#include "net/tables.h"

int facts_addrs(struct nl *nl, const struct config *config, struct xm_addr *ret_addr4,
		struct xm_addr *ret_addr6, struct notes *notes, struct err *err)
{
	struct xm_addr addr4 = config->node_addr4, addr6 = config->node_addr6;
	bool configured = !xm_addr_is_zero(&addr4) || !xm_addr_is_zero(&addr6);
	int code;

	for (size_t i = 0; i < config->n_underlay; i++) {
		uint32_t ifindex = if_nametoindex(config->underlay[i]);
		auto_free struct xm_addr *addrs = NULL;
		size_t n = 0;

		if (!ifindex) {
			notes_add(notes, "underlay: interface %s does not exist; it is used when it appears",
				  config->underlay[i]);
			continue;
		}
		if (configured)
			continue;
		code = tables_addrs(nl, ifindex, &addrs, &n, err);
		if (code)
			return code;
		for (size_t k = 0; k < n; k++) {
			struct xm_addr *into = xm_addr_is_v4(&addrs[k]) ? &addr4 : &addr6;

			if (xm_addr_is_zero(into))
				*into = addrs[k];
		}
	}
	if (xm_addr_is_zero(&addr4) && xm_addr_is_zero(&addr6))
		return err_set(err, -EADDRNOTAVAIL,
			       "no global address on %s%s: give the underlay interface one, or set "
			       "node.addresses",
			       config->n_underlay ? "underlay interface " : "any interface, underlay is not set",
			       config->n_underlay ? config->underlay[0] : "");
	*ret_addr4 = addr4;
	*ret_addr6 = addr6;
	return 0;
}

static int compare_path(const void *a, const void *b)
{
	const struct fact_path *x = a, *y = b;

	return memcmp(&x->dst, &y->dst, sizeof(x->dst));
}

/* The addresses of every node but ours, sorted and once each, in paths[].dst. */
static int collect_nodes(const struct mesh *mesh, const struct xm_addr *own4, const struct xm_addr *own6,
			 struct fact_path **ret_paths, size_t *ret_n)
{
	struct fact_path *paths;
	size_t n = 0, kept = 0, max = 0;

	for (size_t i = 0; i < mesh->n_clusters; i++)
		if (mesh->clusters[i].snapshot)
			max += 2 * mesh->clusters[i].snapshot->n_nodes;
	paths = calloc(max + 1, sizeof(*paths));
	if (!paths)
		return -ENOMEM;
	for (size_t i = 0; i < mesh->n_clusters; i++) {
		const struct snapshot *snapshot = mesh->clusters[i].snapshot;

		for (size_t k = 0; snapshot && k < snapshot->n_nodes; k++) {
			const struct xm_addr *addrs[] = { &snapshot->nodes[k].addr4, &snapshot->nodes[k].addr6 };

			for (size_t f = 0; f < ARRAY_SIZE(addrs); f++)
				if (!xm_addr_is_zero(addrs[f]) && !xm_addr_eq(addrs[f], own4) &&
				    !xm_addr_eq(addrs[f], own6))
					paths[n++].dst = *addrs[f];
		}
	}
	qsort(paths, n, sizeof(*paths), compare_path);
	for (size_t i = 0; i < n; i++)
		if (!i || !xm_addr_eq(&paths[i].dst, &paths[kept - 1].dst))
			paths[kept++] = paths[i];
	*ret_paths = paths;
	*ret_n = kept;
	return 0;
}

static int read_paths(struct nl *nl, const struct mesh *mesh, const struct net_tables *tables,
		      struct host_facts *facts, struct err *err)
{
	int code = collect_nodes(mesh, &facts->facts.addr4, &facts->facts.addr6, &facts->paths,
				 &facts->facts.n_paths);

	if (code)
		return err_set(err, code, "out of memory");
	facts->facts.paths = facts->paths;
	for (size_t i = 0; i < facts->facts.n_paths; i++) {
		struct xm_addr dst = facts->paths[i].dst;

		code = tables_path(nl, &dst, &facts->paths[i], err);
		if (code)
			return code;
		tables_macs(tables, &facts->paths[i]);
	}
	return 0;
}

static int read_numbers(const struct wanted *actual, struct host_facts *facts)
{
	facts->numbers = calloc(actual->n_names + 1, sizeof(*facts->numbers));
	if (!facts->numbers)
		return -ENOMEM;
	for (size_t i = 0; i < actual->n_names; i++) {
		struct fact_number *number = &facts->numbers[i];

		number->cluster = actual->names[i].name.cluster;
		number->number = actual->names[i].number;
		snprintf(number->name, sizeof(number->name), "%s", actual->names[i].name.name);
	}
	facts->facts.numbers = facts->numbers;
	facts->facts.n_numbers = actual->n_names;
	/* The slots of the prefix lengths, only from a config that was written by us. */
	if (actual->config.magic == XM_ABI_MAGIC)
		facts->facts.plens = actual->config.plen;
	return 0;
}

static uint32_t underlay_mtu(const struct config *config, const struct net_tables *tables)
{
	uint32_t mtu = 0;

	for (size_t i = 0; i < config->n_underlay; i++)
		for (size_t k = 0; k < tables->n_links; k++)
			if (!strcmp(tables->links[k].name, config->underlay[i]) &&
			    (!mtu || tables->links[k].mtu < mtu))
				mtu = tables->links[k].mtu;
	return mtu ? mtu : 1500;
}

int facts_read(struct nl *nl, const struct config *config, const struct mesh *mesh,
	       const struct wanted *actual, const struct net_tables *tables, const struct xm_addr *own4,
	       const struct xm_addr *own6, uint32_t device_ifindex, struct host_facts *ret_facts,
	       struct err *err)
{
	struct host_facts facts = { .facts = { .addr4 = *own4, .addr6 = *own6,
					       .device_ifindex = device_ifindex } };
	int code;

	if (config->node_name[0])
		snprintf(facts.node_name, sizeof(facts.node_name), "%s", config->node_name);
	else if (gethostname(facts.node_name, sizeof(facts.node_name) - 1))
		return err_set(err, -errno, "the host has no readable name: set node.name");
	facts.facts.underlay_mtu = underlay_mtu(config, tables);
	facts.facts.now_s = time(NULL);
	code = read_paths(nl, mesh, tables, &facts, err);
	if (code)
		goto out;
	code = tables_foreign(nl, &facts.foreign, &facts.facts.n_foreign, err);
	if (code)
		goto out;
	facts.facts.foreign = facts.foreign;
	if (actual && read_numbers(actual, &facts)) {
		code = err_set(err, -ENOMEM, "out of memory");
		goto out;
	}
	*ret_facts = facts;
	/* It was pointing into the local one. */
	ret_facts->facts.node_name = ret_facts->node_name;
	return 0;

out:
	facts_done(&facts);
	return code;
}

void facts_done(struct host_facts *facts)
{
	free(facts->paths);
	free(facts->foreign);
	free(facts->numbers);
	*facts = (struct host_facts){ 0 };
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The facts that model/wanted.h asks for, gathered from the kernel and from the actual tables.
 * Changes nothing.
 */
#ifndef XMESH_AGENT_FACTS_H
#define XMESH_AGENT_FACTS_H

#include "agent/notes.h"
#include "core/err.h"
#include "model/config.h"
#include "model/mesh.h"
#include "model/pods.h"
#include "model/wanted.h"
#include "net/nl.h"

struct host_facts {
	struct facts facts;          /* points into the rest */
	char node_name[XM_NAME_LEN];
	struct fact_path *paths;
	struct xm_prefix *foreign;
	struct fact_number *numbers;
};

/*
 * Our tunnel endpoints: as configured, else the first global address of each family on the first
 * underlay interface that has one. Interfaces that are not there become notes. -EADDRNOTAVAIL when
 * there is none at all, saying what to set.
 */
int facts_addrs(struct nl *nl, const struct config *config, struct xm_addr *ret_addr4,
		struct xm_addr *ret_addr6, struct notes *notes, struct err *err);

/*
 * Everything else. @actual (may be NULL) gives node numbers and prefix length slots and is
 * borrowed; @own4 and @own6 come from facts_addrs().
 */
int facts_read(struct nl *nl, const struct config *config, const struct mesh *mesh,
	       const struct wanted *actual, const struct net_tables *tables,
	       const struct xm_addr *own4, const struct xm_addr *own6, uint32_t device_ifindex,
	       struct host_facts *ret_facts, struct err *err);
void facts_done(struct host_facts *facts);

#endif

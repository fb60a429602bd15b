/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a feed yields: the Kubernetes objects of one cluster at one moment, decoded. Pure data.
 * Nodes are kept; other kinds are counted here until the services issue gives them a use.
 */
#ifndef XMESH_MODEL_SNAPSHOT_H
#define XMESH_MODEL_SNAPSHOT_H

#include <stddef.h>
#include <stdint.h>

#include "xmesh/maps.h"

#define SNAPSHOT_MAX_CIDRS 64 /* per node */
#define SNAPSHOT_MAX_NODES XM_MAX_NODES

struct node_object {
	char name[XM_NAME_LEN];
	struct xm_prefix *cidrs;  /* pod prefixes */
	size_t n_cidrs;
	struct xm_addr addr4, addr6; /* InternalIP of each family, else ExternalIP; zero = none */
	int has_vtep_mac;
	__u8 vtep_mac[6];         /* annotation xmesh.io/vtep-mac */
	char zone[64], region[64];
	char source[XM_NAME_LEN]; /* "west.yaml:12" or "west.json items[3]", for sentences */
};

struct snapshot_counts {
	size_t files, documents, items;
	size_t nodes, services, global_services, slices4, slices6, service_exports, service_imports;
	size_t endpoints_ready, endpoints_not_ready, endpoints_terminating;
	size_t endpoints4[3], endpoints6[3]; /* ready, not ready, terminating; by slice family */
	size_t empty_slices;                 /* endpoints: null */
	size_t skipped;                      /* objects of kinds that are not used */
};

struct snapshot {
	struct node_object *nodes;
	size_t n_nodes;
	struct snapshot_counts counts;
	char revision[72];        /* a git commit, else "sha:" + 16 hex of the content */
	char **warnings;          /* sentences; what was skipped and why */
	size_t n_warnings;
};

void snapshot_free(struct snapshot *snapshot);

#endif

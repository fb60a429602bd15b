/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a feed yields: the Kubernetes objects of one cluster at one moment, decoded. Pure data.
 */
#ifndef XMESH_MODEL_SNAPSHOT_H
#define XMESH_MODEL_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "xmesh/maps.h"
#include "xmesh/service.h"

#define SNAPSHOT_MAX_CIDRS 512 /* per node: one for each pod, where the kubelet's most are 250 of two families */
#define SNAPSHOT_MAX_NODES XM_MAX_NODES

/*
 * Arrays of one object in one piece of memory, shared by snapshots and the store that they came from;
 * never written. An object that has none (NULL) owns each of its arrays and their texts.
 */
struct snapshot_block {
	uint32_t refs;
};

struct node_object {
	char name[XM_NAME_LEN];
	struct xm_prefix *cidrs;  /* pod prefixes */
	size_t n_cidrs;
	struct xm_addr addr4, addr6; /* InternalIP of each family, else ExternalIP; zero = none */
	int has_vtep_mac;
	__u8 vtep_mac[6];         /* annotation xmesh.io/vtep-mac */
	/*
	 * Cilium's: the VNI is an identity with so many bits below its cluster, 16 or 15; 0 = the VNI is
	 * tunnel.id. Annotation xmesh.io/identity-bits.
	 */
	uint8_t identity_bits;
	char zone[64], region[64];
	char source[XM_NAME_LEN]; /* "west.yaml:12" or "west.json items[3]", for sentences */
	struct snapshot_block *block;
};

#define SNAPSHOT_MAX_PORTS 256      /* of a service, of a slice */
#define SNAPSHOT_MAX_VIPS 64        /* of a service */
#define SNAPSHOT_MAX_ENDPOINTS 4096 /* of a slice; Kubernetes allows 1000 */
#define SNAPSHOT_MAX_TIERS 64       /* names in xmesh.io/prefer, in xmesh.io/weights */

struct port_object {
	uint32_t name;            /* xm_port_name_hash(); "" when it has none */
	uint16_t port;            /* host order; in slices 0 = null, all ports */
	uint8_t proto;            /* IPPROTO_TCP, _UDP, _SCTP */
	char *text;               /* the name itself; NULL = it has none, or only its hash is known */
};

struct vip_object {
	struct xm_addr addr;
	uint8_t kind;             /* enum xm_vip_kind */
};

struct weight_object { char cluster[64]; uint32_t weight; }; /* 0..1000000 */

/* Conditions as they count: nil ready = true, nil serving = true, nil terminating = false. */
struct endpoint_object {
	struct xm_addr addr;      /* addresses[0] */
	bool ready, serving, terminating;
	char *node;               /* nodeName, NULL = not told */
};

struct slice_object {
	char space[64], service[64]; /* by the label kubernetes.io/service-name */
	struct port_object *ports;   size_t n_ports;
	struct endpoint_object *endpoints; size_t n_endpoints;
	char *name;               /* of the EndpointSlice itself, NULL = not told */
	struct snapshot_block *block;
};

/*
 * A Service, with what its ServiceExport and ServiceImport add. One that has neither Service nor
 * export, but an import, is here too (has_service false).
 */
struct service_object {
	char space[64], name[64];
	bool has_service;
	bool imported;            /* a ServiceImport that is not headless */
	bool publish_not_ready;   /* publishNotReadyAddresses; the slices say so already */
	bool global;              /* xmesh.io/global, service.cilium.io/global, or exported */
	bool shared;              /* xmesh.io/shared, service.cilium.io/shared; default true */
	bool headless;            /* clusterIP None: routes only, no VIP */
	bool nearest;             /* xmesh.io/nearest */
	struct vip_object *vips;  size_t n_vips;
	struct port_object *ports; size_t n_ports; /* of the Service, else of the import */
	uint32_t affinity_s;      /* ClientIP affinity, 0 = none */
	char (*prefer)[64];       size_t n_prefer; /* "local", "*", names, as written; 0 = none */
	struct weight_object *weights; size_t n_weights;
	/*
	 * The slices of this service: slices[first_slice .. first_slice + n_slices) of the snapshot, which
	 * sorts them by (space, service).
	 */
	size_t first_slice, n_slices;
	uint64_t digest;          /* of all of the above and of the slices: equal = nothing changed */
	char source[XM_NAME_LEN]; /* "west.yaml:12", or the key in the peer's store */
	struct snapshot_block *block;
};

struct snapshot_counts {
	size_t files, documents, items;
	size_t nodes, services, global_services, slices4, slices6, service_exports, service_imports;
	size_t endpoints_ready, endpoints_not_ready, endpoints_terminating;
	size_t endpoints4[3], endpoints6[3]; /* ready, not ready, terminating; by slice family */
	size_t empty_slices;                 /* endpoints: null */
	size_t skipped;                      /* objects of kinds that are not used */
	size_t bad;                          /* values that cannot be decoded; named in warnings */
};

struct snapshot {
	struct node_object *nodes;
	size_t n_nodes;
	struct service_object *services; /* sorted by (space, name) */
	size_t n_services;
	struct slice_object *slices;     /* sorted by (space, service); orphans too */
	size_t n_slices;
	struct snapshot_counts counts;
	char revision[72];        /* a git commit, else "sha:" + 16 hex of the content */
	char **warnings;          /* sentences; what was skipped and why */
	size_t n_warnings;
	uint64_t seen_ns;         /* CLOCK_MONOTONIC of the oldest change in it; 0 = a first list, unknown */
	uint64_t services_digest; /* of all services and slices */
	uint64_t nodes_digest;    /* of what services need of nodes: names, addresses, prefixes */
	unsigned int more_owners; /* by snapshot_hold() */
};

void snapshot_free(struct snapshot *snapshot);
/*
 * One owner more, who frees it too; nobody changes it any more. Only on one thread, as is the freeing
 * of what was held. Returns @snapshot.
 */
struct snapshot *snapshot_hold(struct snapshot *snapshot);
/*
 * The last step of filling one: sort services and slices, join them, apply publishNotReadyAddresses,
 * and compute all digests. They depend on content alone, not on order or on source positions.
 */
void snapshot_finish(struct snapshot *snapshot);

/* The parts of snapshot_finish(), for who keeps digests of what did not change. */
uint64_t snapshot_slice_digest(const struct slice_object *slice);
/* @slices_sum: of the digests of its s->n_slices slices. */
uint64_t snapshot_service_digest(const struct service_object *service, uint64_t slices_sum);
uint64_t snapshot_node_digest(const struct node_object *node);
/* What a service and a node add to services_digest and nodes_digest, which begin as their number. */
uint64_t snapshot_mix(uint64_t service_digest);
void snapshot_publish_not_ready(struct endpoint_object *endpoints, size_t n);

struct snapshot_block *snapshot_block_get(struct snapshot_block *block); /* @block */
void snapshot_block_put(struct snapshot_block *block);                   /* NULL is fine */
/* What a single one owns, not the object itself; then zeroed. */
void node_object_done(struct node_object *node);
void slice_object_done(struct slice_object *slice);
void service_object_done(struct service_object *service);

#endif

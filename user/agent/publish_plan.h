/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is to be published of a snapshot, what an etcd has of it, and the writes that lead from the
 * one to the other, in order. Pure. Not for: talking to an etcd (agent/publisher.h).
 */
#ifndef XMESH_AGENT_PUBLISH_PLAN_H
#define XMESH_AGENT_PUBLISH_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/snapshot.h"

/*
 * One transaction: etcd takes 128 operations and 1.5 MiB in all unless told otherwise. A value alone
 * may have a little less than that.
 */
#define PUBLISH_MAX_OPS 128
#define PUBLISH_MAX_BYTES (1024u * 1024)
#define PUBLISH_MAX_VALUE (1400u * 1024)

/* The objects of one snapshot. Shared by counting: publish_wanted_free() gives up one share. */
struct publish_item {
	char *key;          /* "endpointslices/shop/web-1": kind, namespace (not of nodes), name */
	char *value;
	size_t len;
	uint64_t hash;      /* of the value */
};

struct publish_wanted {
	unsigned int shares;
	struct publish_item *items;
	size_t n;
	char **too_large;   /* sentences about objects that no etcd would take */
	size_t n_too_large;
};

/* Nodes, and what is global and shared, of @snapshot. -ENOMEM. */
int publish_wanted_new(const struct snapshot *snapshot, struct publish_wanted **ret_wanted);
struct publish_wanted *publish_wanted_share(struct publish_wanted *wanted);
void publish_wanted_free(struct publish_wanted *wanted); /* NULL is fine */

/* What the etcd has, by key. */
struct publish_present;

int publish_present_new(struct publish_present **ret_present);
void publish_present_free(struct publish_present *present);
/* Nothing is known any more of any value: all will be written again. */
void publish_present_doubt(struct publish_present *present);
/*
 * A list of all keys: begin, one found() each, end. A key that we wrote and that hangs on our lease
 * (@ours) keeps what is known of its value. Keys that are none of ours (another kind of object) are not
 * kept, and so never deleted. -ENOMEM.
 */
void publish_list_begin(struct publish_present *present);
int publish_list_found(struct publish_present *present, const char *key, size_t len, bool ours);
void publish_list_end(struct publish_present *present);

struct publish_op {
	const struct publish_item *item; /* to put; NULL = delete */
	const char *key;
};

struct publish_plan {
	struct publish_op *ops;
	size_t n, puts;
};

/*
 * Puts first: what is pointed to (nodes, slices) before what points (services, exports, imports); then
 * deletes the other way round. Borrows from both until the plan is done or @present changes other than
 * by publish_done(). -ENOMEM.
 */
int publish_plan(const struct publish_wanted *wanted, const struct publish_present *present,
		 struct publish_plan *ret_plan);
void publish_plan_done(struct publish_plan *plan);
/* How many operations from @from on make up the next transaction; 0: there are no more. */
size_t publish_batch(const struct publish_plan *plan, size_t from);
/* Those were carried out. -ENOMEM: publish_present_doubt() is the way out. */
int publish_done(struct publish_present *present, const struct publish_op *ops, size_t n);

#endif

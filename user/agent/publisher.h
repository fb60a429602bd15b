/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Keeps an etcd prefix as it is wanted, on the loop, by small writes under a lease of our own.
 *
 *   PREFIX/KIND/NAMESPACE/NAME   one object as JSON
 *   PREFIX/.publisher            who publishes: host, process
 *   PREFIX/.complete             since when everything is there (RFC 3339); absent = do not believe it
 *
 * All under the lease, so that what a publisher leaves behind when it dies goes at once and as a whole,
 * .complete with it, and readers keep what they had. Several at once do no harm: who starts puts
 * .publisher and takes .complete away in one transaction, writes everything under its own lease, checks by
 * a list that nothing hangs on another lease, and puts .complete last. A publisher that finds another's
 * name writes no more, and takes over again when that name is gone.
 *
 * Not for: where the objects come from (agent/publish.h), what to write (agent/publish_plan.h).
 */
#ifndef XMESH_AGENT_PUBLISHER_H
#define XMESH_AGENT_PUBLISHER_H

#include <uv.h>

#include "agent/publish_plan.h"
#include "core/err.h"
#include "model/config.h"

struct publisher;

struct publisher_callbacks {
	/* Everything wanted is there. Once after each change that was written. */
	void (*complete)(void *user);
	/* An attempt failed; the next comes by itself. */
	void (*failed)(void *user, const struct err *err);
	/* The end of publisher_stop(). */
	void (*stopped)(void *user);
	void *user;
};

/*
 * @config is borrowed. Nothing is written before publisher_want(). Files and servers that are not there
 * are failures by callback. -ENOMEM.
 */
int publisher_new(uv_loop_t *loop, const struct config_etcd *config, uint32_t ttl_s,
		  const struct publisher_callbacks *callbacks, struct publisher **ret_publisher);
/* From now on this is to be there; takes a share of its own. */
void publisher_want(struct publisher *publisher, struct publish_wanted *wanted);
/* Certificates and passwords are read again, and a pause is cut short. */
void publisher_renew(struct publisher *publisher);
/*
 * End; with @revoke, what hangs on our lease is taken away first, within 5 s or not. stopped() comes on
 * the loop, then the memory goes.
 */
void publisher_stop(struct publisher *publisher, bool revoke);

#endif

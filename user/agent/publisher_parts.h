/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What publisher.c and publisher_list.c share. Not for: anyone else. */
#ifndef XMESH_AGENT_PUBLISHER_PARTS_H
#define XMESH_AGENT_PUBLISHER_PARTS_H

#include "agent/publisher.h"
#include "feed/backoff.h"
#include "feed/etcd_rpc.h"

#define PUBLISHER_KEY_MAX 1024

struct publisher {
	uv_loop_t *loop;
	const struct config_etcd *config;
	uint32_t ttl_s;
	struct publisher_callbacks callbacks;
	struct etcd *etcd;
	struct etcd_call *call;        /* the one that is on its way */
	uv_timer_t work, deadline, tick;
	unsigned int closing;          /* handles that are still open while it ends */
	bool waiting;                  /* after a failure, until work comes */
	struct backoff backoff;
	char who[300];

	struct publish_wanted *wanted; /* what is written, whole, before what is fresh */
	struct publish_wanted *fresh;
	struct publish_present *present;
	struct publish_plan plan;
	bool planned;
	size_t at, batch;              /* of the plan: done, on its way */

	int64_t lease;                 /* 0 = none */
	uint64_t kept_ms;              /* when it was granted or kept */
	uint64_t cluster_id;           /* of the store, and how far it was seen */
	int64_t revision;
	bool claimed;                  /* .publisher is ours, as far as we know */
	bool listed;                   /* present is what lies there */
	bool touched;                  /* something was written since that list */
	bool complete;                 /* .complete is ours */
	bool told;                     /* complete() was called for what is wanted */
	bool standby;
	bool keep_due, look_due, renew;
	bool stopping;
	size_t revokes;                /* attempts left */

	/* What a list or look has found so far. */
	char last[PUBLISHER_KEY_MAX + 1];        /* the key after which the next page begins, with its NUL */
	size_t last_len;
	bool more;                     /* another page is to come */
	const char *bad;               /* why it is of no use */
	int64_t list_revision, publisher_lease, complete_lease; /* 0 = no such key */
};

/* publisher.c */
/* How a call was begun; failures to do so are told. */
void publisher_begun(struct publisher *publisher, int code);
/*
 * Each answer comes by here. True: go on with what it says. A store that is another one, or was restored
 * from a copy, has not what we wrote.
 */
bool publisher_answered(struct publisher *publisher, int code, const struct etcd_header *header,
			const struct err *err);
/* Tell of it and try again after a pause. */
void publisher_fail(struct publisher *publisher, int code, const struct err *cause);
/* Nothing that was believed of the etcd is believed any more: all is claimed and written again. */
void publisher_doubt(struct publisher *publisher);
/* Another one publishes. */
void publisher_stand_by(struct publisher *publisher);
void publisher_drop_plan(struct publisher *publisher);

/* publisher_list.c */
/* PREFIX/REST; PUBLISHER_KEY_MAX or more bytes: cut. */
struct etcd_bytes publisher_key(const struct publisher *publisher, const char *rest,
				char buf[PUBLISHER_KEY_MAX]);
/* Begin to read all keys, into publisher->present. */
void publisher_list(struct publisher *publisher);
/* Begin to read who publishes. */
void publisher_look(struct publisher *publisher);

#endif

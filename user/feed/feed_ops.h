/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a transport is to feed/feed.c. Its own struct begins with struct feed. */
#ifndef XMESH_FEED_FEED_OPS_H
#define XMESH_FEED_FEED_OPS_H

#include "feed/feed.h"

struct feed_ops {
	void (*poke)(struct feed *feed);
	void (*close)(struct feed *feed);
};

struct feed {
	const struct feed_ops *ops;
};

/* What every transport over a network is told. All borrowed for the call only. */
struct feed_setup {
	uv_loop_t *loop;
	const struct config_source *source;
	const char *cluster;
	uint16_t id;
	struct feed_callbacks callbacks;
};

int feed_etcd_new(const struct feed_setup *setup, struct feed **ret_feed, struct err *err);
int feed_kubernetes_new(const struct feed_setup *setup, struct feed **ret_feed, struct err *err);
int feed_cilium_new(const struct feed_setup *setup, struct feed **ret_feed, struct err *err);

#endif

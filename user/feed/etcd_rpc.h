/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * etcd's v3 API as gRPC over HTTP/2 (feed/http.h, protobuf-c over feed/etcd.proto): one call each.
 * Several endpoints, of which one is in use; on a failure the next call goes to the next. User and
 * password, or the certificate's CN. Not for: what to do about an error (etcd_mirror.h, publish).
 */
#ifndef XMESH_FEED_ETCD_RPC_H
#define XMESH_FEED_ETCD_RPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "core/err.h"
#include "model/config.h"

struct etcd;
struct etcd_call;

/* Files of @config are read here, at each etcd_new(); sentences name them. -EINVAL, -ENOENT, -EACCES. */
int etcd_new(uv_loop_t *loop, const struct config_etcd *config, struct etcd **ret_etcd,
	     struct err *err);
void etcd_close(struct etcd *etcd); /* aborts all calls without callbacks */
const char *etcd_endpoint(const struct etcd *etcd); /* the one in use */
/*
 * Leave the endpoint in use for the next one, with a connection of its own. Running calls are aborted without
 * callbacks, as by etcd_cancel().
 */
void etcd_next_endpoint(struct etcd *etcd);

struct etcd_bytes { const void *data; size_t len; };

struct etcd_header { uint64_t cluster_id; int64_t revision; };

struct etcd_kv {
	struct etcd_bytes key, value;
	int64_t mod_revision, lease;
	bool deleted; /* in watch events */
};

/*
 * How a call ended. @code 0, or -errno: what feed/http.h says, or by grpc-status: -EACCES (7), -EAUTH-like
 * states are -EKEYREJECTED (16, after one try to authenticate anew), -ESTALE: the revision is compacted
 * (11), -EAGAIN: unavailable, no leader (14), -ENOENT: no such lease (5), -EPROTO: others, with etcd's words.
 */
typedef void (*etcd_done_fn)(void *user, int code, const struct etcd_header *header,
			     const struct err *err);

struct etcd_range {
	struct etcd_bytes key, end;   /* [key, end) */
	int64_t limit, revision;      /* 0 = none, newest */
	bool keys_only, count_only;
	/* Each pair, decoded as its bytes come in; valid during the call. False: pause until etcd_resume(). */
	bool (*kv)(void *user, const struct etcd_kv *kv);
	/* Before done(): how many there are in all, and whether more than these. May be NULL. */
	void (*end_of_page)(void *user, const struct etcd_header *header, bool more, int64_t count);
	etcd_done_fn done;
	void *user;
};
int etcd_range(struct etcd *etcd, const struct etcd_range *range, struct etcd_call **ret_call);

/* One stream for many watches. */
struct etcd_watch_setup {
	/* A watch stands. @id as given to etcd_watch_add(). */
	void (*created)(void *user, int64_t id, const struct etcd_header *header);
	/*
	 * Events of one revision or of several, in order, fragments one after the other; @last: the whole of
	 * the response has come, header->revision is reached. n 0 = progress. id -1 = of all watches.
	 */
	void (*events)(void *user, int64_t id, const struct etcd_header *header,
		       const struct etcd_kv *events, size_t n, bool last);
	/* The server ended one watch. @compacted: != 0 = start again with a list. */
	void (*canceled)(void *user, int64_t id, int64_t compacted, const char *reason);
	etcd_done_fn done; /* the stream is over: never 0 */
	void *user;
};
/* Sends "hasleader: true": a member without a leader ends the stream. */
int etcd_watch_open(struct etcd *etcd, const struct etcd_watch_setup *setup,
		    struct etcd_call **ret_call);
/* @from: first revision. With progress_notify and fragment. */
int etcd_watch_add(struct etcd_call *call, int64_t id, struct etcd_bytes key, struct etcd_bytes end,
		   int64_t from);
int etcd_watch_progress(struct etcd_call *call); /* ask for events() with id -1 */

void etcd_resume(struct etcd_call *call);
void etcd_cancel(struct etcd_call *call); /* without a callback */

/* Unary calls for publishing. */
struct etcd_op { struct etcd_bytes key, value; bool erase; };
#define ETCD_MAX_OPS 128 /* etcd's --max-txn-ops unless set */
/* All or none of @ops (<= ETCD_MAX_OPS), puts under @lease (0 = none). */
int etcd_txn(struct etcd *etcd, const struct etcd_op *ops, size_t n, int64_t lease,
	     etcd_done_fn done, void *user, struct etcd_call **ret_call);
typedef void (*etcd_lease_fn)(void *user, int code, int64_t id, int64_t ttl_s, const struct err *err);
int etcd_lease_grant(struct etcd *etcd, int64_t ttl_s, etcd_lease_fn done, void *user,
		     struct etcd_call **ret_call);
/* One keepalive; ttl_s 0 in the answer = the lease is gone. */
int etcd_lease_keep(struct etcd *etcd, int64_t id, etcd_lease_fn done, void *user,
		    struct etcd_call **ret_call);
int etcd_lease_revoke(struct etcd *etcd, int64_t id, etcd_lease_fn done, void *user,
		      struct etcd_call **ret_call);

#endif

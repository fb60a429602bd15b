/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Each call of etcd's that is used: what is asked, and what its answer means. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/defs.h"
#include "feed/etcd.pb-c.h"
#include "feed/etcd_parts.h"

static ProtobufCBinaryData bytes_of(struct etcd_bytes bytes)
{
	return (ProtobufCBinaryData){ bytes.len, (uint8_t *)bytes.data };
}

static int read_pb_header(struct etcd_call *call, const Etcdpb__ResponseHeader *header)
{
	if (header)
		call->header = (struct etcd_header){ header->cluster_id, header->revision };
	return 0;
}

/* ---- range ---------------------------------------------------------------------------------- */

static ssize_t range_part(struct etcd_call *call, const uint8_t *data, size_t len)
{
	const uint8_t *at = data;
	struct etcd_field f;
	struct etcd_kv kv;
	int n;

	while (!call->paused && !call->dead) {
		n = etcd_stream_next(&call->stream, &at, &len, &f);
		if (n < 0)
			return n;
		if (!n)
			break;
		if (f.id == 1 && f.bytes) {
			if (etcd_read_header(f.data, &call->header))
				return -EPROTO;
		} else if (f.id == 2 && f.bytes) {
			if (etcd_read_kv(f.data, &kv))
				return -EPROTO;
			call->told = true;
			if (call->range.kv && !call->range.kv(call->range.user, &kv))
				call->paused = true;
		} else if (f.id == 3 && !f.bytes) {
			call->more = f.number;
		} else if (f.id == 4 && !f.bytes) {
			call->count = (int64_t)f.number;
		}
	}
	return at - data;
}

static int range_message(struct etcd_call *call)
{
	int code = etcd_stream_end(&call->stream);

	if (!code && call->range.end_of_page)
		call->range.end_of_page(call->range.user, &call->header, call->more, call->count);
	return code;
}

static void range_over(struct etcd_call *call, int code, const struct err *err)
{
	call->range.done(call->range.user, code, &call->header, err);
}

static const struct etcd_call_ops range_ops = {
	.path = "/etcdserverpb.KV/Range",
	.part = range_part,
	.message = range_message,
	.over = range_over,
};

int etcd_range(struct etcd *etcd, const struct etcd_range *range, struct etcd_call **ret_call)
{
	Etcdpb__RangeRequest m = ETCDPB__RANGE_REQUEST__INIT;
	struct etcd_call *call;
	int code;

	m.key = bytes_of(range->key);
	m.range_end = bytes_of(range->end);
	m.limit = range->limit;
	m.revision = range->revision;
	m.keys_only = range->keys_only;
	m.count_only = range->count_only;
	code = etcd_call_new(etcd, &range_ops, &m.base, &call);
	if (code)
		return code;
	call->range = *range;
	code = etcd_call_begin(call);
	if (!code)
		*ret_call = call;
	return code;
}

/* ---- watches -------------------------------------------------------------------------------- */

/* etcd chooses an id itself if it is told 0; -1 is all of them. */
static int64_t wire_id(int64_t id)
{
	return id + 1;
}

static int64_t own_id(int64_t id)
{
	return id - 1;
}

/* Watches are answered in their order; one that is refused has lost its id. */
static int64_t take_add(struct etcd_call *call)
{
	int64_t id;

	if (!call->n_adds)
		return -1;
	id = call->adds[0];
	call->n_adds--;
	memmove(call->adds, call->adds + 1, call->n_adds * sizeof(*call->adds));
	return id;
}

static void tell_canceled(struct etcd_call *call, int64_t id, const struct etcd_watch_answer *a)
{
	char reason[256];

	snprintf(reason, sizeof(reason), "%.*s", (int)MIN(a->reason.len, sizeof(reason) - 1),
		 a->reason.len ? (const char *)a->reason.data : "");
	if (!*reason)
		snprintf(reason, sizeof(reason), "%s", a->compact_revision ?
			 "its revisions are compacted" : "etcd gives no reason");
	for (char *c = reason; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = ' ';
	call->watch.canceled(call->watch.user, id, a->compact_revision, reason);
}

static int watch_message(struct etcd_call *call)
{
	struct etcd_watch_answer a;
	auto_free struct etcd_kv *events = NULL;
	int64_t id = -1;
	int code;

	code = etcd_read_watch((struct etcd_bytes){ call->in, call->in_len }, &a);
	if (code)
		return code;
	events = a.events;
	call->told = true;
	if (a.header.cluster_id)
		call->header.cluster_id = a.header.cluster_id;
	call->header.revision = MAX(call->header.revision, a.header.revision);
	if (a.created)
		id = take_add(call);
	else if (a.watch_id > 0)
		id = own_id(a.watch_id);
	if (a.created && !a.canceled)
		call->watch.created(call->watch.user, id, &a.header);
	else if (a.canceled)
		tell_canceled(call, id, &a);
	if (call->dead || a.created || a.canceled)
		return 0;
	call->watch.events(call->watch.user, id, &a.header, a.events, a.n_events, !a.fragment);
	return 0;
}

static void watch_over(struct etcd_call *call, int code, const struct err *err)
{
	call->watch.done(call->watch.user, code, &call->header, err);
}

static const struct etcd_call_ops watch_ops = {
	.path = "/etcdserverpb.Watch/Watch",
	.stream = true,
	.part = etcd_call_hold,
	.message = watch_message,
	.over = watch_over,
};

int etcd_watch_open(struct etcd *etcd, const struct etcd_watch_setup *setup,
		    struct etcd_call **ret_call)
{
	struct etcd_call *call;
	int code = etcd_call_new(etcd, &watch_ops, NULL, &call);

	if (code)
		return code;
	call->watch = *setup;
	code = etcd_call_begin(call);
	if (!code)
		*ret_call = call;
	return code;
}

int etcd_watch_add(struct etcd_call *call, int64_t id, struct etcd_bytes key, struct etcd_bytes end,
		   int64_t from)
{
	Etcdpb__WatchCreateRequest create = ETCDPB__WATCH_CREATE_REQUEST__INIT;
	Etcdpb__WatchRequest m = ETCDPB__WATCH_REQUEST__INIT;
	int64_t *adds = realloc(call->adds, (call->n_adds + 1) * sizeof(*adds));
	int code;

	if (!adds)
		return -ENOMEM;
	call->adds = adds;
	create.key = bytes_of(key);
	create.range_end = bytes_of(end);
	create.start_revision = from;
	create.progress_notify = true;
	create.fragment = true;
	create.watch_id = wire_id(id);
	m.request_case = ETCDPB__WATCH_REQUEST__REQUEST_CREATE_REQUEST;
	m.create_request = &create;
	code = etcd_call_send(call, &m.base);
	if (!code)
		call->adds[call->n_adds++] = id;
	return code;
}

int etcd_watch_progress(struct etcd_call *call)
{
	Etcdpb__WatchProgressRequest progress = ETCDPB__WATCH_PROGRESS_REQUEST__INIT;
	Etcdpb__WatchRequest m = ETCDPB__WATCH_REQUEST__INIT;

	m.request_case = ETCDPB__WATCH_REQUEST__REQUEST_PROGRESS_REQUEST;
	m.progress_request = &progress;
	return etcd_call_send(call, &m.base);
}

/* ---- transactions --------------------------------------------------------------------------- */

static int txn_message(struct etcd_call *call)
{
	Etcdpb__TxnResponse *r = etcdpb__txn_response__unpack(NULL, call->in_len, call->in);
	int code = r ? read_pb_header(call, r->header) : -EPROTO;

	etcdpb__txn_response__free_unpacked(r, NULL);
	return code;
}

static void header_over(struct etcd_call *call, int code, const struct err *err)
{
	call->done(call->user, code, &call->header, err);
}

static const struct etcd_call_ops txn_ops = {
	.path = "/etcdserverpb.KV/Txn",
	.part = etcd_call_hold,
	.message = txn_message,
	.over = header_over,
};

int etcd_txn(struct etcd *etcd, const struct etcd_op *ops, size_t n, int64_t lease,
	     etcd_done_fn done, void *user, struct etcd_call **ret_call)
{
	Etcdpb__TxnRequest m = ETCDPB__TXN_REQUEST__INIT;
	Etcdpb__RequestOp op[ETCD_MAX_OPS], *ptr[ETCD_MAX_OPS];
	Etcdpb__PutRequest put[ETCD_MAX_OPS];
	Etcdpb__DeleteRangeRequest erase[ETCD_MAX_OPS];
	struct etcd_call *call;
	int code;

	if (n > ETCD_MAX_OPS)
		return -E2BIG;
	for (size_t i = 0; i < n; i++) {
		etcdpb__request_op__init(&op[i]);
		ptr[i] = &op[i];
		if (ops[i].erase) {
			etcdpb__delete_range_request__init(&erase[i]);
			erase[i].key = bytes_of(ops[i].key);
			op[i].request_case = ETCDPB__REQUEST_OP__REQUEST_REQUEST_DELETE_RANGE;
			op[i].request_delete_range = &erase[i];
		} else {
			etcdpb__put_request__init(&put[i]);
			put[i].key = bytes_of(ops[i].key);
			put[i].value = bytes_of(ops[i].value);
			put[i].lease = lease;
			op[i].request_case = ETCDPB__REQUEST_OP__REQUEST_REQUEST_PUT;
			op[i].request_put = &put[i];
		}
	}
	m.n_success = n;
	m.success = ptr;
	code = etcd_call_new(etcd, &txn_ops, &m.base, &call);
	if (code)
		return code;
	call->done = done;
	call->user = user;
	code = etcd_call_begin(call);
	if (!code)
		*ret_call = call;
	return code;
}

/* ---- leases --------------------------------------------------------------------------------- */

static int grant_message(struct etcd_call *call)
{
	Etcdpb__LeaseGrantResponse *r = etcdpb__lease_grant_response__unpack(NULL, call->in_len, call->in);

	if (!r)
		return -EPROTO;
	call->lease = r->id;
	call->ttl_s = r->ttl;
	etcdpb__lease_grant_response__free_unpacked(r, NULL);
	return call->lease ? 0 : -EPROTO;
}

/* A stream that is not kept open: one question, one answer. */
static int keep_message(struct etcd_call *call)
{
	Etcdpb__LeaseKeepAliveResponse *r =
		etcdpb__lease_keep_alive_response__unpack(NULL, call->in_len, call->in);

	if (!r)
		return -EPROTO;
	call->ttl_s = r->ttl;
	etcdpb__lease_keep_alive_response__free_unpacked(r, NULL);
	return 0;
}

static int revoke_message(struct etcd_call *call)
{
	return 0;
}

static void lease_over(struct etcd_call *call, int code, const struct err *err)
{
	call->lease_done(call->user, code, call->lease, call->ttl_s, err);
}

static const struct etcd_call_ops grant_ops = {
	.path = "/etcdserverpb.Lease/LeaseGrant",
	.part = etcd_call_hold,
	.message = grant_message,
	.over = lease_over,
};

static const struct etcd_call_ops keep_ops = {
	.path = "/etcdserverpb.Lease/LeaseKeepAlive",
	.part = etcd_call_hold,
	.message = keep_message,
	.over = lease_over,
};

static const struct etcd_call_ops revoke_ops = {
	.path = "/etcdserverpb.Lease/LeaseRevoke",
	.part = etcd_call_hold,
	.message = revoke_message,
	.over = lease_over,
};

static int ask_lease(struct etcd *etcd, const struct etcd_call_ops *ops, const ProtobufCMessage *message,
		     int64_t id, etcd_lease_fn done, void *user, struct etcd_call **ret_call)
{
	struct etcd_call *call;
	int code = etcd_call_new(etcd, ops, message, &call);

	if (code)
		return code;
	call->lease = id;
	call->lease_done = done;
	call->user = user;
	code = etcd_call_begin(call);
	if (!code)
		*ret_call = call;
	return code;
}

int etcd_lease_grant(struct etcd *etcd, int64_t ttl_s, etcd_lease_fn done, void *user,
		     struct etcd_call **ret_call)
{
	Etcdpb__LeaseGrantRequest m = ETCDPB__LEASE_GRANT_REQUEST__INIT;

	m.ttl = ttl_s;
	return ask_lease(etcd, &grant_ops, &m.base, 0, done, user, ret_call);
}

int etcd_lease_keep(struct etcd *etcd, int64_t id, etcd_lease_fn done, void *user,
		    struct etcd_call **ret_call)
{
	Etcdpb__LeaseKeepAliveRequest m = ETCDPB__LEASE_KEEP_ALIVE_REQUEST__INIT;

	m.id = id;
	return ask_lease(etcd, &keep_ops, &m.base, id, done, user, ret_call);
}

int etcd_lease_revoke(struct etcd *etcd, int64_t id, etcd_lease_fn done, void *user,
		      struct etcd_call **ret_call)
{
	Etcdpb__LeaseRevokeRequest m = ETCDPB__LEASE_REVOKE_REQUEST__INIT;

	m.id = id;
	return ask_lease(etcd, &revoke_ops, &m.base, id, done, user, ret_call);
}

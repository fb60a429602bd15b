/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A small etcd of the test's own behind the calls of feed/etcd_rpc.h: one store for all publishers, faults on
 * demand, and what must always hold checked at each transaction. Not for: the protocol (feed/etcd_wire.c).
 */
#ifndef TESTS_UNIT_AGENT_SMALL_ETCD_H
#define TESTS_UNIT_AGENT_SMALL_ETCD_H

#include "unit/core/rows.h"

#include <errno.h>
#include <stdio.h>

#include "core/defs.h"
#include "feed/etcd_rpc.h"

#define STORE_MAX 512

static struct kv { char key[64], value[64]; int64_t lease; } store[STORE_MAX];
static size_t n_store;
static int64_t revision, next_lease, leases[64]; /* by id: granted */
static uint64_t cluster_id;
static size_t n_txns, n_ops, n_keeps;
static int fail_txns;     /* this many fail with -EAGAIN, before they have any effect */
static int mute_txns;     /* this many take effect, and their answer is lost */
static const char *const *objects; /* wanted of all publishers */
static char log_text[4096]; /* of transactions: "+KEY -KEY; " */

struct etcd { uv_loop_t *loop; };
enum call_kind { TXN, RANGE, LEASE };
struct etcd_call {
	uv_timer_t timer;
	struct etcd *etcd;
	enum call_kind kind;
	int code;
	int64_t id, ttl_s;
	etcd_done_fn done;
	etcd_lease_fn lease_done;
	struct etcd_range range;
	char key[600], end[600];
	void *user;
};

static struct kv *find(const char *key)
{
	for (size_t i = 0; i < n_store; i++)
		if (!strcmp(store[i].key, key))
			return &store[i];
	return NULL;
}

static void erase(const char *key)
{
	struct kv *kv = find(key);

	if (kv)
		*kv = store[--n_store];
}

static void put(const char *key, const char *value, int64_t lease)
{
	struct kv *kv = find(key);

	if (!kv) {
		assert_true(n_store < STORE_MAX);
		kv = &store[n_store++];
	}
	snprintf(kv->key, sizeof(kv->key), "%s", key);
	snprintf(kv->value, sizeof(kv->value), "%s", value);
	kv->lease = lease;
}

static void end_lease(int64_t id)
{
	leases[id] = 0;
	for (size_t i = n_store; i-- > 0;)
		if (store[i].lease == id)
			store[i] = store[--n_store];
	revision++;
}

static void check_invariant(void)
{
	const struct kv *complete = find("/x/.complete");

	for (size_t i = 0; complete && objects[i]; i++) {
		char key[64] = "/x/";
		const struct kv *kv;

		strcpy(key + 3, objects[i]);
		*strchr(key, '=') = '\0';
		kv = find(key);
		if (!kv || kv->lease != complete->lease)
			fail_msg("%s is %s, but .complete lies there", key, kv ? "under another lease" : "missing");
	}
}

int etcd_new(uv_loop_t *loop, const struct config_etcd *config, struct etcd **ret_etcd, struct err *err)
{
	*ret_etcd = malloc(sizeof(**ret_etcd));
	(*ret_etcd)->loop = loop;
	return 0;
}

void etcd_close(struct etcd *etcd)
{
	free(etcd);
}

const char *etcd_endpoint(const struct etcd *etcd)
{
	return "https://a:1";
}

void etcd_next_endpoint(struct etcd *etcd)
{
}

static void on_call_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void etcd_cancel(struct etcd_call *call)
{
	uv_close((uv_handle_t *)&call->timer, on_call_closed);
}

static bool in_range(const struct kv *kv, const char *key, const char *end)
{
	return strcmp(kv->key, key) >= 0 && strcmp(kv->key, end) < 0;
}

static int kv_cmp(const void *a, const void *b)
{
	return strcmp(((const struct kv *)a)->key, ((const struct kv *)b)->key);
}

/* Pages of three keys, whatever is asked for. */
static void answer_range(struct etcd_call *c, const struct etcd_header *header)
{
	size_t n = 0;
	bool more = false;

	qsort(store, n_store, sizeof(*store), kv_cmp);
	for (size_t i = 0; i < n_store && !more; i++) {
		struct etcd_kv kv = { .key = { store[i].key, strlen(store[i].key) }, .lease = store[i].lease };

		if (!in_range(&store[i], c->key, c->end))
			continue;
		more = c->range.limit && n == 3;
		if (!more)
			c->range.kv(c->user, &kv);
		n++;
	}
	if (c->range.end_of_page)
		c->range.end_of_page(c->user, header, more, (int64_t)n);
}

static void on_answer(uv_timer_t *timer)
{
	struct etcd_call *c = timer->data;
	struct etcd_header header = { cluster_id, revision };
	struct err err;

	err_set(&err, c->code, "error %d", c->code);
	etcd_cancel(c);
	if (c->kind == RANGE)
		answer_range(c, &header);
	if (c->kind == LEASE)
		c->lease_done(c->user, c->code, c->id, c->ttl_s, &err);
	else
		c->done(c->user, c->code, c->code ? NULL : &header, &err);
}

static struct etcd_call *new_call(struct etcd *etcd, enum call_kind kind, void *user,
				  struct etcd_call **ret_call)
{
	struct etcd_call *c = calloc(1, sizeof(*c));

	c->etcd = etcd;
	c->kind = kind;
	c->user = user;
	uv_timer_init(etcd->loop, &c->timer);
	c->timer.data = c;
	uv_timer_start(&c->timer, on_answer, 1, 0);
	*ret_call = c;
	return c;
}

int etcd_range(struct etcd *etcd, const struct etcd_range *range, struct etcd_call **ret_call)
{
	struct etcd_call *c = new_call(etcd, RANGE, range->user, ret_call);

	c->range = *range;
	c->done = range->done;
	/* A key that ends in NUL is the one behind. */
	snprintf(c->key, sizeof(c->key), "%.*s%s", (int)range->key.len, (const char *)range->key.data,
		 ((const char *)range->key.data)[range->key.len - 1] ? "" : "\x01");
	snprintf(c->end, sizeof(c->end), "%.*s", (int)range->end.len, (const char *)range->end.data);
	return 0;
}

static void apply(const struct etcd_op *ops, size_t n, int64_t lease)
{
	for (size_t i = 0; i < n; i++) {
		char key[64], value[64];

		snprintf(key, sizeof(key), "%.*s", (int)ops[i].key.len, (const char *)ops[i].key.data);
		snprintf(value, sizeof(value), "%.*s", (int)ops[i].value.len,
			 ops[i].value.len ? (const char *)ops[i].value.data : "");
		snprintf(log_text + strlen(log_text), sizeof(log_text) - strlen(log_text), "%c%s%s",
			 ops[i].erase ? '-' : '+', key + 3, i + 1 < n ? " " : "; ");
		if (ops[i].erase)
			erase(key);
		else
			put(key, value, lease);
	}
	n_ops += n;
	n_txns++;
	revision++;
	check_invariant();
}

int etcd_txn(struct etcd *etcd, const struct etcd_op *ops, size_t n, int64_t lease, etcd_done_fn done,
	     void *user, struct etcd_call **ret_call)
{
	struct etcd_call *c = new_call(etcd, TXN, user, ret_call);

	assert_true(n > 0 && n <= ETCD_MAX_OPS);
	assert_true(lease > 0);
	c->done = done;
	if (!leases[lease]) {
		c->code = -ENOENT;
	} else if (fail_txns) {
		fail_txns--;
		c->code = -EAGAIN;
	} else {
		apply(ops, n, lease);
		if (mute_txns) {
			mute_txns--;
			c->code = -EAGAIN;
		}
	}
	return 0;
}

static int lease_call(struct etcd *etcd, int code, int64_t id, int64_t ttl_s, etcd_lease_fn done,
		      void *user, struct etcd_call **ret_call)
{
	struct etcd_call *c = new_call(etcd, LEASE, user, ret_call);

	c->code = code;
	c->id = id;
	c->ttl_s = ttl_s;
	c->lease_done = done;
	return 0;
}

int etcd_lease_grant(struct etcd *etcd, int64_t ttl_s, etcd_lease_fn done, void *user,
		     struct etcd_call **ret_call)
{
	leases[++next_lease] = 1;
	return lease_call(etcd, 0, next_lease, ttl_s, done, user, ret_call);
}

int etcd_lease_keep(struct etcd *etcd, int64_t id, etcd_lease_fn done, void *user,
		    struct etcd_call **ret_call)
{
	n_keeps++;
	return lease_call(etcd, 0, id, leases[id] ? 1 : 0, done, user, ret_call);
}

int etcd_lease_revoke(struct etcd *etcd, int64_t id, etcd_lease_fn done, void *user,
		      struct etcd_call **ret_call)
{
	int code = leases[id] ? 0 : -ENOENT;

	end_lease(id);
	return lease_call(etcd, code, id, 0, done, user, ret_call);
}

#endif

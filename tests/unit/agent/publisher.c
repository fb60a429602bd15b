/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Publishers on a small etcd of the test's own, which keeps what must always hold: where .complete lies,
 * everything that is wanted lies too, and all under one lease. A real one: tests/e2e/publish.sh.
 */
#include "unit/core/rows.h"

#include <errno.h>
#include <stdio.h>

#include "agent/publisher.h"
#include "core/defs.h"
#include "feed/encode.h"
#include "feed/etcd_rpc.h"

#define PATIENCE_MS 10000
#define STORE_MAX 512

/* ---- the store ---- */

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

/* ---- publishers ---- */

int encode_snapshot(const struct snapshot *snapshot, enum encode_what what, encode_fn each, void *user)
{
	for (size_t i = 0; objects[i]; i++) {
		char kind[64], *space, *name, *value;
		int rc;

		strcpy(kind, objects[i]);
		value = strchr(kind, '=');
		*value++ = '\0';
		space = strchr(kind, '/');
		*space++ = '\0';
		name = strchr(space, '/');
		if (name)
			*name++ = '\0';
		rc = each(user, kind, name ? space : "", name ?: space, value, strlen(value));
		if (rc)
			return rc;
	}
	return 0;
}

static const char *const shop[] = { "nodes/e1=1", "nodes/e2=1", "services/shop/web=1",
				    "endpointslices/shop/web-a=1", NULL };
static const char *const less[] = { "nodes/e1=1", "services/shop/web=2", "endpointslices/shop/web-a=1", NULL };

static uv_loop_t loop;

struct seen {
	struct publisher *publisher;
	unsigned int completes, failures, stopped;
};

static void on_complete(void *user)
{
	((struct seen *)user)->completes++;
}

static void on_failed(void *user, const struct err *err)
{
	((struct seen *)user)->failures++;
	assert_memory_equal(err->text, "publishing to https://a:1/x: ", 29);
}

static void on_stopped(void *user)
{
	((struct seen *)user)->stopped++;
}

static void begin(struct seen *seen)
{
	static char *endpoints[] = { "https://a:1" };
	static const struct config_etcd config = { .endpoints = endpoints, .n_endpoints = 1, .prefix = "/x" };
	const struct publisher_callbacks callbacks = { on_complete, on_failed, on_stopped, seen };

	*seen = (struct seen){ 0 };
	/* A second, so that looks and keeping come three times in it. */
	assert_int_equal(publisher_new(&loop, &config, 1, &callbacks, &seen->publisher), 0);
}

static void want(struct seen *seen, const char *const *list)
{
	struct publish_wanted *wanted;

	objects = list;
	assert_int_equal(publish_wanted_new(NULL, &wanted), 0);
	publisher_want(seen->publisher, wanted);
	publish_wanted_free(wanted);
}

static void on_patience(uv_timer_t *timer)
{
	fail_msg("nothing came of it: %s", log_text);
}

/* Until @cond holds. */
#define RUN_UNTIL(cond)                                                                            \
	do {                                                                                       \
		uv_timer_t patience;                                                               \
		uv_timer_init(&loop, &patience);                                                   \
		uv_timer_start(&patience, on_patience, PATIENCE_MS, 0);                            \
		while (!(cond))                                                                    \
			uv_run(&loop, UV_RUN_ONCE);                                                \
		uv_close((uv_handle_t *)&patience, NULL);                                          \
		uv_run(&loop, UV_RUN_NOWAIT);                                                      \
	} while (0)

static int set_up(void **state)
{
	uv_loop_init(&loop);
	n_store = n_txns = n_ops = n_keeps = 0;
	fail_txns = mute_txns = 0;
	revision = 7;
	next_lease = 0;
	memset(leases, 0, sizeof(leases));
	cluster_id = 1;
	*log_text = '\0';
	objects = shop;
	return 0;
}

static void end(struct seen *seen, bool revoke)
{
	publisher_stop(seen->publisher, revoke);
	RUN_UNTIL(seen->stopped);
}

static int tear_down(void **state)
{
	return uv_loop_close(&loop);
}

static void complete_is_put_last_and_nothing_before_it_is_wanted(void **state)
{
	struct seen a;

	begin(&a);
	uv_run(&loop, UV_RUN_ONCE);
	assert_int_equal(n_txns, 0);
	want(&a, shop);
	RUN_UNTIL(a.completes);
	assert_string_equal(log_text, "-.complete +.publisher; +nodes/e1 +nodes/e2 "
			    "+endpointslices/shop/web-a +services/shop/web; +.complete; ");
	assert_int_equal(n_store, 6);
	end(&a, true);
}

static void a_change_is_one_small_transaction(void **state)
{
	struct seen a;

	begin(&a);
	want(&a, shop);
	RUN_UNTIL(a.completes == 1);
	*log_text = '\0';
	want(&a, less);
	RUN_UNTIL(a.completes == 2);
	assert_string_equal(log_text, "+services/shop/web -nodes/e2; ");
	assert_string_equal(find("/x/services/shop/web")->value, "2");
	end(&a, true);
}

static void the_end_takes_all_back_or_leaves_it(void **state)
{
	struct seen a;

	begin(&a);
	want(&a, shop);
	RUN_UNTIL(a.completes);
	end(&a, false);
	assert_int_equal(n_store, 6);
	begin(&a);
	want(&a, shop);
	RUN_UNTIL(a.completes);
	end(&a, true);
	assert_int_equal(n_store, 0);
}

static void what_an_earlier_one_left_is_swept_and_the_rest_is_not(void **state)
{
	struct seen a;

	put("/x/nodes/old", "1", 0);
	put("/x/services/shop/old", "1", 60);
	put("/x/nodes/e1", "0", 60);
	put("/x/.complete", "then", 60);
	put("/x/configmaps/a/b", "1", 0);
	put("/y/nodes/e9", "1", 0);
	put("/x", "1", 0);
	/* What was wanted by that one. */
	objects = (const char *const[]){ "nodes/e1=0", NULL };
	begin(&a);
	want(&a, shop);
	RUN_UNTIL(a.completes);
	assert_null(find("/x/nodes/old"));
	assert_null(find("/x/services/shop/old"));
	assert_string_equal(find("/x/nodes/e1")->value, "1");
	assert_non_null(find("/x/configmaps/a/b"));
	assert_non_null(find("/y/nodes/e9"));
	assert_non_null(find("/x"));
	assert_memory_equal(log_text, "-.complete ", 11);
	end(&a, true);
}

static void a_lost_lease_publishes_everything_again(void **state)
{
	struct seen a;

	begin(&a);
	want(&a, shop);
	RUN_UNTIL(a.completes == 1);
	end_lease(1);
	assert_int_equal(n_store, 0);
	RUN_UNTIL(a.completes == 2);
	assert_int_equal(n_store, 6);
	assert_int_equal(find("/x/.complete")->lease, 2);
	end(&a, true);
}

static void a_wiped_store_is_filled_again(void **state)
{
	struct seen a;

	begin(&a);
	want(&a, shop);
	RUN_UNTIL(a.completes == 1);
	n_store = 0;
	cluster_id = 2;
	revision = 1;
	leases[1] = 0;
	RUN_UNTIL(a.completes == 2);
	assert_int_equal(n_store, 6);
	end(&a, true);
}

/* It has our lease and our keys, but values from before. */
static void a_restored_store_is_written_again(void **state)
{
	struct seen a;

	begin(&a);
	want(&a, shop);
	RUN_UNTIL(a.completes == 1);
	strcpy(find("/x/services/shop/web")->value, "0");
	revision -= 2;
	RUN_UNTIL(a.completes == 2);
	assert_string_equal(find("/x/services/shop/web")->value, "1");
	end(&a, true);
}

static void a_key_that_was_taken_away_comes_back(void **state)
{
	struct seen a;

	begin(&a);
	want(&a, shop);
	RUN_UNTIL(a.completes == 1);
	erase("/x/nodes/e2");
	RUN_UNTIL(find("/x/nodes/e2"));
	assert_int_equal(a.completes, 1);
	end(&a, true);
}

/* As another publisher does that has not noticed yet; its lease may end at any time. */
static void what_hangs_on_another_lease_is_put_under_ours(void **state)
{
	struct seen a;

	begin(&a);
	want(&a, shop);
	RUN_UNTIL(n_txns == 2);
	put("/x/nodes/e1", "1", 60);
	put("/x/nodes/late", "1", 60);
	RUN_UNTIL(a.completes == 1);
	assert_int_equal(find("/x/nodes/e1")->lease, 1);
	assert_null(find("/x/nodes/late"));
	put("/x/nodes/e1", "1", 60);
	RUN_UNTIL(find("/x/nodes/e1")->lease == 1);
	end(&a, true);
}

static void what_fails_is_tried_again(void **state)
{
	struct seen a;

	begin(&a);
	fail_txns = 3;
	want(&a, shop);
	RUN_UNTIL(a.completes);
	assert_int_equal(a.failures, 3);
	assert_int_equal(n_store, 6);
	end(&a, true);
}

static void a_lost_answer_does_no_harm(void **state)
{
	struct seen a;

	begin(&a);
	mute_txns = 4;
	want(&a, shop);
	RUN_UNTIL(a.completes);
	assert_int_equal(a.failures, 4);
	assert_int_equal(n_store, 6);
	end(&a, true);
}

static void the_lease_is_kept(void **state)
{
	struct seen a;

	begin(&a);
	want(&a, shop);
	RUN_UNTIL(n_keeps >= 3);
	assert_int_equal(a.completes, 1);
	assert_int_equal(n_txns, 3);
	end(&a, true);
}

/* The invariant is checked at each transaction of both. */
static void a_second_one_takes_over_and_the_first_follows_when_it_ends(void **state)
{
	struct seen a, b;

	begin(&a);
	want(&a, shop);
	RUN_UNTIL(a.completes == 1);
	begin(&b);
	want(&b, shop);
	RUN_UNTIL(b.completes == 1);
	assert_int_equal(find("/x/.publisher")->lease, 2);
	/* A standby writes nothing of what changes. */
	*log_text = '\0';
	RUN_UNTIL(n_keeps >= 3);
	assert_string_equal(log_text, "");
	end(&b, true);
	RUN_UNTIL(a.completes == 2);
	assert_int_equal(n_store, 6);
	end(&a, true);
	assert_int_equal(n_store, 0);
}

/* The first ends, and its lease with it, while the second is in the middle of taking over. */
static void an_end_in_the_middle_of_a_handover_loses_nothing(void **state)
{
	for (size_t txns = 4; txns < 7; txns++) {
		struct seen a, b;

		tear_down(state);
		set_up(state);
		begin(&a);
		want(&a, shop);
		RUN_UNTIL(a.completes == 1);
		begin(&b);
		want(&b, shop);
		RUN_UNTIL(n_txns >= txns);
		end(&a, true);
		check_invariant();
		RUN_UNTIL(b.completes);
		RUN_UNTIL(n_keeps >= 2);
		check_invariant();
		assert_int_equal(n_store, 6);
		end(&b, true);
	}
}

static void two_that_start_at_once_end_as_one(void **state)
{
	struct seen a, b;

	begin(&a);
	begin(&b);
	want(&a, shop);
	want(&b, shop);
	RUN_UNTIL(a.completes + b.completes >= 1);
	RUN_UNTIL(n_keeps >= 4);
	check_invariant();
	assert_int_equal(n_store, 6);
	/* The one that stands by does not take anything with it. */
	if (find("/x/.complete")->lease == 1) {
		end(&b, true);
		assert_int_equal(n_store, 6);
		end(&a, true);
	} else {
		end(&a, true);
		assert_int_equal(n_store, 6);
		end(&b, true);
	}
	assert_int_equal(n_store, 0);
}

static void add(struct rows *rows, const char *name, CMUnitTestFunction fn)
{
	rows_add(rows, name, fn, NULL);
	rows->tests[rows->n - 1].setup_func = set_up;
	rows->tests[rows->n - 1].teardown_func = tear_down;
}
#define ADD(rows, fn) add(rows, #fn, fn)

int main(void)
{
	static struct rows rows;

	ADD(&rows, complete_is_put_last_and_nothing_before_it_is_wanted);
	ADD(&rows, a_change_is_one_small_transaction);
	ADD(&rows, the_end_takes_all_back_or_leaves_it);
	ADD(&rows, what_an_earlier_one_left_is_swept_and_the_rest_is_not);
	ADD(&rows, a_lost_lease_publishes_everything_again);
	ADD(&rows, a_wiped_store_is_filled_again);
	ADD(&rows, a_restored_store_is_written_again);
	ADD(&rows, a_key_that_was_taken_away_comes_back);
	ADD(&rows, what_hangs_on_another_lease_is_put_under_ours);
	ADD(&rows, what_fails_is_tried_again);
	ADD(&rows, a_lost_answer_does_no_harm);
	ADD(&rows, the_lease_is_kept);
	ADD(&rows, a_second_one_takes_over_and_the_first_follows_when_it_ends);
	ADD(&rows, an_end_in_the_middle_of_a_handover_loses_nothing);
	ADD(&rows, two_that_start_at_once_end_as_one);
	return rows_run("publisher", &rows);
}

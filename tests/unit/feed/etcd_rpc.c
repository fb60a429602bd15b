/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Calls to a real etcd: what comes back, and what is told when it goes wrong. Every loop is run dry at
 * the end: what is left open, or is called back after a close, shows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>

#include "core/defs.h"
#include "etcd_client.h"

/* ---- range ---------------------------------------------------------------------------------- */

static void fill(struct etcd_server *s, int n, size_t size)
{
	char *value = malloc(size);
	char key[32];

	memset(value, 'v', size);
	for (int i = 0; i < n; i++) {
		snprintf(key, sizeof(key), "/x/%05d", i);
		etcd_put_bytes(s, key, value, size);
	}
	free(value);
}

static void test_pages_of_one_revision(void **state)
{
	struct etcd_server s;
	struct client c;
	struct page p = {};
	char from[64] = "/x/";
	int64_t revision = 0;
	int pages = 0, keys = 0;

	etcd_start(&s, "e", NULL);
	fill(&s, 25, 300);
	client_begin(&c, &s);
	do {
		page_get(&c, &p, from, "/x0", 10, revision);
		assert_int_equal(p.code, 0);
		assert_int_equal(p.sizes, p.n * 300);
		keys += p.n;
		pages++;
		if (!revision) {
			revision = p.header.revision;
			assert_true(revision == etcd_revision(&s));
			assert_true(p.header.cluster_id != 0);
			assert_int_equal(p.count, 25);
			/* What comes later is not seen. */
			etcd_put(&s, "/x/99999", "late");
			etcd_erase(&s, "/x/00020", false);
		}
		/* The next key after the last one. */
		snprintf(from, sizeof(from), "%s", p.last);
		strcat(from, "!");
	} while (p.more);
	assert_int_equal(keys, 25);
	assert_int_equal(pages, 3);

	page_get(&c, &p, "/none/", "/none0", 0, 0);
	assert_int_equal(p.code, 0);
	assert_int_equal(p.n, 0);
	assert_int_equal(p.ends, 1);
	client_end(&c);
	etcd_end(&s);
}

static void test_keys_pause_wherever_they_do(void **state)
{
	struct etcd_server s;
	struct client c;

	etcd_start(&s, "e", NULL);
	fill(&s, 60, 5000);
	client_begin(&c, &s);
	for (int every = 1; every <= 61; every += 12) {
		struct page p = { .pause_every = every };

		page_start(&c, &p, "/x/", "/x0", 0, 0);
		while (!p.done) {
			WAIT(&c, p.done || p.paused, 5000);
			if (!p.paused)
				break;
			for (int i = 0; i < 3; i++)
				uv_run(&c.loop, UV_RUN_ONCE);
			assert_int_equal(p.n % every, 0);
			assert_int_equal(p.ends, 0);
			p.paused = false;
			etcd_resume(p.call);
		}
		if (p.code)
			fail_msg("every %d, after %d: %s", every, p.n, p.error);
		assert_int_equal(p.n, 60);
		assert_int_equal(p.sizes, 60 * 5000);
		assert_int_equal(p.ends, 1);
	}
	client_end(&c);
	etcd_end(&s);
}

static void test_cancel_and_close_wherever_one_is(void **state)
{
	struct etcd_server s;
	struct client c;

	etcd_start(&s, "e", NULL);
	fill(&s, 10, 10);
	for (int i = 0; i < 4; i++) {
		struct page p = { .cancel_at = i == 0 ? 5 : 0, .close_at = i == 1 ? 5 : 0,
				  .next_at = i == 2 ? 5 : 0, .close_in_done = i == 3 };

		client_begin(&c, &s);
		page_start(&c, &p, "/x/", "/x0", 0, 0);
		WAIT(&c, p.n >= 5 && (i < 3 || p.done), 5000);
		for (int turn = 0; turn < 5; turn++)
			uv_run(&c.loop, UV_RUN_ONCE);
		assert_int_equal(p.n, i < 3 ? 5 : 10);
		assert_int_equal(p.done, i == 3);
		client_end(&c);
	}
	client_end_with_open_calls(&s);
	etcd_end(&s);
}

static void test_a_compacted_or_future_revision_is_stale(void **state)
{
	struct etcd_server s;
	struct client c;
	struct page p = {};
	int64_t revision;

	etcd_start(&s, "e", NULL);
	fill(&s, 5, 10);
	client_begin(&c, &s);
	page_get(&c, &p, "/x/", "/x0", 2, 0);
	revision = p.header.revision;
	etcd_put(&s, "/x/new", "1");
	etcd_compact(&s, etcd_revision(&s));
	page_get(&c, &p, "/x/00002", "/x0", 2, revision);
	assert_int_equal(p.code, -ESTALE);
	assert_non_null(strstr(p.error, "compacted"));
	assert_non_null(strstr(p.error, s.url));
	page_get(&c, &p, "/x/", "/x0", 2, revision + 1000);
	assert_int_equal(p.code, -ESTALE);
	/* The connection is as good as before. */
	page_get(&c, &p, "/x/", "/x0", 0, 0);
	assert_int_equal(p.code, 0);
	assert_int_equal(p.n, 6);
	client_end(&c);
	etcd_end(&s);
}

/* ---- transactions and leases ---------------------------------------------------------------- */

static void test_transactions_of_128_but_not_of_129(void **state)
{
	struct etcd_op ops[ETCD_MAX_OPS + 1];
	char keys[ETCD_MAX_OPS + 1][16];
	struct etcd_call *call;
	struct etcd_server s;
	struct client c;
	struct result r = {};

	etcd_start(&s, "e", NULL);
	client_begin(&c, &s);
	for (int i = 0; i <= ETCD_MAX_OPS; i++) {
		snprintf(keys[i], sizeof(keys[i]), "/t/%d", i);
		ops[i] = (struct etcd_op){ .key = { keys[i], strlen(keys[i]) }, .value = { "v", 1 } };
	}
	assert_int_equal(etcd_txn(c.etcd, ops, ETCD_MAX_OPS + 1, 0, on_result, &r, &call), -E2BIG);
	assert_int_equal(etcd_txn(c.etcd, ops, ETCD_MAX_OPS, 0, on_result, &r, &call), 0);
	WAIT(&c, r.done, 5000);
	assert_int_equal(r.code, 0);
	assert_int_equal(etcd_count(&s, "/t/"), ETCD_MAX_OPS);
	assert_true(r.header.revision == etcd_revision(&s));
	for (int i = 0; i < 100; i++)
		ops[i].erase = true;
	r = (struct result){};
	assert_int_equal(etcd_txn(c.etcd, ops, ETCD_MAX_OPS, 0, on_result, &r, &call), 0);
	WAIT(&c, r.done, 5000);
	assert_int_equal(r.code, 0);
	assert_int_equal(etcd_count(&s, "/t/"), ETCD_MAX_OPS - 100);
	client_end(&c);
	etcd_end(&s);
}

static void test_a_lease_is_granted_kept_and_revoked(void **state)
{
	struct etcd_op op = { .key = { "/l/a", 4 }, .value = { "v", 1 } };
	struct lease l = {}, k = {}, gone = {};
	struct etcd_call *call;
	struct etcd_server s;
	struct client c;
	struct result r = {};

	etcd_start(&s, "e", NULL);
	client_begin(&c, &s);
	assert_int_equal(etcd_lease_grant(c.etcd, 60, on_lease, &l, &call), 0);
	WAIT(&c, l.done, 5000);
	assert_int_equal(l.code, 0);
	assert_true(l.id != 0);
	assert_int_equal(l.ttl_s, 60);
	assert_int_equal(etcd_txn(c.etcd, &op, 1, l.id, on_result, &r, &call), 0);
	WAIT(&c, r.done, 5000);
	assert_int_equal(etcd_count(&s, "/l/"), 1);
	assert_int_equal(etcd_lease_keep(c.etcd, l.id, on_lease, &k, &call), 0);
	WAIT(&c, k.done, 5000);
	if (k.code)
		fail_msg("%s", k.error);
	assert_int_equal(k.ttl_s, 60);
	assert_int_equal(etcd_lease_revoke(c.etcd, l.id, on_lease, &gone, &call), 0);
	WAIT(&c, gone.done, 5000);
	assert_int_equal(gone.code, 0);
	assert_int_equal(etcd_count(&s, "/l/"), 0);

	k = (struct lease){};
	assert_int_equal(etcd_lease_keep(c.etcd, l.id, on_lease, &k, &call), 0);
	WAIT(&c, k.done, 5000);
	assert_int_equal(k.code, 0);
	assert_int_equal(k.ttl_s, 0);
	gone = (struct lease){};
	assert_int_equal(etcd_lease_revoke(c.etcd, l.id, on_lease, &gone, &call), 0);
	WAIT(&c, gone.done, 5000);
	assert_int_equal(gone.code, -ENOENT);
	r = (struct result){};
	assert_int_equal(etcd_txn(c.etcd, &op, 1, l.id, on_result, &r, &call), 0);
	WAIT(&c, r.done, 5000);
	assert_int_equal(r.code, -ENOENT);
	client_end(&c);
	etcd_end(&s);
}

/* ---- who we are ----------------------------------------------------------------------------- */

static void test_the_common_name_is_the_user(void **state)
{
	struct etcd_server s;
	struct client c;
	struct page p = {};
	struct etcd_op op = { .key = { "/y/a", 4 }, .value = { "v", 1 } };
	struct etcd_call *call;
	struct result r = {};

	etcd_start(&s, "e", &(struct etcd_server_options){ .tls = true });
	etcd_put(&s, "/x/a", "1");
	etcd_add_user(&s, "remote", NULL, "/x/");
	etcd_enable_auth(&s);
	client_begin_tls(&c, &s, "client");
	page_get(&c, &p, "/x/", "/x0", 0, 0);
	if (p.code)
		fail_msg("%s", p.error);
	assert_int_equal(p.n, 1);
	page_get(&c, &p, "/y/", "/y0", 0, 0);
	assert_int_equal(p.code, -EACCES);
	assert_non_null(strstr(p.error, "permission denied"));
	assert_int_equal(etcd_txn(c.etcd, &op, 1, 0, on_result, &r, &call), 0);
	WAIT(&c, r.done, 5000);
	assert_int_equal(r.code, -EACCES);
	client_end(&c);

	/* A certificate of the CA, but of nobody that etcd knows. */
	etcd_make_cert("ca", "stranger", "stranger", NULL, false);
	client_begin_tls(&c, &s, "stranger");
	page_get(&c, &p, "/x/", "/x0", 0, 0);
	assert_int_equal(p.code, -EACCES);
	client_end(&c);
	etcd_end(&s);
}

static void test_user_and_password_get_a_token_and_another(void **state)
{
	static const char *const extra[] = { "--auth-token-ttl", "2" };
	struct etcd_server_options options = {};
	struct etcd_server s;
	struct client c;
	struct page p = {}, q = {};

	memcpy(options.extra, extra, sizeof(extra));
	etcd_start(&s, "e", &options);
	etcd_put(&s, "/x/a", "1");
	/* Auth is off: a user does no harm, and when it is switched on, he is asked for. */
	temp_write("password", "pass-word\n");
	client_begin_user(&c, &s, "reader", "password");
	page_get(&c, &p, "/x/", "/x0", 0, 0);
	assert_int_equal(p.code, 0);
	page_get(&c, &p, "/x/", "/x0", 0, 0);
	assert_int_equal(p.code, 0);
	etcd_add_user(&s, "reader", "pass-word", "/x/");
	etcd_enable_auth(&s);
	page_start(&c, &p, "/x/", "/x0", 0, 0);
	page_start(&c, &q, "/y/", "/y0", 0, 0);
	WAIT(&c, p.done && q.done, 5000);
	if (p.code)
		fail_msg("%s", p.error);
	assert_int_equal(p.n, 1);
	assert_int_equal(q.code, -EACCES);
	assert_non_null(strstr(q.error, "reader"));

	/* Tokens are in memory: this one is not valid afterwards, and the next call gets another. */
	etcd_restart(&s);
	page_get(&c, &p, "/x/", "/x0", 0, 0);
	if (p.code)
		page_get(&c, &p, "/x/", "/x0", 0, 0); /* the connection was cut */
	if (p.code)
		fail_msg("%s", p.error);
	assert_int_equal(p.n, 1);
	client_end(&c);

	temp_write("password", "wrong\n");
	client_begin_user(&c, &s, "reader", "password");
	page_get(&c, &p, "/x/", "/x0", 0, 0);
	assert_int_equal(p.code, -EKEYREJECTED);
	assert_non_null(strstr(p.error, "password_file"));
	assert_null(strstr(p.error, "wrong"));
	client_end(&c);

	client_begin(&c, &s);
	page_get(&c, &p, "/x/", "/x0", 0, 0);
	assert_int_equal(p.code, -EKEYREJECTED);
	assert_non_null(strstr(p.error, "user and password_file"));
	client_end(&c);
	etcd_end(&s);
}

/* ---- members that fail ---------------------------------------------------------------------- */

static void test_a_dead_endpoint_is_left_for_the_next(void **state)
{
	struct etcd_server s;
	struct client c;
	struct page p = {};
	char dead[64];
	char *endpoints[2];

	etcd_start(&s, "e", NULL);
	etcd_put(&s, "/x/a", "1");
	snprintf(dead, sizeof(dead), "http://127.0.0.1:%d", etcd_free_port());
	endpoints[0] = dead;
	endpoints[1] = s.url;
	client_begin_config(&c, &(struct config_etcd){ .endpoints = endpoints, .n_endpoints = 2 });
	assert_string_equal(etcd_endpoint(c.etcd), dead);
	page_get(&c, &p, "/x/", "/x0", 0, 0);
	assert_int_equal(p.code, -ECONNREFUSED);
	assert_non_null(strstr(p.error, dead));
	assert_string_equal(etcd_endpoint(c.etcd), s.url);
	page_get(&c, &p, "/x/", "/x0", 0, 0);
	assert_int_equal(p.code, 0);
	etcd_kill(&s);
	page_get(&c, &p, "/x/", "/x0", 0, 0);
	assert_true(p.code < 0);
	assert_string_equal(etcd_endpoint(c.etcd), dead);
	etcd_next_endpoint(c.etcd);
	etcd_restart(&s);
	page_get(&c, &p, "/x/", "/x0", 0, 0);
	assert_int_equal(p.code, 0);
	client_end(&c);
	etcd_end(&s);
}

static void test_a_frozen_member_times_out(void **state)
{
	struct etcd_server s;
	struct client c;
	struct page p = {};

	etcd_start(&s, "e", NULL);
	etcd_put(&s, "/x/a", "1");
	client_begin(&c, &s);
	page_get(&c, &p, "/x/", "/x0", 0, 0);
	assert_int_equal(p.code, 0);
	etcd_freeze(&s);
	page_get(&c, &p, "/x/", "/x0", 0, 0);
	assert_int_equal(p.code, -ETIMEDOUT);
	etcd_thaw(&s);
	page_get(&c, &p, "/x/", "/x0", 0, 0);
	assert_int_equal(p.code, 0);
	client_end(&c);
	etcd_end(&s);
}

/* An answer that is no HTTP/2, to one caller. */
static void *say_http1(void *user)
{
	static const char text[] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
	char buf[4096];
	int fd = accept(*(int *)user, NULL, NULL);

	if (fd >= 0 && recv(fd, buf, sizeof(buf), 0) > 0)
		send(fd, text, sizeof(text) - 1, MSG_NOSIGNAL);
	if (fd >= 0)
		close(fd);
	return NULL;
}

static void test_what_is_no_etcd_is_told(void **state)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char url[64], *endpoint = url;
	struct client c;
	struct page p = {};
	pthread_t thread;

	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	assert_int_equal(pthread_create(&thread, NULL, say_http1, &fd), 0);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d", ntohs(a.sin_port));
	client_begin_config(&c, &(struct config_etcd){ .endpoints = &endpoint, .n_endpoints = 1 });
	page_get(&c, &p, "/x/", "/x0", 0, 0);
	if (p.code != -EPROTO || !strstr(p.error, url))
		fail_msg("%d %s", p.code, p.error);
	client_end(&c);
	pthread_join(thread, NULL);
	close(fd);
}

static void test_files_that_cannot_be_read_are_named(void **state)
{
	char *endpoint = "https://127.0.0.1:1", *bad = "no-url://";
	struct config_etcd cases[] = {
		{ .endpoints = &endpoint, .n_endpoints = 1, .ca = "/nonexistent/ca.pem" },
		{ .endpoints = &endpoint, .n_endpoints = 1, .user = "u", .password_file = "/dev/null" },
		{ .endpoints = &endpoint, .n_endpoints = 1, .user = "u",
		  .password_file = (char *)temp("empty") },
		{ .endpoints = &bad, .n_endpoints = 1 },
	};
	uv_loop_t loop;

	temp_write("empty", "\nsecret\n");
	assert_int_equal(uv_loop_init(&loop), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct etcd *etcd = NULL;
		struct err err = {};

		assert_true(etcd_new(&loop, &cases[i], &etcd, &err) < 0);
		assert_null(etcd);
		assert_true(*err.text);
		assert_null(strstr(err.text, "secret"));
	}
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, temp_setup, temp_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FOLDER(test_pages_of_one_revision),
		WITH_FOLDER(test_keys_pause_wherever_they_do),
		WITH_FOLDER(test_cancel_and_close_wherever_one_is),
		WITH_FOLDER(test_a_compacted_or_future_revision_is_stale),
		WITH_FOLDER(test_transactions_of_128_but_not_of_129),
		WITH_FOLDER(test_a_lease_is_granted_kept_and_revoked),
		WITH_FOLDER(test_the_common_name_is_the_user),
		WITH_FOLDER(test_user_and_password_get_a_token_and_another),
		WITH_FOLDER(test_a_dead_endpoint_is_left_for_the_next),
		WITH_FOLDER(test_a_frozen_member_times_out),
		WITH_FOLDER(test_what_is_no_etcd_is_told),
		WITH_FOLDER(test_files_that_cannot_be_read_are_named),
	};

	signal(SIGPIPE, SIG_IGN); /* as the agent does */
	return cmocka_run_group_tests(tests, NULL, NULL);
}

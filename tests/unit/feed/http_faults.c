/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Each way in which a server cannot be reached or believed is told by a code and a sentence that names
 * the server, the step and what to do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "http_client.h"

/* ---- a bare socket: says @says to whoever asks, then closes; NULL = takes nobody ------------- */

struct bare { int fd; pthread_t thread; const char *says; char url[64]; };

static void *bare_run(void *user)
{
	struct bare *b = user;
	char buf[4096];
	int fd;

	while ((fd = accept(b->fd, NULL, NULL)) >= 0) {
		if (recv(fd, buf, sizeof(buf), 0) > 0)
			send(fd, b->says, strlen(b->says), MSG_NOSIGNAL);
		close(fd);
	}
	return NULL;
}

static void bare_start(struct bare *b, const char *says)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);

	b->says = says;
	b->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(b->fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(b->fd, 8), 0);
	assert_int_equal(getsockname(b->fd, (struct sockaddr *)&a, &len), 0);
	snprintf(b->url, sizeof(b->url), "http://127.0.0.1:%d", ntohs(a.sin_port));
	if (says)
		assert_int_equal(pthread_create(&b->thread, NULL, bare_run, b), 0);
}

static void bare_end(struct bare *b)
{
	shutdown(b->fd, SHUT_RDWR);
	if (b->says)
		pthread_join(b->thread, NULL);
	close(b->fd);
}

/* ---- and what is told of it ----------------------------------------------------------------- */

static void expect(struct http_setup setup, const struct http_ask *more, int code, const char *words)
{
	struct http_ask a = more ? *more : (struct http_ask){};
	struct client c;
	struct seen s = {};

	a.method = "GET";
	a.path = "/hello";
	begin_with(&c, setup);
	ask(&c, &s, a);
	WAIT(&c, s.done, 20000);
	if (s.code != code || !strstr(s.error, words))
		fail_msg("wanted %d and \"%s\", not %d and \"%s\"", code, words, s.code, s.error);
	assert_int_equal(s.done, 1);
	if (code)
		assert_non_null(strstr(s.error, setup.base));
	end(&c);
}

static void test_network_faults_are_named(void **state)
{
	struct bare cut, silent, garbage;
	char refused[64];

	snprintf(refused, sizeof(refused), "http://127.0.0.1:%d", etcd_free_port());
	bare_start(&cut, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of it");
	bare_start(&silent, NULL);
	bare_start(&garbage, "220 smtp.example ESMTP\r\n");

	expect((struct http_setup){ .base = refused }, NULL, -ECONNREFUSED, "is the server running");
	expect((struct http_setup){ .base = cut.url }, NULL, -EPROTO, "before its answer");
	expect((struct http_setup){ .base = silent.url }, &(struct http_ask){ .silence_ms = 200 },
	       -ETIMEDOUT, "was silent for 200 ms");
	expect((struct http_setup){ .base = silent.url, .http2 = true },
	       &(struct http_ask){ .silence_ms = 200 }, -ETIMEDOUT, "was silent for 200 ms");
	expect((struct http_setup){ .base = garbage.url }, NULL, -EPROTO, "before its answer");
	expect((struct http_setup){ .base = "http://x.invalid:2379" }, NULL, -ENOENT,
	       "cannot resolve x.invalid of");
	expect((struct http_setup){ .base = silent.url, .proxy = "http://u:secret@x.invalid:1" }, NULL,
	       -ENOENT, "cannot resolve the proxy x.invalid on the way");
	bare_end(&cut);
	bare_end(&silent);
	bare_end(&garbage);
}

static void test_tls_faults_are_named(void **state)
{
	struct web good, old, plain;
	struct bare silent;
	struct http_blob ca, other;
	char https[80];

	etcd_make_certs();
	etcd_make_ca("other");
	etcd_make_cert("ca", "old", "old", "IP:127.0.0.1", true);
	web_start(&good, "server");
	web_start(&old, "old");
	web_start(&plain, NULL);
	bare_start(&silent, NULL);
	ca.data = slurp("ca.pem");
	ca.len = strlen(ca.data);
	other.data = slurp("other.pem");
	other.len = strlen(other.data);

	expect((struct http_setup){ .base = good.url, .ca = ca }, NULL, 0, "");
	expect((struct http_setup){ .base = good.url, .ca = ca, .server_name = "localhost" }, NULL, 0, "");
	expect((struct http_setup){ .base = good.url, .ca = other }, NULL, -EKEYREJECTED,
	       "not signed by the CA that is set");
	expect((struct http_setup){ .base = good.url }, NULL, -EKEYREJECTED, "not signed by a CA of this system");
	expect((struct http_setup){ .base = good.url, .insecure = true }, NULL, 0, "");
	expect((struct http_setup){ .base = good.url, .ca = ca, .server_name = "wrong.test" }, NULL,
	       -EKEYREJECTED, "is for 127.0.0.1, localhost, etcd.test, not wrong.test");
	expect((struct http_setup){ .base = good.url, .ca = ca, .server_name = "192.0.2.1" }, NULL,
	       -EKEYREJECTED, "is for 127.0.0.1, localhost, etcd.test, not 192.0.2.1");
	expect((struct http_setup){ .base = old.url, .ca = ca }, NULL, -EKEYREJECTED, "has expired");
	snprintf(https, sizeof(https), "https%.60s", plain.url + 4);
	expect((struct http_setup){ .base = https, .ca = ca }, NULL, -EPROTO, "speaks no TLS");
	snprintf(https, sizeof(https), "https%.60s", silent.url + 4);
	expect((struct http_setup){ .base = https, .ca = ca }, &(struct http_ask){ .connect_ms = 300 },
	       -ETIMEDOUT, "did not greet within 300 ms");
	expect((struct http_setup){ .base = good.url, .ca = { "rubbish", 7 } }, NULL, -EKEYREJECTED,
	       "the CA for");
	expect((struct http_setup){ .base = good.url, .ca = ca, .cert = { "rubbish", 7 },
				    .key = { "rubbish", 7 } }, NULL, -EKEYREJECTED, "our certificate or key");
	free((void *)ca.data);
	free((void *)other.data);
	web_end(&good);
	web_end(&old);
	web_end(&plain);
	bare_end(&silent);
}

static void test_urls_that_are_none_are_refused(void **state)
{
	static const char *const bad[] = { "", "ftp://a", "https://", "https://a:99999", "http://u:p@a", "a b" };
	uv_loop_t loop;

	assert_int_equal(uv_loop_init(&loop), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct http *http = NULL;
		struct err err = {};

		assert_int_equal(http_new(&(struct http_setup){ .loop = &loop, .base = bad[i] }, &http, &err),
				 -EINVAL);
		assert_null(http);
		assert_null(strstr(err.text, "u:p"));
	}
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, temp_setup, temp_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_network_faults_are_named),
		WITH_FOLDER(test_tls_faults_are_named),
		cmocka_unit_test(test_urls_that_are_none_are_refused),
	};

	signal(SIGPIPE, SIG_IGN); /* as the agent does */
	return cmocka_run_group_tests(tests, NULL, NULL);
}

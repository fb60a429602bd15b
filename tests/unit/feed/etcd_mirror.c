/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The mirror against a played server and a played clock: what is asked for, in which order, what is told,
 * and what becomes of every way in which a server can fail. A real server: tests/unit/feed/etcd.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "etcd_played.h"

/* ---- scenes --------------------------------------------------------------------------------- */

static void test_pages(void **state)
{
	char key[32];

	begin_with(1);
	add("/p/");
	pass(0);
	assert_string_equal(s.key, "/p/");
	assert_memory_equal(s.page.end.data, "/p0", 3);
	assert_int_equal(s.page.limit, 1000);
	assert_int_equal(s.page.revision, 0);
	page_kv("/p/a");
	page_kv("/p/b");
	page_done(0, 10, true);
	assert_string_equal(s.key, "/p/b~");
	assert_int_equal(s.page.revision, 10);
	assert_int_equal(s.page.limit, ETCD_PAGE_KEYS);
	for (int i = 0; i < 100; i++) {
		struct etcd_kv kv = { .key = { key, 8 }, .value = { told, 65536 - 8 } };

		snprintf(key, sizeof(key), "/p/c%04d", i);
		s.page.kv(s.page.user, &kv);
	}
	told[0] = '\0';
	page_done(0, 12, true);
	/* 16 MiB of 64 KiB each, and one byte for the rounding. */
	assert_int_equal(s.page.limit, 255);
	assert_string_equal(s.key, "/p/c0099~");
	assert_int_equal(s.page.revision, 10);
	TOLD("");
	page_done(0, 13, false);
	TOLD("listed0 current:10");
	assert_int_equal(s.n_watches, 1);
	assert_string_equal(s.watches[0].key, "/p/-/p0");
	assert_int_equal(s.watches[0].from, 11);
	created(0, 13);
	TOLD("alive");
	end();
}

static void test_a_page_without_keys_that_is_not_the_last(void **state)
{
	begin_with(1);
	add("/p/");
	pass(0);
	page_done(0, 10, true);
	TOLD("list0 aborted0 error");
	assert_int_equal(last_error.code, -EPROTO);
	end();
}

static void test_events(void **state)
{
	begin_listed(1);
	event(0, "/p/b", 11);
	event(0, "-/p/a", 12);
	TOLD("change0:/p/b current:11 erase0:/p/a current:12");
	event(0, NULL, 15);
	TOLD("alive");
	stream_done(-ECONNRESET);
	TOLD("error");
	pass(49);
	assert_false(s.stream_on);
	pass(52);
	/* From where the progress was, without a list. */
	assert_int_equal(s.watches[0].from, 16);
	created(0, 15);
	TOLD("alive");
	end();
}

static void test_fragments(void **state)
{
	begin_listed(1);
	event_of(s.watches[0].id, "/p/b", 12, 14, false);
	TOLD("change0:/p/b");
	/* Cut off: what else revision 12 and later ones had is asked for again. */
	stream_done(-ECONNRESET);
	pass(100);
	assert_int_equal(s.watches[0].from, 12);
	created(0, 14);
	told[0] = '\0';
	event_of(s.watches[0].id, "/p/b", 12, 14, false);
	event_of(s.watches[0].id, "/p/c", 14, 14, true);
	TOLD("change0:/p/b change0:/p/c current:14");
	stream_done(-ECONNRESET);
	pass(100);
	assert_int_equal(s.watches[0].from, 15);
	end();
}

static void test_progress_of_all_advances_nothing(void **state)
{
	begin_listed(1);
	event_of(-1, NULL, 0, 99, true);
	TOLD("alive");
	stream_done(-ECONNRESET);
	pass(100);
	assert_int_equal(s.watches[0].from, 11);
	end();
}

static void test_compacted_in_a_list(void **state)
{
	begin_with(1);
	add("/p/");
	pass(0);
	page_kv("/p/a");
	page_done(0, 10, true);
	page_done(-ESTALE, 0, false);
	TOLD("list0 put0:/p/a aborted0 error");
	assert_non_null(strstr(last_error.text, "compacted while /p/ was listed"));
	pass(100);
	assert_int_equal(s.page.revision, 0);
	assert_string_equal(s.key, "/p/");
	page_done(0, 20, false);
	TOLD("list0 listed0 current:20");
	end();
}

static void test_compacted_in_a_watch(void **state)
{
	begin_listed(1);
	s.stream.canceled(s.stream.user, s.watches[0].id, 50, "compacted");
	pass(0);
	/* At once, on the connection that there is, and not an error. */
	TOLD("list0");
	page_kv("/p/b");
	page_done(0, 60, false);
	TOLD("put0:/p/b listed0 current:60");
	assert_int_equal(s.n_watches, 2);
	assert_int_equal(s.watches[1].from, 61);
	assert_int_equal(s.made, 1);
	end();
}

static void test_another_store(void **state)
{
	begin_listed(2);
	stream_done(-ECONNRESET);
	pass(100);
	TOLD("error");
	assert_int_equal(s.endpoint, 1);
	s.cluster = 8;
	created(0, 500);
	TOLD("list0");
	assert_false(s.stream_on);
	page_kv("/p/z");
	page_done(0, 500, false);
	TOLD("put0:/p/z listed0 current:500");
	assert_int_equal(s.watches[0].from, 501);
	end();
}

static void test_a_restored_store(void **state)
{
	begin_listed(1);
	event(0, "/p/b", 40);
	stream_done(-ECONNRESET);
	pass(100);
	told[0] = '\0';
	/* The same cluster id, and it has not come so far. */
	created(0, 20);
	TOLD("list0");
	page_done(0, 21, false);
	TOLD("listed0 current:21");
	assert_int_equal(s.watches[0].from, 22);
	end();
}

static void test_as_far_as_told_is_no_restored_store(void **state)
{
	begin_listed(1);
	stream_done(-ECONNRESET);
	pass(100);
	told[0] = '\0';
	created(0, 10);
	TOLD("alive");
	end();
}

static void test_a_store_restored_before_a_list(void **state)
{
	begin_listed(1);
	event(0, "/p/b", 40);
	add("/q/");
	pass(0);
	told[0] = '\0';
	page_kv("/q/a");
	page_done(0, 30, false);
	TOLD("put1:/q/a aborted1 list0");
	page_done(0, 30, false);
	page_done(0, 31, false);
	TOLD("listed0 list1 listed1 current:31");
	end();
}

static void test_events_during_a_list_are_no_restored_store(void **state)
{
	begin_listed(1);
	add("/q/");
	pass(0);
	page_kv("/q/a");
	event(0, "/p/b", 40);
	told[0] = '\0';
	page_done(0, 30, false);
	TOLD("listed1 current:40");
	assert_int_equal(s.watches[1].from, 31);
	end();
}

static void test_denied(void **state)
{
	begin_with(1);
	add("/p/");
	pass(0);
	page_done(-EACCES, 0, false);
	TOLD("list0 aborted0 error");
	assert_int_equal(last_error.code, -EACCES);
	assert_non_null(strstr(last_error.text, "user reader may not read what begins with /p/"));
	pass(2499);
	assert_false(s.page_on);
	pass(2501);
	TOLD("list0");
	end();
}

static void test_denied_watch(void **state)
{
	begin_listed(1);
	s.stream.canceled(s.stream.user, -1, 0, "etcdserver: permission denied");
	pass(0);
	TOLD("error");
	assert_int_equal(last_error.code, -EACCES);
	end();
}

static void test_an_ended_watch(void **state)
{
	begin_listed(1);
	s.stream.canceled(s.stream.user, s.watches[0].id, 0, "etcdserver: no leader");
	pass(0);
	TOLD("error");
	assert_non_null(strstr(last_error.text, "/p/: etcdserver: no leader"));
	pass(100);
	assert_int_equal(s.watches[0].from, 11);
	end();
}

static void test_silence(void **state)
{
	begin_listed(2);
	pass(14999);
	assert_int_equal(s.asked, 0);
	pass(1);
	assert_int_equal(s.asked, 1);
	event_of(-1, NULL, 0, 10, true);
	TOLD("alive");
	pass(15000);
	assert_int_equal(s.asked, 2);
	/* Asked once, not again and again. */
	pass(9999);
	assert_int_equal(s.asked, 2);
	TOLD("");
	pass(1);
	TOLD("error");
	assert_int_equal(last_error.code, -ETIMEDOUT);
	assert_int_equal(s.endpoint, 1);
	assert_int_equal(s.moved, 1);
	pass(100);
	assert_int_equal(s.watches[0].from, 11);
	end();
}

static void test_silence_in_a_list(void **state)
{
	begin_with(2);
	add("/p/");
	pass(0);
	pass(24999);
	page_kv("/p/a");
	pass(24999);
	TOLD("list0 put0:/p/a");
	pass(1);
	TOLD("aborted0 error");
	end();
}

static void test_enough_in_a_list(void **state)
{
	begin_with(1);
	add("/p/");
	pass(0);
	full = true;
	assert_false(page_kv("/p/a"));
	/* A pause of our own is no silence of the server's. */
	pass(60000);
	TOLD("list0 put0:/p/a");
	full = false;
	etcd_mirror_resume(mirror);
	assert_int_equal(s.resumed, 1);
	assert_true(page_kv("/p/b"));
	page_done(0, 10, false);
	TOLD("put0:/p/b listed0 current:10");
	end();
}

static void test_enough_in_a_watch(void **state)
{
	begin_listed(1);
	full = true;
	event(0, "/p/b", 11);
	TOLD("change0:/p/b current:11");
	assert_false(s.stream_on);
	pass(60000);
	assert_false(s.stream_on);
	full = false;
	etcd_mirror_resume(mirror);
	pass(0);
	assert_int_equal(s.watches[0].from, 12);
	created(0, 11);
	TOLD("alive");
	end();
}

static void test_drop_and_add(void **state)
{
	int64_t late;

	begin_listed(1);
	add("/q/");
	pass(0);
	page_done(0, 12, false);
	late = s.watches[1].id;
	told[0] = '\0';
	etcd_mirror_drop(mirror, 1);
	assert_int_equal(add("/r/"), 1);
	/* Of the dropped one, on the stream that is still open. */
	event_of(late, "/q/a", 13, 13, true);
	TOLD("list1");
	assert_int_equal(s.n_watches, 1);
	assert_int_equal(s.watches[0].from, 11);
	page_done(0, 14, false);
	TOLD("listed1 current:14");
	end();
}

static void test_drop_in_a_list(void **state)
{
	begin_listed(1);
	add("/q/");
	pass(0);
	page_kv("/q/a");
	told[0] = '\0';
	etcd_mirror_drop(mirror, 1);
	pass(0);
	/* Whoever drops knows; it is not told. */
	TOLD("");
	assert_false(s.page_on);
	assert_int_equal(add("/q/"), 1);
	pass(0);
	page_done(0, 12, false);
	TOLD("list1 listed1 current:12");
	end();
}

static void test_endpoints_and_files(void **state)
{
	begin_with(2);
	add("/p/");
	pass(0);
	page_done(-ECONNREFUSED, 0, false);
	TOLD("list0 aborted0 error");
	pass(100);
	assert_int_equal(s.endpoint, 1);
	assert_int_equal(s.moved, 0);
	page_done(-ECONNREFUSED, 0, false);
	/* Once around: certificates are read again, and may be gone for a moment. */
	s.make_fails = 1;
	pass(200);
	TOLD("list0 aborted0 error error");
	assert_int_equal(last_error.code, -ENOENT);
	assert_int_equal(s.closed, 1);
	s.make_fails = 0;
	pass(400);
	assert_int_equal(s.made, 2);
	page_done(0, 10, false);
	TOLD("list0 listed0 current:10");
	end();
}

static void test_poke(void **state)
{
	begin_listed(1);
	stream_done(-ECONNRESET);
	etcd_mirror_poke(mirror);
	pass(0);
	/* A pause is cut short. */
	assert_true(s.stream_on);
	created(0, 10);
	told[0] = '\0';
	etcd_mirror_poke(mirror);
	pass(0);
	/* Nothing failed: all of it again, with certificates as they are now. */
	assert_int_equal(s.made, 3);
	assert_false(s.stream_on);
	TOLD("list0");
	etcd_mirror_poke(mirror);
	pass(0);
	TOLD("");
	page_done(0, 10, false);
	TOLD("listed0 current:10");
	end();
}

static void test_close_in_a_callback(void **state)
{
	begin_listed(1);
	close_at = "put";
	event(0, "/p/b", 11);
	TOLD("change0:/p/b");
	end();

	begin_with(1);
	add("/p/");
	pass(0);
	close_at = "listed";
	page_done(0, 10, false);
	TOLD("list0 listed0");
	end();

	begin_with(1);
	add("/p/");
	pass(0);
	close_at = "aborted";
	page_done(-ECONNREFUSED, 0, false);
	TOLD("list0 aborted0");
	end();
}

#define SCENE(name, test) { name, test, NULL, NULL, NULL }

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE("pages at one revision, by keys and then by bytes, then a watch",
		      test_pages),
		SCENE("a page without keys that is not the last",
		      test_a_page_without_keys_that_is_not_the_last),
		SCENE("events, progress, and a lost connection: from the next revision",
		      test_events),
		SCENE("a response in parts counts when it is whole",
		      test_fragments),
		SCENE("progress of all watches advances none",
		      test_progress_of_all_advances_nothing),
		SCENE("compacted while listed: listed again",
		      test_compacted_in_a_list),
		SCENE("compacted while away: listed again, no error",
		      test_compacted_in_a_watch),
		SCENE("another cluster id: listed again",
		      test_another_store),
		SCENE("a watch that begins in the future: listed again",
		      test_a_restored_store),
		SCENE("a watch that begins with the next revision is none",
		      test_as_far_as_told_is_no_restored_store),
		SCENE("a list older than events told: all listed again",
		      test_a_store_restored_before_a_list),
		SCENE("a list older than events that came during it is sound",
		      test_events_during_a_list_are_no_restored_store),
		SCENE("a list denied: key prefix and user, slowly again",
		      test_denied),
		SCENE("a watch denied",
		      test_denied_watch),
		SCENE("a watch ended by the server",
		      test_an_ended_watch),
		SCENE("a silent server is asked, then left",
		      test_silence),
		SCENE("a silent list is left",
		      test_silence_in_a_list),
		SCENE("the callee has enough of a list",
		      test_enough_in_a_list),
		SCENE("the callee has enough of a watch",
		      test_enough_in_a_watch),
		SCENE("a prefix dropped and one added: nothing late is taken for it",
		      test_drop_and_add),
		SCENE("a prefix dropped while it is listed",
		      test_drop_in_a_list),
		SCENE("endpoints in turn, files read again",
		      test_endpoints_and_files),
		SCENE("poke cuts a pause short, or lists again",
		      test_poke),
		SCENE("nothing is told after a close in a callback",
		      test_close_in_a_callback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which changes are seen and which not: inotify reports before the call that made them ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/defs.h"
#include "feed/watches.h"
#include "tempdir.h"

static struct watches *make(const char *way, const char *folder)
{
	struct watches *w;

	assert_int_equal(watches_new(&w), 0);
	watches_begin(w);
	if (way)
		watches_way(w, "/", temp(way));
	if (folder) {
		int fd = open(temp(folder), O_PATH | O_DIRECTORY);

		assert_true(fd >= 0);
		watches_folder(w, fd);
		close(fd);
	}
	assert_true(watches_end(w));
	return w;
}

static void test_what_is_seen(void **state)
{
	static const struct {
		const char *name, *way, *folder, *change;
		enum watches_seen seen;
	} rows[] = {
		{ "a file made in a folder", NULL, "d", "touch d/x", WATCHES_CHANGED },
		{ "a hidden one", NULL, "d", "touch d/.x", WATCHES_NOTHING },
		{ "a file removed", NULL, "d", "rm d/f", WATCHES_CHANGED },
		{ "a file moved in", NULL, "d", "mv g d", WATCHES_CHANGED },
		{ "a file moved away", NULL, "d", "mv d/f h", WATCHES_CHANGED },
		{ "a file written and closed", NULL, "d", "echo >> d/f", WATCHES_CHANGED },
		{ "a file made readable", NULL, "d", "chmod 600 d/f", WATCHES_CHANGED },
		{ "the folder removed", NULL, "d", "rm -r d", WATCHES_CHANGED },
		{ "a file that is only read", NULL, "d", "cat d/f", WATCHES_NOTHING },
		{ "a file deeper down", NULL, "d", "touch d/e/x", WATCHES_NOTHING },
		{ "the last name of a way", "d/f", NULL, "echo > d/f", WATCHES_CHANGED },
		{ "another name beside it", "d/f", NULL, "touch d/x", WATCHES_NOTHING },
		{ "a name in the middle of a way", "d/e/x", NULL, "mv d/e d/g", WATCHES_CHANGED },
		{ "what is missing comes", "d/n/m", NULL, "mkdir d/n", WATCHES_CHANGED },
		{ "a link on the way is swapped", "l/f", NULL, "ln -s x l2 && mv -T l2 l",
		  WATCHES_CHANGED },
		{ "the folder behind a link", "l/f", NULL, "rm d/f", WATCHES_CHANGED },
		{ "a link to a link", "ll/f", NULL, "rm l", WATCHES_CHANGED },
		{ "an absolute link", "abs/d/f", NULL, "rm d/f", WATCHES_CHANGED },
		{ "a way with dots", "d/../d/./f", NULL, "rm d/f", WATCHES_CHANGED },
		{ "a hidden name on a way", "d/.h/f", NULL, "mkdir d/.h", WATCHES_CHANGED },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		enum watches_seen seen;
		struct watches *w;

		assert_int_equal(temp_run("cd %s && rm -rf * && mkdir -p d/e && touch d/f g && "
					  "ln -s d l && ln -s l ll && ln -s $PWD abs",
					  temp_root), 0);
		w = make(rows[i].way, rows[i].folder);
		assert_int_equal(temp_run("cd %s && (%s) >/dev/null", temp_root, rows[i].change),
				 0);
		seen = watches_drain(w);
		if (seen != rows[i].seen)
			fail_msg("%s: %d", rows[i].name, seen);
		assert_int_equal(watches_drain(w), WATCHES_NOTHING);
		watches_free(w);
	}
}

static void test_a_file_grows_until_it_is_closed(void **state)
{
	struct watches *w;
	FILE *f;

	temp_write("a", "");
	w = make(NULL, "");
	f = fopen(temp("a"), "a");
	assert_non_null(f);
	assert_int_equal(watches_drain(w), WATCHES_NOTHING);
	fputs("x", f);
	fflush(f);
	assert_int_equal(watches_drain(w), WATCHES_GROWING);
	fclose(f);
	assert_int_equal(watches_drain(w), WATCHES_CHANGED);
	watches_free(w);
}

static void test_a_loop_of_links_ends(void **state)
{
	struct watches *w;

	temp_link("loop", "loop");
	w = make("loop/x", NULL);
	assert_int_equal(unlink(temp("loop")), 0);
	assert_int_equal(watches_drain(w), WATCHES_CHANGED);
	watches_free(w);
}

static void test_a_new_set_drops_the_old_and_keeps_the_common(void **state)
{
	struct watches *w;
	int fd;

	temp_mkdir("old");
	temp_mkdir("both");
	assert_int_equal(watches_new(&w), 0);
	watches_begin(w);
	watches_way(w, "/", temp("old/x"));
	watches_way(w, "/", temp("both/x"));
	assert_true(watches_end(w));

	watches_begin(w);
	/* What changes while the new set is made is seen by it. */
	temp_write("both/x", "");
	fd = open(temp("both"), O_PATH | O_DIRECTORY);
	assert_true(fd >= 0);
	watches_folder(w, fd);
	close(fd);
	assert_true(watches_end(w));
	assert_int_equal(watches_drain(w), WATCHES_CHANGED);
	temp_write("old/x", "");
	assert_int_equal(watches_drain(w), WATCHES_NOTHING);
	temp_write("both/y", "");
	assert_int_equal(watches_drain(w), WATCHES_CHANGED);
	watches_free(w);
}

static void test_without_watches_nothing_happens(void **state)
{
	watches_begin(NULL);
	watches_way(NULL, "/", "/etc");
	watches_folder(NULL, 0);
	watches_free(NULL);
}

int main(void)
{
#define ROW(f) cmocka_unit_test_setup_teardown(f, temp_setup, temp_teardown)
	const struct CMUnitTest tests[] = {
		ROW(test_what_is_seen),
		ROW(test_a_file_grows_until_it_is_closed),
		ROW(test_a_loop_of_links_ends),
		ROW(test_a_new_set_drops_the_old_and_keeps_the_common),
		ROW(test_without_watches_nothing_happens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A folder to a snapshot: the real dumps as they lie, what is new and what is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "core/defs.h"
#include "feed/feed.h"
#include "feed/read.h"
#include "tempdir.h"

static void test_a_folder_of_real_dumps(void **state)
{
	struct snapshot *s;
	struct err err;

	assert_int_equal(temp_run("cp %s/west.yaml %s/west-mcs.yaml %s", TEST_DATA, TEST_DATA,
				  temp_root), 0);
	if (feed_dir_read(temp(""), &s, &err))
		fail_msg("%s", err.text);
	assert_int_equal(s->counts.files, 2);
	assert_int_equal(s->counts.documents, 2);
	assert_int_equal(s->counts.items, 33);
	assert_int_equal(s->n_nodes, 3);
	assert_int_equal(s->counts.global_services, 5);
	assert_memory_equal(s->revision, "sha:", 4);
	assert_non_null(strstr(s->nodes[0].source, "/west.yaml:3"));
	snapshot_free(s);
}

static void test_a_relative_path_and_a_slash_at_its_end(void **state)
{
	char cwd[TEMP_PATH_MAX];
	struct snapshot *s;

	temp_mkdir("west");
	temp_write_node("west/a.yaml", 1, "x");
	assert_non_null(getcwd(cwd, sizeof(cwd)));
	assert_int_equal(chdir(temp_root), 0);
	assert_int_equal(feed_dir_read("west//", &s, NULL), 0);
	assert_int_equal(chdir(cwd), 0);
	assert_string_equal(s->nodes[0].name, "n1");
	assert_true(strlen(temp("west/a.yaml:1")) == strlen(s->nodes[0].source));
	snapshot_free(s);
}

static void test_a_bad_file_gives_no_snapshot(void **state)
{
	struct snapshot *s = NULL;
	struct err err = {};

	temp_write_node("a.yaml", 1, "x");
	temp_write("b.yaml", "apiVersion: v1\nkind: Node\nmetadata: {}\n");
	assert_int_equal(feed_dir_read(temp(""), &s, &err), -EINVAL);
	assert_null(s);
	assert_int_equal(strncmp(err.text, temp("b.yaml:1: "), strlen(temp("b.yaml:1: "))), 0);
	/* One file is no better than the folder. */
	assert_int_equal(feed_dir_read(temp("b.yaml"), &s, &err), -EINVAL);
	assert_int_equal(feed_dir_read(temp("none"), &s, &err), -ENOENT);
	assert_null(s);
}

static void test_what_is_new(void **state)
{
	struct read_state first, next;
	struct snapshot *s;

	temp_write_node("a.yaml", 1, "x");
	assert_int_equal(read_dir(temp_root, NULL, NULL, false, &first, &s, NULL), 0);
	assert_non_null(s);
	snapshot_free(s);

	assert_int_equal(read_dir(temp_root, NULL, &first, true, &next, &s, NULL), 0);
	assert_null(s);
	/* Written again with the same content: other times, nothing new. */
	temp_write_node("b.tmp", 1, "x");
	assert_int_equal(rename(temp("b.tmp"), temp("a.yaml")), 0);
	assert_int_equal(read_dir(temp_root, NULL, &first, true, &next, &s, NULL), 0);
	assert_null(s);
	assert_true(next.stamp.low != first.stamp.low);
	assert_true(next.content.low == first.content.low);

	/* Other content is new, and so is a commit with the same content. */
	temp_write_node("a.yaml", 1, "y");
	assert_int_equal(read_dir(temp_root, NULL, &next, false, &first, &s, NULL), 0);
	assert_non_null(s);
	snapshot_free(s);
	strcpy(first.revision, "another");
	assert_int_equal(read_dir(temp_root, NULL, &first, false, &next, &s, NULL), 0);
	assert_non_null(s);
	snapshot_free(s);
}

static void test_absolute(void **state)
{
	static const char *const rows[][2] = {
		{ "/a/b", "/a/b" }, { "/a/b/", "/a/b" }, { "/a//", "/a" }, { "/", "/" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		auto_free char *got = read_absolute(rows[i][0]);

		assert_string_equal(got, rows[i][1]);
	}
}

int main(void)
{
#define ROW(f) cmocka_unit_test_setup_teardown(f, temp_setup, temp_teardown)
	const struct CMUnitTest tests[] = {
		ROW(test_a_folder_of_real_dumps),
		ROW(test_a_relative_path_and_a_slash_at_its_end),
		ROW(test_a_bad_file_gives_no_snapshot),
		ROW(test_what_is_new),
		ROW(test_absolute),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

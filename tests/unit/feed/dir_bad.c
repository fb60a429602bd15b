/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The dir feed on what is no feed: it is told once, and the last good state stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "loop.h"

static void make_fifo(void)
{
	assert_int_equal(mkfifo(temp("t/b.yaml"), 0600), 0);
}

static void make_loop(void)
{
	temp_link("c.yaml", "t/b.yaml");
	temp_link("b.yaml", "t/c.yaml");
}

static void make_folder_loop(void)
{
	temp_link(".", "t/b");
}

static void make_escape(void)
{
	temp_write_node("b.yaml", 2, "x");
	temp_link("../b.yaml", "t/b.yaml");
}

static void make_folder_escape(void)
{
	temp_mkdir("o");
	temp_link(temp("o"), "t/b");
}

static void make_dangling(void)
{
	temp_link("nowhere", "t/b.yaml");
}

static void make_huge(void)
{
	int fd = open(temp("t/b.yaml"), O_CREAT | O_WRONLY, 0600);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 1 << 30), 0);
	close(fd);
}

static void make_bad_syntax(void)
{
	temp_write("t/b.yaml", "apiVersion: v1\nkind: [\n");
}

static void make_empty_file(void)
{
	temp_write("t/b.yaml", "");
}

static void make_bad_object(void)
{
	temp_write("t/b.yaml", "apiVersion: v1\nkind: Node\nmetadata: {name: b}\n---\n"
			       "apiVersion: v1\nkind: Node\nmetadata: {name: c}\n"
			       "spec: {podCIDR: 10.9.0.1/24}\n");
}

static void make_twice(void)
{
	temp_write_node("t/b.yaml", 1, "x");
}

static void make_truncated_json(void)
{
	temp_write("t/b.json", "{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": [");
}

static void make_binary(void)
{
	FILE *f = fopen(temp("t/b.yaml"), "w");

	assert_non_null(f);
	fwrite("\x7f" "ELF\0\1\2\xff", 1, 8, f);
	fclose(f);
}

static void make_empty_folder(void)
{
	assert_int_equal(rename(temp("t/a.yaml"), temp("saved")), 0);
}

static void make_no_folder(void)
{
	assert_int_equal(rename(temp("t"), temp("t-saved")), 0);
}

static void make_control_name(void)
{
	temp_write("t/b\n.yaml", "");
}

static const struct bad {
	const char *name;
	void (*make)(void);
	const char *says; /* in the error, after the temporary folder */
	const char *repair;
} bads[] = {
	{ "a FIFO", make_fifo, "/t/b.yaml: not a regular file", "rm t/b.yaml" },
	{ "a symlink loop", make_loop, "/t/b.yaml: a loop of symbolic links", "rm t/[bc].yaml" },
	{ "a folder that holds itself", make_folder_loop,
	  "/t/b: a symbolic link that leads back to a folder above it", "rm t/b" },
	{ "a symlink out of the tree", make_escape, "/t/b.yaml: a symbolic link leads out of",
	  "rm t/b.yaml" },
	{ "a folder link out of the tree", make_folder_escape, "/t/b: a symbolic link leads out of",
	  "rm t/b" },
	{ "a symlink to nothing", make_dangling, "/t/b.yaml: changed while it was looked at, or a "
	  "symbolic link to nothing", "rm t/b.yaml" },
	{ "1 GB", make_huge, "/t/b.yaml: larger than", "rm t/b.yaml" },
	{ "bad syntax", make_bad_syntax, "/t/b.yaml:", "rm t/b.yaml" },
	{ "an empty file", make_empty_file, "/t/b.yaml: no object in it", "rm t/b.yaml" },
	{ "a second document that is bad", make_bad_object,
	  "/t/b.yaml:5: Node c: spec.podCIDR: prefix \"10.9.0.1/24\" has bits set", "rm t/b.yaml" },
	{ "a node in two files", make_twice, "/t/b.yaml:1: Node n1: is in ", "rm t/b.yaml" },
	{ "JSON that is cut off", make_truncated_json, "/t/b.json", "rm t/b.json" },
	{ "a binary", make_binary, "/t/b.yaml", "rm t/b.yaml" },
	{ "an empty folder", make_empty_folder, "/t: no *.yaml, *.yml or *.json in it",
	  "mv saved t/a.yaml" },
	{ "no folder", make_no_folder, "/t: no such file or directory", "mv t-saved t" },
	{ "a file name of two lines", make_control_name, "a file name in it has control characters",
	  "rm t/b*.yaml" },
};

static void test_what_is_bad_is_told_once_and_changes_nothing(void **state)
{
	struct seen s;

	temp_mkdir("t");
	temp_write_node("t/a.yaml", 1, "x");
	begin(&s, temp("t"));
	WAIT(&s, s.snapshots == 1, SOON_MS);
	for (size_t i = 0; i < ARRAY_SIZE(bads); i++) {
		unsigned int unchanged = s.unchanged, errors = s.errors;

		bads[i].make();
		WAIT(&s, s.errors == errors + 1, PATIENCE_MS);
		if (!strstr(s.error, bads[i].says))
			fail_msg("%s: says %s", bads[i].name, s.error);
		if (strncmp(s.error, temp_root, strlen(temp_root)))
			fail_msg("%s: does not name the path: %s", bads[i].name, s.error);
		feed_poke(s.feed);
		nothing_comes(&s, 50);
		assert_int_equal(s.unchanged, unchanged);

		assert_int_equal(temp_run("cd %s && %s", temp_root, bads[i].repair), 0);
		WAIT(&s, s.unchanged > unchanged, SOON_MS);
		assert_int_equal(s.errors, errors + 1);
		assert_int_equal(s.snapshots, 1);
	}
	end(&s);
}

static void test_the_same_error_after_a_good_reading_is_told_again(void **state)
{
	struct seen s;

	temp_write_node("a.yaml", 1, "x");
	begin(&s, temp(""));
	WAIT(&s, s.snapshots == 1, SOON_MS);
	for (unsigned int i = 1; i <= 2; i++) {
		temp_write("b.yaml", "");
		WAIT(&s, s.errors == i, SOON_MS);
		assert_int_equal(unlink(temp("b.yaml")), 0);
		WAIT(&s, s.unchanged == i, SOON_MS);
	}
	end(&s);
}

static void test_a_bad_start_is_told_and_mended(void **state)
{
	struct seen s;

	temp_write("a.yaml", "hello\n");
	begin(&s, temp(""));
	WAIT(&s, s.errors == 1, SOON_MS);
	assert_int_equal(s.snapshots, 0);
	temp_write_node("a.yaml", 1, "x");
	WAIT(&s, s.snapshots == 1, SOON_MS);
	end(&s);
}

int main(void)
{
#define ROW(f) cmocka_unit_test_setup_teardown(f, temp_setup, temp_teardown)
	const struct CMUnitTest tests[] = {
		ROW(test_what_is_bad_is_told_once_and_changes_nothing),
		ROW(test_the_same_error_after_a_good_reading_is_told_again),
		ROW(test_a_bad_start_is_told_and_mended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

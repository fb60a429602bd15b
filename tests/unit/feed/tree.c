/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a look at a tree finds, where its limits are, and that a change under it is noticed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "core/defs.h"
#include "feed/feed.h"
#include "feed/tree.h"
#include "tempdir.h"

#define SHA1 "0123456789abcdef0123456789abcdef01234567"
#define SHA256 SHA1 "0123456789abcdef01234567"

static struct tree *open_tree(const char *path)
{
	struct tree *t;
	struct err err;

	if (tree_open(path, NULL, &t, &err))
		fail_msg("%s", err.text);
	return t;
}

static void load(struct tree *t)
{
	struct err err;

	if (tree_load(t, &err))
		fail_msg("%s", err.text);
}

static void test_files_are_sorted_and_read(void **state)
{
	static const char *const names[] = { "a.json", "b/a.yml", "b/c.yaml", "d.yaml" };
	struct tree *t;

	temp_mkdir("b/.hidden");
	temp_write("d.yaml", "4");
	temp_write("b/c.yaml", "3");
	temp_write("b/a.yml", "2");
	temp_write("a.json", "1");
	temp_write("a.txt", "no");
	temp_write(".yaml", "no");
	temp_write("b/.hidden/x.yaml", "no");
	t = open_tree(temp(""));
	load(t);
	assert_int_equal(t->n_files, ARRAY_SIZE(names));
	for (size_t i = 0; i < t->n_files; i++) {
		assert_string_equal(t->files[i].name, names[i]);
		assert_string_equal(t->files[i].shown, temp(names[i]));
		assert_int_equal(t->files[i].len, 1);
		assert_int_equal(t->files[i].text[0], '1' + (int)i);
	}
	tree_free(t);
}

static void test_the_revision_of_content_is_that_of_names_and_texts(void **state)
{
	static const char *const steps[] = { "printf a > a.yaml", "printf b > a.yaml",
					     "mv a.yaml c.yaml", "printf '' > d.yaml" };
	char seen[ARRAY_SIZE(steps)][72];
	struct tree *t;

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		assert_int_equal(temp_run("cd %s && %s", temp_root, steps[i]), 0);
		t = open_tree(temp(""));
		load(t);
		strcpy(seen[i], t->revision);
		tree_free(t);
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(seen[i], seen[j]);
	}
	/* The same content elsewhere is the same revision. */
	assert_int_equal(temp_run("cd %s && mkdir e && cp c.yaml d.yaml e", temp_root), 0);
	t = open_tree(temp("e"));
	load(t);
	assert_string_equal(t->revision, seen[ARRAY_SIZE(steps) - 1]);
	tree_free(t);
}

static void test_a_commit_in_the_resolved_path_is_the_revision(void **state)
{
	static const struct {
		const char *folder, *revision;
	} rows[] = {
		{ SHA1, SHA1 },
		{ SHA1 "/clusters/west", SHA1 },
		{ SHA256, SHA256 },
		{ "0123456789abcdef0123456789abcdef0123456", NULL },
		{ SHA1 "0", NULL },
		{ "0123456789ABCDEF0123456789abcdef01234567", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char file[TEMP_PATH_MAX];
		struct tree *t;

		temp_mkdir(rows[i].folder);
		snprintf(file, sizeof(file), "%s/a.yaml", rows[i].folder);
		temp_write(file, "x");
		temp_swap_link(rows[i].folder, "link");
		t = open_tree(temp("link"));
		load(t);
		if (rows[i].revision)
			assert_string_equal(t->revision, rows[i].revision);
		else
			assert_memory_equal(t->revision, "sha:", 4);
		tree_free(t);
		assert_int_equal(temp_run("rm -r %s", temp(rows[i].folder)), 0);
	}
}

static void test_a_change_between_listing_and_reading_is_noticed(void **state)
{
	static const char *const changes[] = {
		"printf bb > t/a.yaml",          "printf c > t/c.yaml",
		"rm t/b.yaml",                   "mv t/a.yaml t/d.yaml",
		"printf z > n && mv n t/a.yaml", "ln -s b.yaml t/e.yaml",
		"mv t u && cp -r u t",           "mv t u",
		"mkdir t/f && printf x > t/f/g.yaml", "rm t/a.yaml && mkfifo t/a.yaml",
	};

	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		struct err err = {};
		struct tree *t;
		int rc;

		assert_int_equal(
			temp_run("cd %s && rm -rf t u && mkdir t && printf a > t/a.yaml && "
				 "printf b > t/b.yaml",
				 temp_root),
			0);
		t = open_tree(temp("t"));
		assert_int_equal(temp_run("cd %s && %s", temp_root, changes[i]), 0);
		rc = tree_load(t, &err);
		if (rc != -EAGAIN)
			fail_msg("%s: %d, not noticed", changes[i], rc);
		assert_non_null(strstr(err.text, "changed while it was read"));
		tree_free(t);
	}
}

static void test_a_swapped_link_is_noticed_and_the_old_tree_read_no_further(void **state)
{
	struct tree *t;

	temp_mkdir("one");
	temp_mkdir("two");
	temp_write("one/a.yaml", "1");
	temp_write("two/a.yaml", "2");
	temp_link("one", "link");
	t = open_tree(temp("link"));
	temp_swap_link("two", "link");
	assert_int_equal(tree_load(t, NULL), -EAGAIN);
	tree_free(t);
}

static void test_hidden_files_may_change_meanwhile(void **state)
{
	struct tree *t;

	temp_write("a.yaml", "1");
	t = open_tree(temp(""));
	temp_write(".a.yaml.swp", "x");
	temp_write("README", "x");
	load(t);
	tree_free(t);
}

static void test_16_folders_deep_is_the_limit(void **state)
{
	char name[128] = "";
	struct err err = {};
	struct tree *t;

	for (int i = 0; i < FEED_MAX_DEPTH; i++)
		strcat(name, i ? "/d" : "d");
	temp_mkdir(name);
	strcat(name, "/a.yaml");
	temp_write(name, "x");
	t = open_tree(temp(""));
	assert_int_equal(t->n_files, 1);
	tree_free(t);

	strcpy(strrchr(name, '/'), "/e");
	temp_mkdir(name);
	assert_int_equal(tree_open(temp(""), NULL, &t, &err), -EINVAL);
	assert_non_null(strstr(err.text, "more than 16 folders deep"));
}

static void test_10000_files_are_the_limit(void **state)
{
	struct err err = {};
	struct tree *t;

	assert_int_equal(temp_run("cd %s && seq -f %%g.yaml %d | xargs touch", temp_root,
				  FEED_MAX_FILES), 0);
	t = open_tree(temp(""));
	assert_int_equal(t->n_files, FEED_MAX_FILES);
	tree_free(t);
	temp_write("x.yaml", "");
	assert_int_equal(tree_open(temp(""), NULL, &t, &err), -EFBIG);
	assert_non_null(strstr(err.text, "more than 10000 feed files"));
}

static void test_256_mb_together_are_the_limit(void **state)
{
	struct err err = {};
	struct tree *t;
	char name[32];

	for (int i = 0; i < 5; i++) {
		snprintf(name, sizeof(name), "%d.yaml", i);
		assert_int_equal(temp_run("truncate -s 60M %s", temp(name)), 0);
	}
	t = open_tree(temp(""));
	assert_int_equal(tree_load(t, &err), -EFBIG);
	assert_non_null(strstr(err.text, "have more than 268435456 bytes together"));
	tree_free(t);
}

static void test_paths_that_are_no_feed(void **state)
{
	static const struct {
		const char *path, *make, *says;
		int rc;
	} rows[] = {
		{ "none", ":", "/none: no such file or directory", -ENOENT },
		{ "file/x", "touch file", "/file/x: no such file or directory", -ENOENT },
		{ "empty", "mkdir empty", "/empty: no *.yaml, *.yml or *.json in it", -ENOENT },
		{ "pipe", "mkfifo pipe", "/pipe: neither a folder nor a regular file", -EINVAL },
		{ "loop", "ln -s loop loop", "/loop: a loop of symbolic links", -ELOOP },
		{ "dangling", "ln -s nothing dangling", "/dangling: no such file", -ENOENT },
		{ "busy", "mkdir -p busy/.git && touch busy/a.yaml busy/.git/HEAD "
			  "busy/.git/index.lock",
		  "/busy/.git/index.lock: a git command is at work there", -EBUSY },
		{ "esc", "mkdir esc && ln -s /etc/passwd esc/a.yaml",
		  "/esc/a.yaml: a symbolic link leads out of", -EXDEV },
		{ "proc", "mkdir proc && ln -s /proc/self/fd/0 proc/a.yaml",
		  "/proc/a.yaml: a symbolic link leads out of", -EXDEV },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = {};
		struct tree *t;
		int rc;

		assert_int_equal(temp_run("cd %s && %s", temp_root, rows[i].make), 0);
		rc = tree_open(temp(rows[i].path), NULL, &t, &err);
		if (rc != rows[i].rc || !strstr(err.text, rows[i].says))
			fail_msg("%s: %d, %s", rows[i].path, rc, rc ? err.text : "");
	}
}

int main(void)
{
#define ROW(f) cmocka_unit_test_setup_teardown(f, temp_setup, temp_teardown)
	const struct CMUnitTest tests[] = {
		ROW(test_files_are_sorted_and_read),
		ROW(test_the_revision_of_content_is_that_of_names_and_texts),
		ROW(test_a_commit_in_the_resolved_path_is_the_revision),
		ROW(test_a_change_between_listing_and_reading_is_noticed),
		ROW(test_a_swapped_link_is_noticed_and_the_old_tree_read_no_further),
		ROW(test_hidden_files_may_change_meanwhile),
		ROW(test_16_folders_deep_is_the_limit),
		ROW(test_10000_files_are_the_limit),
		ROW(test_256_mb_together_are_the_limit),
		ROW(test_paths_that_are_no_feed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

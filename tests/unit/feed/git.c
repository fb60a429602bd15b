/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is read from a work tree's .git must be what git itself says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "core/defs.h"
#include "feed/git.h"
#include "tempdir.h"

#define SHA1 "0123456789abcdef0123456789abcdef01234567"

static void git(const char *args)
{
	if (temp_run("export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null; cd %s && git "
		     "-c user.name=t -c user.email=t@example.invalid -c init.defaultBranch=main %s "
		     ">/dev/null 2>&1", temp_root, args))
		fail_msg("git %s", args);
}

static void rev_parse(const char *folder, char commit[65])
{
	char cmd[1024];
	FILE *f;

	snprintf(cmd, sizeof(cmd), "git -C %s rev-parse HEAD", temp(folder));
	f = popen(cmd, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%64s", commit), 1);
	assert_int_equal(pclose(f), 0);
}

static void make_repository(void)
{
	if (system("git --version >/dev/null 2>&1")) {
		print_message("skip: no git here, install it\n");
		skip();
	}
	git("init -q");
	temp_mkdir("clusters/west");
	temp_write("clusters/west/a.yaml", "1");
	git("add clusters");
	git("commit -qm one");
}

static void assert_commit(const char *folder)
{
	char want[65], got[65] = "";
	struct git g;

	rev_parse(folder, want);
	assert_int_equal(git_find(temp(folder), &g), 0);
	assert_int_equal(git_commit(&g, got), 0);
	assert_string_equal(got, want);
}

static void test_head_is_a_branch_detached_or_packed(void **state)
{
	make_repository();
	assert_commit("clusters/west");
	git("checkout -q --detach");
	assert_commit("");
	git("checkout -q -b feature/x");
	git("commit -q --allow-empty -m two");
	assert_commit("clusters");
	git("pack-refs --all");
	assert_true(access(temp(".git/refs/heads/feature/x"), F_OK));
	assert_commit("clusters");
}

static void test_a_linked_work_tree_has_a_head_of_its_own(void **state)
{
	make_repository();
	git("worktree add -q wt -b other");
	git("commit -q --allow-empty -m two");
	assert_commit("wt/clusters/west");
	assert_commit("clusters/west");
	git("-C wt commit -q --allow-empty -m three");
	assert_commit("wt/clusters/west");
	git("-C wt checkout -q --detach");
	assert_commit("wt");
}

static void test_only_what_is_committed_is_clean(void **state)
{
	static const struct {
		const char *name, *change; /* in clusters/west */
		bool clean;
	} rows[] = {
		{ "a.yaml", ":", true },
		{ "b.yaml", "printf 1 > b.yaml", false },          /* not tracked */
		{ "a.yam", "printf 1 > a.yam", false },            /* its beginning */
		{ "a.yaml", "printf 22 > a.yaml", false },         /* another size */
		{ "a.yaml", "printf 2 > a.yaml", false },          /* another time */
		{ "a.yaml", "git checkout -q a.yaml", true },
		{ "a.yaml", "rm a.yaml && ln -s b.yaml a.yaml", false },
		{ "c.yaml", ":", false },                          /* not there */
	};
	char commit[65];
	struct git g;
	int root;

	make_repository();
	temp_mkdir("west");
	temp_write("west/a.yaml", "1");
	assert_int_equal(git_find(temp("clusters/west"), &g), 0);
	assert_int_equal(git_commit(&g, commit), 0);
	root = open(temp("clusters/west"), O_PATH | O_DIRECTORY);
	assert_true(root >= 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(temp_run("cd %s && %s", temp("clusters/west"), rows[i].change), 0);
		if (git_is_clean(&g, commit, root, temp("clusters/west"), &rows[i].name, 1) !=
		    rows[i].clean)
			fail_msg("row %zu: %s, %s", i, rows[i].name, rows[i].change);
	}
	close(root);

	/* Its name is the end of one that is tracked, and all else is the same. */
	assert_int_equal(temp_run("cd %s && git checkout -q clusters && "
				  "touch -r clusters/west/a.yaml west/a.yaml", temp_root), 0);
	root = open(temp("west"), O_PATH | O_DIRECTORY);
	assert_true(root >= 0);
	assert_false(git_is_clean(&g, commit, root, temp("west"), &rows[0].name, 1));
	close(root);
}

static void test_an_index_that_is_none_is_not_clean(void **state)
{
	static const char *const indexes[] = {
		"", "DIRC", "as long as the head of an index with an entry, but text: a.yaml a.yaml",
	};
	const char *name = "a.yaml";
	struct git g;
	int root;

	temp_mkdir(".git");
	temp_write(".git/HEAD", SHA1 "\n");
	temp_write("a.yaml", "1");
	root = open(temp(""), O_PATH | O_DIRECTORY);
	assert_true(root >= 0);
	assert_int_equal(git_find(temp(""), &g), 0);
	assert_false(git_is_clean(&g, SHA1, root, temp(""), &name, 1));
	for (size_t i = 0; i < ARRAY_SIZE(indexes); i++) {
		temp_write(".git/index", indexes[i]);
		assert_false(git_is_clean(&g, SHA1, root, temp(""), &name, 1));
	}
	close(root);
}

static void test_the_lock_of_the_index_means_busy(void **state)
{
	struct git g;

	temp_mkdir(".git");
	temp_write(".git/HEAD", SHA1 "\n");
	temp_mkdir("a/b");
	assert_int_equal(git_find(temp("a/b"), &g), 0);
	assert_string_equal(g.tree, temp_root);
	assert_false(git_is_busy(&g));
	temp_write(".git/index.lock", "");
	assert_true(git_is_busy(&g));
}

static void test_odd_files_are_no_commit(void **state)
{
	static const char *const heads[] = {
		"", "\n", "ref: refs/heads/none\n", "ref: ../../etc/passwd\n", "0123\n",
		"ref: \n", SHA1 "0\n", "0123456789ABCDEF0123456789abcdef01234567\n",
	};
	char commit[65];
	struct git g;

	assert_int_equal(git_find(temp(""), &g), -ENOENT);
	temp_mkdir(".git");
	assert_int_equal(git_find(temp(""), &g), -ENOENT);
	for (size_t i = 0; i < ARRAY_SIZE(heads); i++) {
		temp_write(".git/HEAD", heads[i]);
		assert_int_equal(git_find(temp(""), &g), 0);
		if (git_commit(&g, commit) != -ENOENT)
			fail_msg("\"%s\" gives %s", heads[i], commit);
	}
	assert_int_equal(temp_run("rm -r %s", temp(".git")), 0);
	temp_write(".git", "gitdir: /nowhere\n");
	assert_int_equal(git_find(temp(""), &g), -ENOENT);
	temp_write(".git", "nonsense");
	assert_int_equal(git_find(temp(""), &g), -ENOENT);
	assert_int_equal(git_find("relative", &g), -ENOENT);
}

static void test_hex(void **state)
{
	assert_int_equal(git_hex(SHA1), 40);
	assert_int_equal(git_hex(SHA1 "/x"), 40);
	assert_int_equal(git_hex(SHA1 "\n"), 40);
	assert_int_equal(git_hex(SHA1 "-x"), 0);
	assert_int_equal(git_hex(SHA1 "0123456789abcdef01234567"), 64);
	assert_int_equal(git_hex("0123"), 0);
	assert_int_equal(git_hex(""), 0);
}

int main(void)
{
#define ROW(f) cmocka_unit_test_setup_teardown(f, temp_setup, temp_teardown)
	const struct CMUnitTest tests[] = {
		ROW(test_head_is_a_branch_detached_or_packed),
		ROW(test_a_linked_work_tree_has_a_head_of_its_own),
		ROW(test_only_what_is_committed_is_clean),
		ROW(test_an_index_that_is_none_is_not_clean),
		ROW(test_the_lock_of_the_index_means_busy),
		ROW(test_odd_files_are_no_commit),
		ROW(test_hex),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

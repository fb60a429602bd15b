/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The dir feed on a real loop and real folders: each way in which a feed is changed in practice
 * is taken over within a second, all or nothing. Every node bears a generation as its zone: a
 * snapshot that mixes two fails the test. What is no feed at all is in dir_bad.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "loop.h"

#define SHA_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define SHA_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

/* ---- changes that are taken over ------------------------------------------------------------ */

static void test_it_reads_at_once_and_a_change_in_place(void **state)
{
	struct seen s;

	temp_write_node("a.yaml", 1, "one");
	begin(&s, temp(""));
	WAIT(&s, s.snapshots == 1, SOON_MS);
	assert_int_equal(s.nodes, 1);
	assert_memory_equal(s.revision, "sha:", 4);
	assert_int_equal(strlen(s.revision), 4 + 16);

	temp_write_node("a.yaml", 1, "two");
	WAIT(&s, !strcmp(s.zone, "two"), SOON_MS);
	assert_int_equal(s.snapshots, 2);
	end(&s);
	assert_int_equal(s.errors, 0);
}

static void test_files_come_go_and_are_renamed_over(void **state)
{
	struct seen s;

	temp_write_node("a.yaml", 1, "x");
	begin(&s, temp(""));
	WAIT(&s, s.snapshots == 1, SOON_MS);

	temp_mkdir("deep/er");
	temp_write_node("deep/er/b.yml", 2, "x");
	WAIT(&s, s.nodes == 2, SOON_MS);
	/* A folder that was made after the start is watched too. */
	temp_write_node("deep/er/c.yaml", 3, "x");
	WAIT(&s, s.nodes == 3, SOON_MS);
	assert_int_equal(unlink(temp("deep/er/c.yaml")), 0);
	WAIT(&s, s.nodes == 2, SOON_MS);
	temp_write_node("a.tmp", 4, "x");
	assert_int_equal(rename(temp("a.tmp"), temp("deep/d.yaml")), 0);
	WAIT(&s, s.nodes == 3, SOON_MS);
	assert_int_equal(temp_run("rm -rf %s", temp("deep")), 0);
	WAIT(&s, s.nodes == 1, SOON_MS);
	end(&s);
	assert_int_equal(s.errors, 0);
}

static void test_names_that_are_not_for_it_are_left_out(void **state)
{
	struct seen s;

	temp_write_node("a.yaml", 1, "x");
	temp_write(".hidden.yaml", "{{{");
	temp_mkdir(".git-not");
	temp_write(".git-not/b.yaml", "{{{");
	temp_write("notes.txt", "{{{");
	assert_int_equal(mkfifo(temp("pipe"), 0600), 0);
	begin(&s, temp(""));
	WAIT(&s, s.snapshots == 1, SOON_MS);
	temp_write(".a.yaml.swp", "{{{");
	nothing_comes(&s, 300);
	end(&s);
	assert_int_equal(s.nodes, 1);
}

static void test_a_single_file_is_a_feed(void **state)
{
	struct seen s;

	temp_write_node("only.txt", 1, "one");
	temp_write("other.yaml", "{{{");
	begin(&s, temp("only.txt"));
	WAIT(&s, s.snapshots == 1, SOON_MS);
	temp_write_node("only.txt", 1, "two");
	WAIT(&s, !strcmp(s.zone, "two"), SOON_MS);
	temp_write_node("only.tmp", 1, "three");
	assert_int_equal(rename(temp("only.tmp"), temp("only.txt")), 0);
	WAIT(&s, !strcmp(s.zone, "three"), SOON_MS);
	end(&s);
	assert_int_equal(s.errors, 0);
}

static void write_worktree(const char *sha, const char *zone)
{
	char name[TEMP_PATH_MAX];

	snprintf(name, sizeof(name), ".worktrees/%s/clusters/west", sha);
	temp_mkdir(name);
	for (int i = 1; i <= 5; i++) {
		snprintf(name, sizeof(name), ".worktrees/%s/clusters/west/n%d.yaml", sha, i);
		temp_write_node(name, i, zone);
	}
}

static void test_a_git_sync_swap_and_back_to_an_older_commit(void **state)
{
	struct seen s;

	write_worktree(SHA_A, "a");
	temp_link(".worktrees/" SHA_A, "current");
	begin(&s, temp("current/clusters/west"));
	WAIT(&s, s.snapshots == 1, SOON_MS);
	assert_string_equal(s.revision, SHA_A);

	for (int i = 0; i < 3; i++) {
		const char *to = i % 2 ? SHA_A : SHA_B, *from = i % 2 ? SHA_B : SHA_A;

		write_worktree(to, i % 2 ? "a" : "b");
		temp_swap_link(i % 2 ? ".worktrees/" SHA_A : ".worktrees/" SHA_B, "current");
		assert_int_equal(temp_run("rm -rf %s/.worktrees/%s", temp_root, from), 0);
		WAIT(&s, !strcmp(s.revision, to), SOON_MS);
		assert_string_equal(s.zone, i % 2 ? "a" : "b");
		assert_int_equal(s.nodes, 5);
	}
	end(&s);
	assert_int_equal(s.errors, 0);
	assert_int_equal(s.snapshots, 4);
}

static void test_swaps_without_a_pause_never_mix(void **state)
{
	struct seen s;

	write_worktree(SHA_A, "a");
	write_worktree(SHA_B, "b");
	temp_link(".worktrees/" SHA_A, "current");
	begin(&s, temp("current/clusters/west"));
	WAIT(&s, s.snapshots == 1, SOON_MS);
	for (int i = 0; i < 300; i++) {
		temp_swap_link(i % 2 ? ".worktrees/" SHA_A : ".worktrees/" SHA_B, "current");
		for (int j = 0; j < 2; j++)
			uv_run(&s.loop, UV_RUN_ONCE);
	}
	temp_swap_link(".worktrees/" SHA_B, "current");
	WAIT(&s, !strcmp(s.revision, SHA_B) && !strcmp(s.zone, "b"), SOON_MS);
	end(&s);
	assert_int_equal(s.errors, 0);
}

static void test_links_on_the_way_may_be_absolute_and_many(void **state)
{
	struct seen s;

	temp_mkdir("v1/x");
	temp_mkdir("v2/x");
	temp_mkdir("etc");
	temp_write_node("v1/x/a.yaml", 1, "one");
	temp_write_node("v2/x/a.yaml", 1, "two");
	temp_link(temp("v1"), "data");
	temp_link("../data/x", "etc/west");
	temp_link("etc", "conf");
	begin(&s, temp("conf/west"));
	WAIT(&s, s.snapshots == 1, SOON_MS);
	temp_swap_link(temp("v2"), "data");
	WAIT(&s, !strcmp(s.zone, "two"), SOON_MS);
	temp_swap_link("../v1/x", "etc/west");
	WAIT(&s, !strcmp(s.zone, "one"), SOON_MS);
	end(&s);
	assert_int_equal(s.errors, 0);
}

static void write_mount(const char *version, const char *zone, int n)
{
	char name[TEMP_PATH_MAX];

	snprintf(name, sizeof(name), "%s/sub", version);
	temp_mkdir(name);
	for (int i = 1; i <= n; i++) {
		snprintf(name, sizeof(name), "%s/%sn%d.yaml", version, i == 3 ? "sub/" : "", i);
		temp_write_node(name, i, zone);
	}
}

static void test_a_configmap_mount_is_updated(void **state)
{
	struct seen s;

	/* As kubelet's AtomicWriter lays it out. */
	write_mount("..2026_11_24_1", "one", 3);
	temp_link("..2026_11_24_1", "..data");
	temp_link("..data/n1.yaml", "n1.yaml");
	temp_link("..data/n2.yaml", "n2.yaml");
	temp_link("..data/sub", "sub");
	begin(&s, temp(""));
	WAIT(&s, s.snapshots == 1, SOON_MS);
	assert_int_equal(s.nodes, 3);

	write_mount("..2026_11_24_2", "two", 3);
	temp_swap_link("..2026_11_24_2", "..data");
	assert_int_equal(temp_run("rm -rf %s", temp("..2026_11_24_1")), 0);
	WAIT(&s, !strcmp(s.zone, "two"), SOON_MS);
	assert_int_equal(s.nodes, 3);

	/* A key goes: its link is removed after the swap. */
	write_mount("..2026_11_24_3", "three", 3);
	assert_int_equal(unlink(temp("..2026_11_24_3/n2.yaml")), 0);
	temp_swap_link("..2026_11_24_3", "..data");
	assert_int_equal(unlink(temp("n2.yaml")), 0);
	assert_int_equal(temp_run("rm -rf %s", temp("..2026_11_24_2")), 0);
	WAIT(&s, !strcmp(s.zone, "three") && s.nodes == 2, SOON_MS);
	end(&s);
	assert_int_equal(s.errors, 0);
}

static void test_a_file_behind_a_link_is_changed_in_place(void **state)
{
	struct seen s;

	temp_mkdir(".store");
	temp_write_node(".store/real", 1, "one");
	temp_link(".store/real", "a.yaml");
	begin(&s, temp(""));
	WAIT(&s, s.snapshots == 1, SOON_MS);
	temp_write_node(".store/real", 1, "two");
	WAIT(&s, !strcmp(s.zone, "two"), SOON_MS);
	end(&s);
}

#define GIT                                                                                        \
	"cd %s && git -c user.name=t -c user.email=t@example.invalid -c init.defaultBranch=main "

static void git(const char *args)
{
	if (temp_run("export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null; " GIT "%s "
		     ">/dev/null 2>&1", temp_root, args))
		fail_msg("git %s", args);
}

static void rev_parse(const char *what, char commit[65])
{
	char cmd[1024];
	FILE *f;

	snprintf(cmd, sizeof(cmd), "git -C %s rev-parse %s", temp_root, what);
	f = popen(cmd, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%64s", commit), 1);
	assert_int_equal(pclose(f), 0);
}

static void write_generation(const char *zone, int n)
{
	char name[64];

	temp_mkdir("clusters/west");
	for (int i = 1; i <= n; i++) {
		snprintf(name, sizeof(name), "clusters/west/n%d.yaml", i);
		temp_write_node(name, i, zone);
	}
}

static void test_a_git_checkout_in_place(void **state)
{
	char one[65], two[65], three[65];
	struct seen s;

	if (system("git --version >/dev/null 2>&1")) {
		print_message("skip: no git here, install it\n");
		skip();
	}
	git("init -q");
	write_generation("one", 60);
	git("add -A");
	git("commit -qm one");
	rev_parse("HEAD", one);
	write_generation("two", 60);
	git("commit -qam two");
	rev_parse("HEAD", two);
	begin(&s, temp("clusters/west"));
	WAIT(&s, s.snapshots == 1, SOON_MS);
	assert_string_equal(s.revision, two);

	git("checkout -q HEAD~1");
	WAIT(&s, !strcmp(s.zone, "one") && !strcmp(s.revision, one), SOON_MS);
	git("checkout -q main");
	WAIT(&s, !strcmp(s.zone, "two") && !strcmp(s.revision, two), SOON_MS);
	/* As `git pull` does: the branch moves, HEAD stays. */
	write_generation("three", 60);
	git("commit -qam three");
	rev_parse("HEAD", three);
	WAIT(&s, !strcmp(s.zone, "three") && !strcmp(s.revision, three), SOON_MS);
	git("reset -q --hard HEAD~1");
	WAIT(&s, !strcmp(s.zone, "two") && !strcmp(s.revision, two), SOON_MS);
	assert_int_equal(s.nodes, 60);
	/* What was edited since is not what the commit holds. */
	write_generation("edited", 60);
	WAIT(&s, !strcmp(s.zone, "edited") && !strncmp(s.revision, "sha:", 4), SOON_MS);
	end(&s);
	assert_int_equal(s.errors, 0);
}

static void test_while_git_is_at_work_it_waits(void **state)
{
	struct seen s;

	temp_mkdir(".git");
	temp_mkdir("west");
	temp_write(".git/HEAD", SHA_A "\n");
	temp_write_node("west/a.yaml", 1, "one");
	begin(&s, temp("west"));
	WAIT(&s, s.snapshots == 1, SOON_MS);
	/* Not tracked by that git, so its commit says nothing about it. */
	assert_memory_equal(s.revision, "sha:", 4);

	temp_write(".git/index.lock", "");
	temp_write_node("west/a.yaml", 1, "two");
	nothing_comes(&s, SOON_MS);
	temp_write_node("west/b.yaml", 2, "two");
	assert_int_equal(unlink(temp(".git/index.lock")), 0);
	WAIT(&s, s.snapshots == 2, SOON_MS);
	assert_int_equal(s.nodes, 2);

	/* A lock that stays is told, once, and the feed goes on waiting. */
	temp_write(".git/index.lock", "");
	feed_poke(s.feed);
	WAIT(&s, s.errors == 1, PATIENCE_MS);
	assert_non_null(strstr(s.error, ".git/index.lock: a git command is at work there"));
	nothing_comes(&s, 300);
	assert_int_equal(unlink(temp(".git/index.lock")), 0);
	WAIT(&s, s.unchanged >= 1, SOON_MS);
	end(&s);
}

static void test_a_file_that_is_being_written_is_not_read_before_its_end(void **state)
{
	const char *text;
	struct seen s;
	FILE *f;

	temp_write_node("a.yaml", 1, "one");
	text = temp_node(1, "two");
	begin(&s, temp(""));
	WAIT(&s, s.snapshots == 1, SOON_MS);
	f = fopen(temp("a.yaml"), "w");
	assert_non_null(f);
	for (size_t i = 0; i < strlen(text); i++) {
		fputc(text[i], f);
		fflush(f);
		if (i % 32 == 0)
			nothing_comes(&s, 300);
	}
	fclose(f);
	WAIT(&s, !strcmp(s.zone, "two"), SOON_MS);
	end(&s);
	assert_int_equal(s.errors, 0);
	assert_int_equal(s.snapshots, 2);
}

static void test_many_changes_are_one_snapshot(void **state)
{
	struct seen s;
	char name[32];
	uint64_t before;

	temp_write_node("a1.yaml", 1, "x");
	begin(&s, temp(""));
	WAIT(&s, s.snapshots == 1, SOON_MS);
	assert_int_equal(s.seen_ns, 0);
	before = uv_hrtime();
	for (int i = 2; i <= 200; i++) {
		snprintf(name, sizeof(name), "a%d.yaml", i);
		temp_write_node(name, i, "x");
	}
	WAIT(&s, s.nodes == 200, SOON_MS);
	assert_int_equal(s.snapshots, 2);
	/* When the first of them was noticed: before the wait for quiet. */
	assert_in_range(s.seen_ns, before, uv_hrtime() - 150 * 1000000ull);
	end(&s);
}

static void test_a_path_may_appear_later(void **state)
{
	struct seen s;

	begin(&s, temp("not/yet/there"));
	WAIT(&s, s.errors == 1, SOON_MS);
	assert_non_null(strstr(s.error, "not/yet/there: no such file or directory"));
	temp_mkdir("other");
	temp_mkdir("other/yet/there");
	temp_write_node("other/yet/there/a.yaml", 1, "x");
	temp_link("other", "not");
	WAIT(&s, s.snapshots == 1, SOON_MS);
	end(&s);
}

/* ---- calls ----------------------------------------------------------------------------- */

static void test_poke_reads_and_says_unchanged(void **state)
{
	struct seen s;

	temp_write_node("a.yaml", 1, "x");
	begin(&s, temp(""));
	WAIT(&s, s.snapshots == 1, SOON_MS);
	feed_poke(s.feed);
	feed_poke(s.feed);
	WAIT(&s, s.unchanged == 2, SOON_MS);
	end(&s);
}

static void test_it_may_be_closed_at_any_time(void **state)
{
	struct seen s;

	temp_write_node("a.yaml", 1, "x");
	/* Before anything was read, */
	begin(&s, temp(""));
	end(&s);
	assert_int_equal(s.snapshots, 0);
	/* between a change and its reading, */
	begin(&s, temp(""));
	WAIT(&s, s.snapshots == 1, SOON_MS);
	temp_write_node("a.yaml", 1, "y");
	uv_run(&s.loop, UV_RUN_ONCE);
	end(&s);
	/* and in its own callback. */
	begin(&s, temp(""));
	s.close_in_callback = true;
	WAIT(&s, s.snapshots == 1, SOON_MS);
	end(&s);
}

int main(void)
{
#define ROW(f) cmocka_unit_test_setup_teardown(f, temp_setup, temp_teardown)
	const struct CMUnitTest tests[] = {
		ROW(test_it_reads_at_once_and_a_change_in_place),
		ROW(test_files_come_go_and_are_renamed_over),
		ROW(test_names_that_are_not_for_it_are_left_out),
		ROW(test_a_single_file_is_a_feed),
		ROW(test_a_git_sync_swap_and_back_to_an_older_commit),
		ROW(test_swaps_without_a_pause_never_mix),
		ROW(test_links_on_the_way_may_be_absolute_and_many),
		ROW(test_a_configmap_mount_is_updated),
		ROW(test_a_file_behind_a_link_is_changed_in_place),
		ROW(test_a_git_checkout_in_place),
		ROW(test_while_git_is_at_work_it_waits),
		ROW(test_a_file_that_is_being_written_is_not_read_before_its_end),
		ROW(test_many_changes_are_one_snapshot),
		ROW(test_a_path_may_appear_later),
		ROW(test_poke_reads_and_says_unchanged),
		ROW(test_it_may_be_closed_at_any_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

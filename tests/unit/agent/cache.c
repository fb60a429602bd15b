/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The cache's files: what is written is read again, and what is not whole is not read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/cache.h"
#include "core/defs.h"
#include "feed/feed.h"

struct world {
	char dir[64], cache[96], file[128];
	struct snapshot *snapshot;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct err err = { 0 };

	strcpy(w->dir, "/tmp/xmesh-cache-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	snprintf(w->cache, sizeof(w->cache), "%s/state/default/feeds", w->dir);
	snprintf(w->file, sizeof(w->file), "%s/west.json", w->cache);
	if (feed_dir_read(TEST_DATA "/west.yaml", &w->snapshot, &err))
		fail_msg("%s", err.text);
	if (cache_write(w->cache, "west", 2, w->snapshot, &err))
		fail_msg("%s", err.text);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	char command[128];

	snapshot_free(w->snapshot);
	snprintf(command, sizeof(command), "rm -rf %s", w->dir);
	assert_int_equal(system(command), 0);
	free(w);
	return 0;
}

static void comes_back(void **state)
{
	struct world *w = *state;
	struct snapshot *s;
	struct err err = { 0 };
	struct stat st;
	time_t time_s = 0;

	if (cache_read(w->cache, "west", 2, &time_s, &s, &err))
		fail_msg("%s", err.text);
	assert_string_equal(s->revision, w->snapshot->revision);
	assert_int_equal(s->nodes_digest, w->snapshot->nodes_digest);
	assert_int_equal(s->services_digest, w->snapshot->services_digest);
	assert_int_equal(s->n_nodes, w->snapshot->n_nodes);
	assert_true(s->n_nodes > 0 && s->n_services > 0 && s->n_slices > 0);
	assert_in_range(time(NULL) - time_s, 0, 60);
	assert_int_equal(s->counts.files, 1);
	snapshot_free(s);
	assert_int_equal(stat(w->file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(stat(w->cache, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
}

static void is_a_list(void **state)
{
	struct world *w = *state;
	struct snapshot *s;
	struct err err = { 0 };

	if (feed_dir_read(w->file, &s, &err))
		fail_msg("%s", err.text);
	assert_int_equal(s->services_digest, w->snapshot->services_digest);
	snapshot_free(s);
}

static void written_again(void **state)
{
	struct world *w = *state;
	struct snapshot *s, empty = { .revision = "rev:7" };
	struct err err = { 0 };
	time_t time_s;

	snapshot_finish(&empty);
	assert_int_equal(cache_write(w->cache, "west", 2, &empty, &err), 0);
	assert_int_equal(cache_read(w->cache, "west", 2, &time_s, &s, &err), 0);
	assert_string_equal(s->revision, "rev:7");
	assert_int_equal(s->n_nodes + s->n_services, 0);
	snapshot_free(s);
}

static int read_code(const struct world *w, const char *name, uint16_t id, struct err *err)
{
	struct snapshot *s;
	time_t time_s;
	int code = cache_read(w->cache, name, id, &time_s, &s, err);

	if (!code)
		snapshot_free(s);
	return code;
}

static void others_are_not_read(void **state)
{
	struct world *w = *state;
	char command[256];
	struct err err = { 0 };

	assert_int_equal(read_code(w, "north", 3, &err), -ENOENT);
	assert_int_equal(read_code(w, "west", 3, &err), -EINVAL);
	assert_non_null(strstr(err.text, "with id 2, not of west with id 3"));
	snprintf(command, sizeof(command), "cp %s %s/north.json", w->file, w->cache);
	assert_int_equal(system(command), 0);
	assert_int_equal(read_code(w, "north", 2, &err), -EINVAL);
	cache_remove(w->cache, "west");
	assert_int_equal(read_code(w, "west", 2, &err), -ENOENT);
}

/* Every prefix of the file, and every byte of it changed: told as an error, nothing is made of it. */
static void damaged(void **state)
{
	struct world *w = *state;
	struct err err = { 0 };
	FILE *file = fopen(w->file, "r+");
	long size;
	int c;

	assert_non_null(file);
	fseek(file, 0, SEEK_END);
	size = ftell(file);
	for (long i = 0; i < size; i += 1 + size / 200) {
		fseek(file, i, SEEK_SET);
		c = fgetc(file);
		fseek(file, i, SEEK_SET);
		fputc(c ^ 1, file);
		fflush(file);
		/* The time and the revision of the first line may be other ones without harm. */
		if (read_code(w, "west", 2, &err))
			assert_non_null(strstr(err.text, w->file));
		else
			assert_true(i < 400);
		fseek(file, i, SEEK_SET);
		fputc(c, file);
		fflush(file);
	}
	assert_int_equal(read_code(w, "west", 2, &err), 0);
	fclose(file);
	for (long i = size - 1; i >= 0; i -= 1 + size / 100) {
		assert_int_equal(truncate(w->file, i), 0);
		assert_int_equal(read_code(w, "west", 2, &err), -EINVAL);
	}
}

static void no_room(void **state)
{
	struct world *w = *state;
	struct err err = { 0 };

	assert_int_equal(cache_write("/proc/no/such/feeds", "west", 2, w->snapshot, &err), -ENOENT);
	assert_non_null(strstr(err.text, "/proc/no/such/feeds"));
	assert_int_equal(read_code(w, "west", 2, &err), 0);
}

int main(void)
{
#define TEST(name, fn) { name, fn, setup, teardown, NULL }
	const struct CMUnitTest tests[] = {
		TEST("what was written is read again, by root alone", comes_back),
		TEST("it is a List that any feed may be made of", is_a_list),
		TEST("a newer one takes the place, also one of nothing", written_again),
		TEST("one that is missing, or of another cluster, is not read", others_are_not_read),
		TEST("one that is damaged is refused by name", damaged),
		TEST("a failure to write says where, and leaves what is there", no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
